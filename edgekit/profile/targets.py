"""What is benchmarked: model files, found by path or in artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.artifact import MANIFEST, open_artifact
from edgekit.errors import InputError
from edgekit.files import file_sha256
from edgekit.profile.graph import read_graph
from edgekit.profile.madds import total_madds
from edgekit.runtime import RUNTIMES, file_format


@dataclass(frozen=True)
class Target:
    """A model file to benchmark."""

    path: Path
    format: str
    sha256: str
    size_bytes: int
    scheme: str | None = None  # known where an artifact says it
    artifact: str | None = None  # its name
    madds: int | None = None
    params: int | None = None


def find_targets(
    paths: Sequence[str | Path], *, schemes: Sequence[str] = (), runtime: str | None = None
) -> list[Target]:
    """Return the model files that `paths` name.

    Args:
        paths: artifact folders and model files.
        schemes: of an artifact's files; all where empty.
        runtime: leaves out an artifact's files of formats that it does not read.

    Raises:
        InputError: a path holds no model, or nothing in it matches.
    """
    found: list[Target] = []
    for path in map(Path, paths):
        found += _artifact_targets(path, schemes, runtime) if path.is_dir() else [_target(path)]
    return found


def with_madds(target: Target) -> Target:
    """Return the target with its multiply-adds, where every op has a rule for them."""
    try:
        return (
            target if target.madds else replace(target, madds=total_madds(read_graph(target.path)))
        )
    except InputError:
        return target


def _artifact_targets(folder: Path, schemes: Sequence[str], runtime: str | None) -> list[Target]:
    artifact = open_artifact(folder)
    format = RUNTIMES[runtime][0] if runtime in RUNTIMES else None
    found = [
        Target(
            path=artifact.path(f),
            format=f.format,
            sha256=f.sha256,
            size_bytes=f.size_bytes,
            scheme=f.scheme,
            artifact=artifact.manifest.name,
            madds=f.madds,
            params=f.params,
        )
        for f in artifact.manifest.files
        if (not schemes or f.scheme in schemes) and format in (None, f.format)
    ]
    if not found:
        raise InputError(
            f"{folder / MANIFEST}: no file to benchmark",
            got=", ".join(schemes) or f"a runtime for {format}",
            expected=", ".join(f"{f.scheme} {f.format}" for f in artifact.manifest.files),
        )
    return found


def _target(path: Path) -> Target:
    format = file_format(path)
    try:
        return Target(path, format, file_sha256(path), path.stat().st_size)
    except OSError as error:
        raise InputError(f"{path}: cannot be read", got=error.strerror) from None
