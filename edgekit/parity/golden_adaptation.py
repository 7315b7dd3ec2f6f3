"""Golden vectors of a policy that adapts: whole adaptations, call by call.

For each task number i and model file a golden file holds

    i/thing                    the task's parameters `[P]`, as the place of a goal
    i/noise                    of z, `[T, Z]` for T trajectories
    i/FILE/ENTRY/input/NAME    the raw tensors that an entry point got, `[N, ...]` for N calls
    i/FILE/ENTRY/output/NAME   and answered
    i/FILE/answer.json         what came of it: by trajectory latents, paths, returns and found

The answer stands under the first of the files that play together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.artifact import Artifact, ModelFile, open_artifact
from edgekit.environments.tasks import draw_tasks, tasks
from edgekit.play import LIMITS, Entry, adaptation, opened
from edgekit.runtime import default_runtime
from edgekit.runtime.sandbox import run_isolated
from edgekit.signature import entry_signatures

EXAMPLES = 2  # tasks
TRAJECTORIES = 3  # of each, at the most
SEED = 0

Arrays = dict[str, npt.NDArray[Any]]


def adapts(files: Sequence[ModelFile]) -> bool:
    """Return whether these are files of a policy that adapts."""
    names = {name for file in files for name in entry_signatures(file.signatures)}
    return names == {adaptation.ENCODE, adaptation.FUSE, adaptation.ACT}


def play_golden(artifact: Artifact, files: Sequence[ModelFile]) -> tuple[Arrays, dict[str, Any]]:
    """Return the arrays of a golden file and its answers, both by name.

    Raises:
        InputError: a file is damaged, or for other tasks than its manifest says.
    """
    arrays: Arrays = {}
    answers: dict[str, Any] = {}
    for scheme, format in dict.fromkeys((file.scheme, file.format) for file in files):
        together = [file for file in files if (file.scheme, file.format) == (scheme, format)]
        request = {"artifact": str(artifact.folder), "scheme": scheme,
                   "runtime": default_runtime(together[0].path)}  # fmt: skip
        what = str(artifact.folder)
        courses = run_isolated(f"{__name__}:play_within", request, what=what, limits=LIMITS)
        for number, course in enumerate(courses):
            arrays[f"{number}/thing"] = np.asarray(course["task"], np.float32)
            arrays[f"{number}/noise"] = np.asarray(course["noise"], np.float32)
            answers[f"{number}/{together[0].path}/answer"] = course["answer"]
            for file in together:
                arrays |= _calls(file, course["calls"], f"{number}/{file.path}")
    return arrays, answers


def _calls(file: ModelFile, calls: Mapping[str, Any], where: str) -> Arrays:
    """Return what a file's entry points got and answered, in their types."""
    return {
        f"{where}/{name}/{side}/{spec.name}": np.concatenate(
            [np.asarray(call[side][spec.name], spec.dtype) for call in calls[name]]
        )
        for name, signature in entry_signatures(file.signatures).items()
        for side, specs in (("input", signature.inputs), ("output", signature.outputs))
        for spec in specs
    }


def play_within(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Adapt to a few tasks in this process; see `play_golden`."""
    artifact = open_artifact(request["artifact"])
    params = artifact.manifest.task
    family = tasks(params["environment"])
    parameters = draw_tasks(family, EXAMPLES, SEED, "test")
    with opened(artifact, request["scheme"], request["runtime"]) as entries:
        count = min(TRAJECTORIES, int(params.get("trajectories", TRAJECTORIES)))
        noise = adaptation.draw_noise(
            entries, (count, EXAMPLES), SEED,
            spread=bool(params.get("spread")), widen=float(params.get("widen", 1.0)),
        )  # fmt: skip
        told = []
        for number in range(EXAMPLES):
            recorders = {name: _Recorder(entry) for name, entry in entries.items()}
            one = slice(number, number + 1)
            course = adaptation.adapt(entries, family, parameters[one], noise[:, one], seed=SEED,
                                      sparse=params["rewards"] == "sparse")  # fmt: skip
            told.append({
                "task": parameters[number].tolist(), "noise": noise[:, number].tolist(),
                "calls": {name: recorder.stop() for name, recorder in recorders.items()},
                "answer": _answer(course),
            })  # fmt: skip
    return told


def _answer(course: adaptation.Adaptation) -> list[dict[str, Any]]:
    return [
        {
            "z": z[0].tolist(),
            "path": np.concatenate([t.s[0], t.following[0, -1:]]).tolist(),
            "return": float(t.r.sum()),
            "found": t.sparse is not None and bool(t.sparse[0, -1] > 0),
        }
        for t, z in zip(course.played, course.latents, strict=True)
    ]


class _Recorder:
    """Stands in for an entry point's session, and keeps what goes in and comes out."""

    def __init__(self, entry: Entry) -> None:
        self._entry, self._session = entry, entry.session
        self._calls: list[dict[str, Any]] = []
        entry.session = self  # type: ignore[assignment]

    def __call__(self, given: Mapping[str, Any], name: str) -> dict[str, Any]:
        raw = self._session(given, name)
        sides = (("input", given), ("output", raw))
        self._calls.append(
            {side: {k: v.tolist() for k, v in values.items()} for side, values in sides}
        )
        return raw

    def stop(self) -> list[dict[str, Any]]:
        """Give the session back and return the calls."""
        self._entry.session = self._session
        return self._calls
