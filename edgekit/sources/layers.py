"""A file of an artifact beside its source, layer by layer."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.artifact import Arrays, Artifact, ModelFile, open_artifact
from edgekit.changed_channels import channel_axis
from edgekit.errors import InputError
from edgekit.parity.answers import answer
from edgekit.parity.diagnosis import Written, ends_of
from edgekit.parity.layers import LayerParity, compare_layers
from edgekit.profile.graph import Op, Tensor, read_graph
from edgekit.runtime import Session
from edgekit.runtime.sandbox import open_isolated, run_isolated
from edgekit.signature import main_signature
from edgekit.sources import load, parse
from edgekit.sources.job import LIMITS

# SQNR of a layer's output: below the first a remark, below the second the layer diverges.
FLOAT_DB = (80.0, 60.0)
HALF_DB = (50.0, 40.0)
INTEGER_DB = (20.0, 10.0)
EXAMPLES = 4  # of the reference: every layer's answers to all of them are held at once


def compare_with_source(
    artifact: Artifact,
    file: ModelFile,
    model: str | None = None,
    *,
    runtime: str | None = None,
    trust: bool = False,
) -> list[LayerParity]:
    """Return every layer of the source whose output can be found in `file`, in order.

    A foreign source is loaded in a child process.

    Args:
        artifact: where the file and the reference inputs lie.
        file: one file of it.
        model: a source to compare with in place of the one that the manifest names.
        runtime: which opens the file.
        trust: let a foreign source run the code that it holds.

    Raises:
        InputError: the source is gone or has changed, has no layers of its own, or none of its
            layers can be found in the file.
    """
    where = model or artifact.manifest.provenance.get("source")
    if not where:
        raise InputError(f"{artifact.folder}: its source is not known", do="give --source MODEL")
    try:
        reference = parse(where)
    except InputError:
        if model:
            raise
        raise InputError(
            f"{artifact.folder}: its source is not here", got=where, do="give --source MODEL"
        ) from None
    if reference.kind == "saved_model":
        raise InputError(
            f"{where}: a SavedModel has no layers", do="give the Keras model with --source MODEL"
        )
    request = {
        "folder": str(artifact.folder.resolve()),
        "file": file.path,
        "model": where,
        "given": model is not None,
        "runtime": runtime,
        "trust": trust,
    }
    if reference.foreign:
        found = run_isolated(
            f"{__name__}:compare", request, what=where, runner="TensorFlow", limits=LIMITS
        )
    else:
        found = compare(request)
    return [LayerParity(**{**layer, "findings": tuple(layer["findings"])}) for layer in found]


def compare(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Load the source and compare; see `compare_with_source`."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from edgekit.export.activations import is_fake_quantized, layer_activations
    from edgekit.export.rewriting.fake_quantization import unrounded
    from edgekit.export.tracing.lowering import name_outputs

    artifact = open_artifact(request["folder"])
    (file,) = (f for f in artifact.manifest.files if f.path == request["file"])
    provenance = artifact.manifest.provenance
    source = load(request["model"], trust=request["trust"], seed=provenance.get("seed", 0))
    if not request["given"]:
        _check_unchanged(provenance, source.provenance)
    model = source.model
    rounding: AbstractContextManager[None] = nullcontext()
    if file.network != "qat":
        rounding = unrounded()
    elif source.learned is not None:
        model = source.learned
    elif not is_fake_quantized(model):
        raise InputError(f"{request['model']}: no learned ranges", expected="a run with --qat")
    theirs, _ = artifact.reference(file.network)
    own, _ = artifact.reference_of(file)
    with rounding:
        layers = layer_activations(model, _few(theirs), name_outputs(source.model))
    path = artifact.path(file)
    with closing(open_isolated(path, runtime=request["runtime"], keep_tensors=True)) as session:
        tensors = artifact.undo_changes(file, answer(session, file.signatures, _few(own)))
        written = _in_source_terms(artifact, file, _written(path, session))
    found = compare_layers(layers, tensors, *_limits(file.scheme), written)
    compared = [asdict(layer) for layer in found]
    if not compared:
        raise InputError(f"{path}: no tensor bears the name of one of the source's layers")
    return compared


def _few(inputs: Arrays) -> Arrays:
    return {name: values[:EXAMPLES] for name, values in inputs.items()}


def _written(path: Path, session: Session) -> dict[str, Written]:
    """Return how a file holds each of its tensors, and what its weights' scales are."""
    _, signature = main_signature(session.signatures)
    graph = read_graph(path)
    makers = {name: op for op in graph.ops for t in op.outputs
              for name in (t.name, f"{t.name}@{t.index}")}  # fmt: skip
    if len(graph.outputs) == 1:  # which the signature may call by another name
        own = {t.name for op in graph.ops for t in op.outputs}
        (last,) = graph.outputs
        makers |= {s.name: makers[last.name] for s in signature.outputs
                   if s.name not in own and last.name in makers}  # fmt: skip
    written = {}
    for spec in signature.outputs:
        op = makers.get(spec.name)
        weights = _weights(op) if op else []
        spreads = [w.scale_ratio for w in weights if w.scale_ratio is not None]
        written[spec.name] = Written(
            spec,
            max(spreads, default=None),
            op is not None and op.kind == "depthwise_conv" and any(w.scales == 1 for w in weights),
        )
    return written


def _in_source_terms(
    artifact: Artifact, file: ModelFile, written: dict[str, Written]
) -> dict[str, Written]:
    """Return the same with the ends of integers as the source has them, channel by channel."""
    ends = {}
    for name, one in written.items():
        found = ends_of(one.spec) if one.spec else None
        if found is not None and one.spec and one.spec.shape:
            axis = channel_axis(one.spec.shape, of_onnx=file.format == "onnx")
            ends[name] = np.repeat(found, max(one.spec.shape[axis], 0), axis=1)
    undone = artifact.undo_changes(file, ends)
    changed = {name: found for name, found in undone.items() if found is not ends[name]}
    return {name: replace(one, ends=changed.get(name)) for name, one in written.items()}


def _weights(op: Op) -> list[Tensor]:
    slots = [op.inputs[i] for i in op.attributes.get("weights", ()) if i < len(op.inputs)]
    return [tensor for tensor in slots if tensor is not None and tensor.constant]


def _check_unchanged(written: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    for key in ("sha256", "weights_sha256"):
        if written.get(key) not in (None, now.get(key)):
            raise InputError(
                f"{now.get('source')}: changed since it was converted",
                do="convert it again, or say so with --source",
            )


def _limits(scheme: str) -> tuple[float, float]:
    return {"f32": FLOAT_DB, "f16": HALF_DB}.get(scheme, INTEGER_DB)
