"""What a manifest says of a conversion: the task, each file, and the tools."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone
from importlib import metadata as packages
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit import __version__, parity
from edgekit.artifact import ModelFile, reference_inputs
from edgekit.errors import InputError
from edgekit.export.source import Source
from edgekit.export.tracing.lowering import Arrays
from edgekit.files import file_sha256
from edgekit.parity.answers import answer, compare_all, expected_of
from edgekit.profile.cost.summary import summarize
from edgekit.profile.graph import read_graph
from edgekit.quantize.scheme import Scheme
from edgekit.runtime import Session, open_model
from edgekit.signature import Signature, TensorSpec

TOOLS = ("tensorflow", "tf_keras", "keras", "tf2onnx", "onnxruntime", "ai-edge-litert", "numpy")


def describe_task(source: Source, signature: Signature, reference: Arrays) -> dict[str, Any]:
    """Return the source's task, or what its shapes suggest, and what its scores are."""
    suggested = "classify" if _scores_pictures(signature) else "tensors"
    task = {"name": suggested, **(source.task or {})}
    if task["name"] == "classify":
        scores = reference[f"float/{signature.outputs[0].name}"]
        task["scores"] = _kind(scores.reshape(len(scores), -1))
    if task["name"] == "segment" and "answer" not in task:  # a user's own
        maps = reference[f"float/{signature.outputs[0].name}"]
        task["answer"] = "labels" if maps.dtype.kind in "iu" else _kind(maps)
    return task


def check_task(task: Mapping[str, Any] | None, signature: Signature) -> None:
    """Compare a task that was asked for with the network's shapes, before anything is converted.

    Raises:
        InputError: it answers something else.
    """
    name = (task or {}).get("name")
    if name == "classify" and not _scores_pictures(signature):
        expected = "one picture to one row of scores"
    elif name == "segment" and not _maps_pictures(signature):
        expected = "one picture to one map, [1, H, W] or [1, H, W, classes]"
    else:
        return
    ends = [
        ", ".join(f"{spec.name} {list(spec.shape)}" for spec in specs)
        for specs in (signature.inputs, signature.outputs)
    ]
    raise InputError(f"task {name}", got=" to ".join(ends), expected=expected,
                     do="leave out --task, and run and evaluate with arrays")  # fmt: skip


def _kind(scores: npt.NDArray[Any]) -> str:
    """Return "probabilities" or "logits"; the last axis is classes, or the second of two."""
    one = scores.shape[-1] == 1
    sums = np.ones(1) if one else scores.sum(axis=-1)
    likely = scores.min() >= 0 and (scores.max() <= 1 if one else np.allclose(sums, 1, atol=1e-3))
    return "probabilities" if likely else "logits"


def _maps_pictures(signature: Signature) -> bool:
    """Whether one picture goes in and one map of classes or of their scores comes out."""
    pictures = [spec.layout is not None for spec in signature.inputs]
    maps = [len(spec.shape) == (3 if np.dtype(spec.dtype).kind in "iu" else 4)
            for spec in signature.outputs]  # fmt: skip
    return pictures == [True] and maps == [True]


def _scores_pictures(signature: Signature) -> bool:
    """Whether one picture goes in and one vector of several scores comes out."""
    pictures = [spec.layout is not None for spec in signature.inputs]
    vectors = [len(spec.shape) == 2 and spec.shape[1] > 1 for spec in signature.outputs]
    return pictures == [True] and vectors == [True]


def describe_file(
    path: Path, scheme: Scheme, gate: parity.Gate, source: Signature, reference: Arrays
) -> ModelFile:
    """Describe one file: hash, signatures, costs, and its answers against the source's."""
    part = "qat/" if scheme.learned else "float/"
    expected = {k.removeprefix(part): v for k, v in reference.items() if k.startswith(part)}
    with closing(_opened(path)) as session:
        signatures = {
            name: _described(signature, source, path.suffix)
            for name, signature in session.signatures.items()
        }
        answers = answer(session, signatures, reference_inputs(reference, signatures))
    figures = compare_all(expected_of(signatures, expected), answers, gate)
    costs = summarize(read_graph(path), allow_unknown=True)
    return ModelFile(
        path=path.name,
        format=path.suffix[1:],
        scheme=scheme.name,
        sha256=file_sha256(path),
        size_bytes=path.stat().st_size,
        signatures=signatures,
        madds=costs.madds if not costs.unknown else None,
        params=costs.params,
        arena_bytes=costs.arena_bytes,
        parity=parity.figures(figures),
    )


def _opened(path: Path) -> Session:
    """Open what was just made, by its own name: where it lies for now is nobody's concern."""
    try:
        return open_model(path)
    except InputError as error:
        raise InputError(str(error).replace(f"{path.parent}/", "")) from None


def _described(signature: Signature, source: Signature, suffix: str) -> Signature:
    """Return the file's own signature with the source's layout and normalisation of pictures."""
    known = {spec.name: spec for spec in source.inputs}

    def describe(spec: TensorSpec) -> TensorSpec:
        origin = known.get(spec.name)
        if origin is None or (origin.layout is None and origin.mean is None):
            return spec
        layout = "NCHW" if suffix == ".onnx" and origin.layout else origin.layout
        return replace(spec, layout=layout, mean=origin.mean, std=origin.std)

    return replace(signature, inputs=tuple(describe(spec) for spec in signature.inputs))


def describe_tools() -> dict[str, Any]:
    """Return what made the files, and when."""
    return {
        "edgekit": __version__,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "packages": {name: packages.version(name) for name in TOOLS},
    }
