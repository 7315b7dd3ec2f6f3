"""The model that `edgekit run` is given: an artifact's file, or a bare one by what options say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.cli.output import numbers
from edgekit.errors import InputError

if TYPE_CHECKING:
    from edgekit.artifact import ModelFile
    from edgekit.runtime import Session
    from edgekit.signature import Signature

    Describe = Callable[[Session], Signature]

Params = dict[str, Any]


@dataclass(frozen=True)
class AskedModel:
    """What is run: a file, the task it is for, and how to describe its tensors."""

    path: Path
    params: Params
    describe: Describe
    file: ModelFile | None = None  # of an artifact


@contextmanager
def open_asked(
    model: AskedModel, place: str | None, runtime: str | None, threads: int
) -> Iterator[Session]:
    """Open the model in a sandbox here, or on a device.

    Raises:
        InputError: a bare file for a device: nothing says what its tensors are.
    """
    if place is None:
        from edgekit.runtime.sandbox import open_isolated

        with closing(open_isolated(model.path, runtime=runtime, threads=threads)) as session:
            yield session
        return
    from edgekit.device import open_device
    from edgekit.profile.timing.on_device import DeviceSession

    if model.file is None:
        raise InputError("--on", got="a bare file", expected="an artifact")
    with open_device(place) as device:
        yield DeviceSession(
            model.path, device, model.file.signatures, sha256=model.file.sha256, runtime=runtime,
            threads=threads,
        )  # fmt: skip


def from_artifact(
    folder: Path, scheme: str | None, runtime: str | None, hints: Mapping[str, Any]
) -> AskedModel:
    """Return an artifact's file."""
    from edgekit.artifact import open_artifact
    from edgekit.evaluate import described
    from edgekit.runtime import RUNTIMES

    for option, value in hints.items():
        if value is not None:
            raise InputError(option, got=value, do="leave it out: the artifact's manifest says it")
    artifact = open_artifact(folder)
    artifact.check()
    format = RUNTIMES[runtime][0] if runtime in RUNTIMES else None
    file = artifact.file(scheme=scheme, format=format)
    path = artifact.path(file)
    return AskedModel(
        path,
        dict(artifact.manifest.task),
        lambda session: described(session.signatures, file.signatures, str(path)),
        file,
    )


def from_file(
    path: Path, scheme: str | None, labels: Path | None, task_name: str | None, mean: str | None,
    std: str | None, *, pictures: bool,
) -> AskedModel:  # fmt: skip
    """Return a bare file, by what the options say of it, and whether pictures go in."""
    if scheme is not None:
        raise InputError("--file", got=scheme, do="leave it out: the model is one file")
    if (mean is None) != (std is None):
        raise InputError("--mean and --std", got="one of them", expected="both or none")
    values = numbers(mean, "--mean"), numbers(std, "--std")
    params = {"name": task_name or "classify", "labels": _labels(labels)}
    if task_name == "detect":
        from edgekit.tasks.detect import bare

        params |= bare(params["labels"])
    shown = pictures or mean is not None
    return AskedModel(path, params, lambda session: _bare(session, path, *values, pictures=shown))


def _labels(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read", got=error, expected="labels") from None
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise InputError(f"{path}: empty", expected="labels, one a line")
    return [line.strip() for line in lines]


def _bare(
    session: Session,
    path: Path,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    *,
    pictures: bool,
) -> Signature:
    """Return the file's signature with what the options say of its input."""
    from edgekit.signature import DEFAULT_SIGNATURE, Signature

    if DEFAULT_SIGNATURE not in session.signatures:
        names = ", ".join(session.signatures)
        raise InputError(f"{path}: signatures", got=names, expected=DEFAULT_SIGNATURE)
    found = session.signatures[DEFAULT_SIGNATURE]
    inputs = tuple(
        replace(spec, layout=_layout(spec.shape) if pictures else None, mean=mean, std=std)
        for spec in found.inputs
    )
    return Signature(inputs, found.outputs)


def _layout(shape: tuple[int, ...]) -> str | None:
    """Return the only layout in which `shape` is a grey or colour picture, None if there is none.

    Both fit only where a side is 1 or 3 pixels.
    """
    if len(shape) != 4 or (shape[1] in (1, 3)) == (shape[3] in (1, 3)):
        return None
    return "NCHW" if shape[1] in (1, 3) else "NHWC"
