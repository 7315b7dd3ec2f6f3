"""What is benchmarked: model files, found by path or in artifacts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.artifact import MANIFEST, Artifact, ModelFile, open_artifact
from edgekit.errors import InputError
from edgekit.files import file_sha256
from edgekit.profile.cost.madds import total_madds
from edgekit.profile.cost.summary import summarize
from edgekit.profile.graph import read_graph
from edgekit.runtime import RUNTIMES, file_format
from edgekit.signature import entry_signatures


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
    signature: str | None = None  # of a .tflite with several entry points; its usual one if None

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{self.path.name} {self.signature}" if self.signature else self.path.name


def find_targets(
    paths: Sequence[str | Path], *, schemes: Sequence[str] = (), runtime: str | None = None,
    signature: str | None = None,
) -> list[Target]:  # fmt: skip
    """Return the model files that `paths` name.

    Args:
        paths: artifact folders and model files.
        schemes: of an artifact's files; all where empty.
        runtime: leaves out an artifact's files of formats that it does not read.
        signature: of files that have several; if not given, an artifact's are told one by one.

    Raises:
        InputError: a path holds no model, or nothing in it matches.
    """
    found: list[Target] = []
    for path in map(Path, paths):
        found += _artifact_targets(path, schemes, runtime) if path.is_dir() else [_target(path)]
    return [target for target in found if signature in (None, target.signature or signature)]


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
        target
        for f in artifact.manifest.files
        for target in _file_targets(artifact, f)
        if (not schemes or f.scheme in schemes) and format in (None, f.format)
    ]
    if not found:
        raise InputError(
            f"{folder / MANIFEST}: no file to benchmark",
            got=", ".join(schemes) or f"a runtime for {format}",
            expected=", ".join(f"{f.scheme} {f.format}" for f in artifact.manifest.files),
        )
    return found


def _file_targets(artifact: Artifact, file: ModelFile) -> Iterator[Target]:
    """Yield a file, or each of its entry points where a .tflite has several."""
    whole = Target(
        path=artifact.path(file), format=file.format, sha256=file.sha256,
        size_bytes=file.size_bytes, scheme=file.scheme, artifact=artifact.manifest.name,
        madds=file.madds, params=file.params,
    )  # fmt: skip
    names = list(entry_signatures(file.signatures))
    if len(names) == 1:
        yield whole
        return
    graphs = {graph.name: graph for graph in read_graph(whole.path).entries}
    for name in names:
        costs = summarize(graphs[name], allow_unknown=True)
        madds = None if costs.unknown else costs.madds
        yield replace(whole, signature=name, madds=madds, params=costs.params)


def _target(path: Path) -> Target:
    format = file_format(path)
    try:
        return Target(path, format, file_sha256(path), path.stat().st_size)
    except OSError as error:
        raise InputError(f"{path}: cannot be read", got=error.strerror) from None
