"""What a policy is worth: episodes played through a model file alone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.artifact import Artifact, open_artifact
from edgekit.environments import Array, Environment, make
from edgekit.environments.episodes import Episodes, play
from edgekit.errors import InputError
from edgekit.evaluate import described
from edgekit.runtime import RUNTIMES, Session, open_model
from edgekit.runtime.child_process import Limits
from edgekit.runtime.sandbox import run_isolated
from edgekit.signature import Signature, TensorSpec
from edgekit.tasks.control import decode

OBSERVATION, NOISE, ACTION = "observation", "noise", "action"
DRAWN = 12  # episodes whose course is handed back
LIMITS = Limits(timeout_s=3600)


@dataclass(frozen=True)
class Played:
    """Episodes, and the time that each of the file's answers took."""

    episodes: Episodes
    step_us: npt.NDArray[np.float64]  # of every inference, in turn

    @property
    def median_us(self) -> float:
        """Microseconds of an inference, quantizing and reading the action included."""
        return float(np.median(self.step_us))


def play_file(
    session: Session, signature: Signature, environment: str, episodes: int, seed: int
) -> Played:
    """Play `episodes` episodes with a session's actions.

    Args:
        session: of a file with an input "observation", perhaps "noise", and an output "action".
        signature: its default entry point.
        environment: a name that `edgekit.environments` knows.
        episodes: all of them begin where `seed` says, so that files can be compared in pairs.
        seed: of the environment and of the noise.

    Raises:
        InputError: the file is no policy, or one for another environment.
        SetupError: the environment is not installed.
    """
    outer = make(environment, episodes, seed)
    pilot = _Pilot(session, signature, outer, seed)
    return Played(play(outer, pilot), np.array(pilot.step_us))


def play_isolated(
    artifact: Artifact, environment: str, *, episodes: int, seed: int, scheme: str | None = None,
    runtime: str | None = None, threads: int = 1,
) -> dict[str, Any]:  # fmt: skip
    """Play through a file of an artifact in the sandbox.

    Returns:
        "file", "runtime", "returns" and "lengths" by episode, "step_us" (median and 95th
        percentile), and the course of the first DRAWN: "observations", "actions", "rewards".

    Raises:
        InputError: no such file, no policy, or a damaged one.
        SetupError: the environment or the runtime is not installed.
    """
    request = {"artifact": str(artifact.folder), "environment": environment, "episodes": episodes,
               "seed": seed, "scheme": scheme, "runtime": runtime, "threads": threads}  # fmt: skip
    found: dict[str, Any] = run_isolated(f"{__name__}:play_within", request,
                                         what=str(artifact.folder), limits=LIMITS)  # fmt: skip
    return found


def play_within(request: Mapping[str, Any]) -> dict[str, Any]:
    """Do it in this process, of JSON types; see `play_isolated`."""
    artifact = open_artifact(request["artifact"])
    artifact.check()
    format = RUNTIMES[request["runtime"]][0] if request["runtime"] in RUNTIMES else None
    file = artifact.file(scheme=request["scheme"], format=format)
    path = artifact.path(file)
    session = open_model(path, runtime=request["runtime"], threads=request["threads"])
    with closing(session):
        signature = described(session.signatures, file.signatures, str(path))
        played = play_file(session, signature, request["environment"], request["episodes"],
                           request["seed"])  # fmt: skip
        runtime = str(session.facts["runtime"])
    course = {
        name: _json(getattr(played.episodes, name)[:, :DRAWN])
        for name in ("observations", "actions", "rewards")
    }
    return {
        "file": str(path), "runtime": runtime, "returns": played.episodes.returns.tolist(),
        "lengths": played.episodes.lengths.tolist(),
        "step_us": [played.median_us, float(np.percentile(played.step_us, 95))],
        **course,
    }  # fmt: skip


def _json(values: Array) -> Any:
    """Return an array as lists, with None for NaN: behind an episode's end."""
    found = values.astype(object)
    found[np.isnan(values)] = None
    return found.tolist()


class _Pilot:
    """Acts as a file says, one observation at a time as on a device."""

    def __init__(
        self, session: Session, signature: Signature, outer: Environment, seed: int
    ) -> None:
        self.session = session
        self.inputs = {spec.name: spec for spec in signature.inputs}
        self.outputs = {spec.name: spec for spec in signature.outputs}
        _check(self.inputs, OBSERVATION, outer.observations)
        _check(self.outputs, ACTION, outer.actions)
        if extra := set(self.inputs) - {OBSERVATION, NOISE}:
            raise InputError("policy: inputs", got=", ".join(sorted(extra)),
                             expected="observation, and noise if any")  # fmt: skip
        self.rng = np.random.default_rng(seed)
        self.step_us: list[float] = []

    def __call__(self, observations: Array) -> Array:
        return np.concatenate([self._act(row[np.newaxis]) for row in observations])

    def _act(self, observation: Array) -> Array:
        given: dict[str, Any] = {OBSERVATION: observation}
        if NOISE in self.inputs:
            given[NOISE] = self.rng.standard_normal(self.inputs[NOISE].shape).astype(np.float32)
        began = time.perf_counter()
        raw = self.session({name: self.inputs[name].quantize(value)
                            for name, value in given.items()})  # fmt: skip
        real = {name: spec.dequantize(raw[name]) for name, spec in self.outputs.items()}
        self.step_us.append(1e6 * (time.perf_counter() - began))
        return decode(real, {})


def _check(specs: dict[str, TensorSpec], name: str, size: int) -> None:
    if name not in specs:
        raise InputError(f"policy: no tensor {name}", got=", ".join(specs), expected=name,
                         do="give an artifact for the task control")  # fmt: skip
    if specs[name].shape != (1, size):
        raise InputError(f"policy: {name}", got=list(specs[name].shape),
                         expected=f"[1, {size}] in this environment")  # fmt: skip
