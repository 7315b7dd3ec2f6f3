"""An Artifact: a folder of model files and the manifest.json that says all about them.

It alone crosses from the workstation to the device, and everything after export knows only this.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.changed_channels import CHANGES, undo
from edgekit.errors import InputError
from edgekit.files import check_place, file_sha256, replace_folder
from edgekit.signature import Signature, TensorSpec

SCHEMA = 1
MANIFEST = "manifest.json"
REFERENCE = "reference.npz"

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class ModelFile:
    """One model file of an artifact."""

    path: str  # relative to the manifest
    format: str  # "tflite" or "onnx"
    scheme: str  # f32 f16 w8 w8a8 w8a16 mixed qat-w8a8
    sha256: str
    size_bytes: int
    signatures: Mapping[str, Signature]
    madds: int | None = None  # multiply-adds of one inference at batch 1
    params: int | None = None  # elements of constant weights, as stored
    arena_bytes: int | None = None  # planned activation memory
    parity: Mapping[str, Any] | None = None  # figures of the last comparison with the source

    @property
    def network(self) -> str:
        """Which of the source's networks it is compared with: "float", or "qat"."""
        return "qat" if self.scheme.startswith("qat-") else "float"


@dataclass(frozen=True)
class Manifest:
    """What manifest.json holds; schema/manifest-1.json is its contract with other readers."""

    name: str
    task: Mapping[str, Any]  # {"name": "classify", "labels": [...], ...}
    files: tuple[ModelFile, ...]
    family: str | None = None
    reference: Mapping[str, str] | None = None  # {"path", "sha256"} of the source's own answers
    provenance: Mapping[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA


@dataclass(frozen=True)
class Artifact:
    """A folder and its manifest."""

    folder: Path
    manifest: Manifest

    def path(self, file: ModelFile) -> Path:
        """Return where `file` lies."""
        return self.folder / file.path

    def file(self, *, scheme: str | None = None, format: str | None = None) -> ModelFile:
        """Return the first file of that scheme and format.

        Raises:
            InputError: none matches; the line lists what there is.
        """
        for file in self.manifest.files:
            if scheme in (None, file.scheme) and format in (None, file.format):
                return file
        raise InputError(
            f"{self.folder}: no such file",
            got=f"{scheme or 'any scheme'} {format or 'any format'}",
            expected="one of " + ", ".join(f"{f.scheme} {f.format}" for f in self.manifest.files),
        )

    def check(self) -> None:
        """Compare every file with its SHA-256.

        Raises:
            InputError: a file is missing or differs from what was published.
        """
        pinned = {f.path: f.sha256 for f in self.manifest.files}
        if self.manifest.reference:
            pinned[self.manifest.reference["path"]] = self.manifest.reference["sha256"]
        for name, sha256 in pinned.items():
            path = self.folder / name
            if not path.is_file():
                raise InputError(f"{path}: missing", do="convert or copy the artifact again")
            if (got := file_sha256(path)) != sha256:
                raise InputError(
                    f"{path}: changed since it was written",
                    got=f"SHA-256 {got[:12]}...",
                    expected=f"{sha256[:12]}...",
                    do="convert or copy the artifact again",
                )

    def reference(self, network: str) -> tuple[Arrays, Arrays]:
        """Return the inputs (real values) and the source's own outputs, kept for parity.

        Args:
            network: "float", or "qat" for the fake-quantized network of a learned scheme.

        Raises:
            InputError: the artifact holds none.
        """
        arrays = self._reference_arrays()
        return _under("input", arrays), _under(network, arrays)

    def reference_of(self, file: ModelFile) -> tuple[Arrays, Arrays]:
        """Return the same in the real values of one file, which may have its own `mean`.

        Raises:
            InputError: the artifact holds none.
        """
        arrays = self._reference_arrays()
        return reference_inputs(arrays, file.signatures), _under(file.network, arrays)

    def undo_changes(self, file: ModelFile, tensors: Arrays) -> Arrays:
        """Return a file's tensors as the source has them, where quantization changed channels.

        Some were made twice, the copies behind the others; some were multiplied by a factor a
        channel after something was added; some were pruned, and are a constant. A tensor of as
        many channels on no axis is left out.
        """
        arrays = self._reference_arrays()
        return undo(
            tensors, *(_under(f"{kind}/{file.path}", arrays) for kind in CHANGES),
            of_onnx=file.format == "onnx",
        )  # fmt: skip

    def _reference_arrays(self) -> Arrays:
        if not self.manifest.reference:
            raise InputError(
                f"{self.folder}: no reference answers",
                expected=REFERENCE,
                do="give a second file to compare with, or convert the model again",
            )
        with np.load(self.folder / self.manifest.reference["path"], allow_pickle=False) as arrays:
            return dict(arrays)


def reference_inputs(
    arrays: Mapping[str, npt.NDArray[Any]], signatures: Mapping[str, Signature]
) -> Arrays:
    """Return what reference.npz holds under "input/" in the real values of these signatures.

    The source's own `mean` and `std` of an input stand under "mean/" and "std/".
    """
    specs = {spec.name: spec for s in signatures.values() for spec in s.inputs}
    inputs = _under("input", arrays)
    for name, mean in _under("mean", arrays).items():
        if name in specs:
            std = arrays[f"std/{name}"]
            inputs[name] = specs[name].renormalize(inputs[name], mean.tolist(), std.tolist())
    return inputs


def _under(part: str, arrays: Mapping[str, npt.NDArray[Any]]) -> Arrays:
    start = f"{part}/"
    return {k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)}


def open_artifact(folder: str | Path) -> Artifact:
    """Read the manifest in `folder`.

    Raises:
        InputError: no manifest, not JSON, another schema version, a missing or unknown field, or a
            path that leaves the folder.
    """
    path = Path(folder) / MANIFEST
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            f"{folder}: not an artifact", expected=f"a folder with {MANIFEST}"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read", got=error) from None
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        got = raw.get("schema") if isinstance(raw, dict) else type(raw).__name__
        raise InputError(
            f"{path}: unknown manifest schema",
            got=got,
            expected=str(SCHEMA),
            do="use the edgekit that wrote it",
        )
    try:
        manifest = _manifest(raw)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: malformed manifest", got=repr(error)) from None
    for name in [f.path for f in manifest.files] + [(manifest.reference or {}).get("path", "x")]:
        if Path(name).name != name or name in ("", ".", ".."):
            raise InputError(f"{path}: file outside the artifact", got=name)
    return Artifact(Path(folder), manifest)


def write_artifact(
    folder: str | Path,
    manifest: Manifest,
    contents: Mapping[str, bytes],
) -> Artifact:
    """Write the files and the manifest together: whole or not at all.

    Raises:
        InputError: `folder` exists and is not an artifact, or cannot be written.
    """
    folder = Path(folder)

    def fill(into: Path) -> None:
        for name, content in contents.items():
            (into / name).write_bytes(content)
        text = json.dumps(_json(manifest), indent=2, ensure_ascii=False) + "\n"
        (into / MANIFEST).write_text(text, encoding="utf-8")

    check_artifact_place(folder)
    replace_folder(folder, fill)
    return Artifact(folder, manifest)


def check_artifact_place(folder: str | Path) -> None:
    """Find out whether `write_artifact` may and can write `folder`.

    Raises:
        InputError: it exists and is not an artifact, or cannot be written.
    """
    folder = Path(folder)
    check_place(folder)
    if folder.exists() and not (folder / MANIFEST).is_file() and not _empty(folder):
        raise InputError(
            f"{folder}: already there and not an artifact", do="give another folder with -o"
        )


def _empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _json(manifest: Manifest) -> dict[str, Any]:
    """Return the manifest as JSON types, schema first and without fields that are None."""

    def clean(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {k: clean(v) for k, v in value.items() if v is not None}
        if isinstance(value, list | tuple):
            return [clean(v) for v in value]
        return value

    raw = asdict(manifest)
    return {"schema": raw.pop("schema"), **clean(raw)}


def _manifest(raw: Mapping[str, Any]) -> Manifest:
    def signature(item: Mapping[str, Any]) -> Signature:
        return Signature(
            **{side: tuple(_build(TensorSpec, s) for s in item[side]) for side in item}
        )

    def model_file(item: Mapping[str, Any]) -> ModelFile:
        signatures = {name: signature(s) for name, s in item["signatures"].items()}
        built: ModelFile = _build(ModelFile, {**item, "signatures": signatures})
        return built

    manifest: Manifest = _build(Manifest, {**raw, "files": [model_file(f) for f in raw["files"]]})
    return manifest


def _build(kind: type[Any], item: Mapping[str, Any]) -> Any:
    """Build a dataclass from JSON; lists become tuples and unknown fields are an error."""
    unknown = set(item) - {f.name for f in fields(kind)}
    if unknown:
        raise ValueError(f"unknown field {sorted(unknown)[0]!r} in {kind.__name__}")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in item.items()})
