"""What a policy is worth: episodes played through a model file alone.

Which player a file needs its signatures say (`edgekit.tasks.control.player`): a policy answers what
is observed, and one that adapts is also told what came of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from edgekit.artifact import Artifact, open_artifact
from edgekit.environments import Array
from edgekit.errors import InputError
from edgekit.evaluate import described
from edgekit.runtime import RUNTIMES, Session, open_model
from edgekit.runtime.child_process import Limits
from edgekit.runtime.sandbox import run_isolated
from edgekit.signature import Signature, TensorSpec, entry_signatures
from edgekit.tasks import control

LIMITS = Limits(timeout_s=3600)


class Entry:
    """An entry point of a file, one example at a time as on a device, in real values."""

    def __init__(self, session: Session, name: str, signature: Signature) -> None:
        self.session, self.name = session, name
        self.inputs = {spec.name: spec for spec in signature.inputs}
        self.outputs = {spec.name: spec for spec in signature.outputs}
        self.took_us: list[float] = []  # of every inference, in turn

    def __call__(self, **given: Array) -> dict[str, npt.NDArray[Any]]:
        """Return the outputs for inputs `[1, ...]`; quantizing and reading are timed too."""
        began = time.perf_counter()
        raw = self.session({name: self.inputs[name].quantize(value)
                            for name, value in given.items()}, self.name)  # fmt: skip
        real = {name: spec.dequantize(raw[name]) for name, spec in self.outputs.items()}
        self.took_us.append(1e6 * (time.perf_counter() - began))
        return real

    def times(self, what: str) -> dict[str, float]:
        """Return median and 95th percentile of an inference, in microseconds, named for `what`."""
        median, late = np.percentile(self.took_us, (50, 95))
        return {f"median_{what}_us": float(median), f"p95_{what}_us": float(late)}

    def take(self, name: str, size: int) -> None:
        """Insist on an input of that name, `[1, size]`.

        Raises:
            InputError: there is none, or it is of another size.
        """
        _check(self.inputs, name, size)

    def give(self, name: str, size: int) -> None:
        """Insist on an output of that name, likewise."""
        _check(self.outputs, name, size)


def _check(specs: Mapping[str, TensorSpec], name: str, size: int) -> None:
    if name not in specs:
        raise InputError(f"policy: no tensor {name}", got=", ".join(specs), expected=name,
                         do="give an artifact for the task control")  # fmt: skip
    shape = specs[name].shape
    if len(shape) != 2 or shape[0] not in (1, -1) or shape[1] != size:
        raise InputError(f"policy: {name}", got=list(shape),
                         expected=f"[1, {size}] in this environment")  # fmt: skip


@dataclass(frozen=True)
class Wish:
    """What is to be played."""

    environment: str
    episodes: int  # or tasks, of a policy that adapts to them
    seed: int  # of the environment, the tasks and the noise
    trajectories: int | None = None  # of each task; as the manifest says if not given


class Player(Protocol):
    """What a module that plays offers."""

    def play_entries(
        self, entries: Mapping[str, Entry], params: Mapping[str, Any], wish: Wish
    ) -> dict[str, Any]:
        """Play and return what came of it, of JSON types."""
        ...

    def lines(self, played: Mapping[str, Any], environment: str) -> list[str]:
        """Return it as a person reads it."""
        ...

    def draw(self, played: Mapping[str, Any]) -> npt.NDArray[np.uint8]:
        """Return a picture of it, `[H, W, 3]`."""
        ...


def player_of(artifact: Artifact, scheme: str | None, runtime: str | None) -> Player:
    """Return who plays through the artifact's files of a scheme.

    Raises:
        InputError: no such file, or none that acts.
    """
    files = _files(artifact, scheme, runtime)
    names = [name for file in files for name in entry_signatures(file.signatures)]
    return cast(Player, import_module(control.player(names)))


def play_isolated(
    artifact: Artifact, wish: Wish, *, scheme: str | None = None, runtime: str | None = None,
    threads: int = 1,
) -> dict[str, Any]:  # fmt: skip
    """Play through files of an artifact in the sandbox.

    Returns:
        "file", "runtime" and what the player adds; see its `play_entries`.

    Raises:
        InputError: no such file, no policy, or a damaged one.
        SetupError: the environment or the runtime is not installed.
    """
    request = {"artifact": str(artifact.folder), "scheme": scheme, "runtime": runtime,
               "threads": threads, "wish": vars(wish)}  # fmt: skip
    found: dict[str, Any] = run_isolated(f"{__name__}:play_within", request,
                                         what=str(artifact.folder), limits=LIMITS)  # fmt: skip
    return found


def play_within(request: Mapping[str, Any]) -> dict[str, Any]:
    """Do it in this process, of JSON types; see `play_isolated`."""
    artifact = open_artifact(request["artifact"])
    artifact.check()
    chosen = request["scheme"], request["runtime"]
    player = player_of(artifact, *chosen)
    with opened(artifact, *chosen, threads=request["threads"]) as entries:
        played = player.play_entries(entries, artifact.manifest.task, Wish(**request["wish"]))
        first = next(iter(entries.values())).session
        runtime = str(first.facts["runtime"])
    file = artifact.path(_files(artifact, *chosen)[0])
    return {"file": str(file), "runtime": runtime, **played}


@contextmanager
def opened(
    artifact: Artifact, scheme: str | None = None, runtime: str | None = None, *, threads: int = 1
) -> Iterator[dict[str, Entry]]:
    """Open the entry points of an artifact's files of a scheme: of one .tflite, or several .onnx.

    Raises:
        InputError: no such file, or a damaged one.
        SetupError: the runtime is not installed.
    """
    entries: dict[str, Entry] = {}
    with ExitStack() as stack:
        for file in _files(artifact, scheme, runtime):
            path: Path = artifact.path(file)
            session = stack.enter_context(
                closing(open_model(path, runtime=runtime, threads=threads))
            )
            for name in entry_signatures(session.signatures):
                signature = described(session.signatures, file.signatures, str(path), name)
                entries[name] = Entry(session, name, signature)
        yield entries


def _files(artifact: Artifact, scheme: str | None, runtime: str | None) -> list[Any]:
    """Return the first file of a scheme, and its like: the other entry points, as .onnx."""
    format = RUNTIMES[runtime][0] if runtime in RUNTIMES else None
    first = artifact.file(scheme=scheme, format=format)
    kind = first.scheme, first.format
    return [file for file in artifact.manifest.files if (file.scheme, file.format) == kind]
