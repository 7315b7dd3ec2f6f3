"""Several entry points: in a .tflite a signature and a subgraph each, as .onnx a file each.

A network that is not always run as a whole, as one that encodes at times and acts at others, is
converted part by part, each as any other network is. What one part costs, the others do not. An
.onnx has no signatures, so each of its files says in its metadata which part it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgekit.errors import InputError
from edgekit.export.attachment import (
    DAMAGE,
    Kept,
    open_root,
    prepend_root,
    write_buffer,
    write_vector,
)
from edgekit.runtime import SIGNATURE
from edgekit.signature import Signature, TensorSpec

_CODES, _SUBGRAPHS, _BUFFERS, _SIGNATURES = 1, 2, 4, 7  # of the table Model


def merge_signatures(parts: Mapping[str, Signature]) -> Signature:
    """Return all inputs and outputs of several entry points, each once.

    Raises:
        InputError: one name stands for inputs of different kinds, or for two outputs.
    """
    inputs: dict[str, TensorSpec] = {}
    outputs: dict[str, TensorSpec] = {}
    for name, signature in parts.items():
        for spec in signature.inputs:
            if inputs.setdefault(spec.name, spec) != spec:
                raise InputError(f"signature {name}: input {spec.name}", got=list(spec.shape),
                                 expected=str(list(inputs[spec.name].shape)))  # fmt: skip
        for spec in signature.outputs:
            if spec.name in outputs:
                raise InputError(f"signature {name}: output {spec.name}", got="a second one",
                                 expected="names of its own")  # fmt: skip
            outputs[spec.name] = spec
    return Signature(tuple(inputs.values()), tuple(outputs.values()))


def join_tflite(parts: Mapping[str, bytes]) -> bytes:
    """Return one .tflite with a signature for each of `parts`, .tflite files of one subgraph.

    Raises:
        InputError: one of them has several subgraphs, or is no .tflite.
    """
    try:
        first, *others = (open_root(content) for content in parts.values())
        for name, root in zip(parts, (first, *others), strict=True):
            if root.SubgraphsLength() != 1 or root.SignatureDefsLength() != 1:
                raise InputError(f"signature {name}: subgraphs", got=root.SubgraphsLength(),
                                 expected="one, with one signature")  # fmt: skip
        added = [schema.ModelT.InitFromObj(root) for root in others]

        def write(builder: Any, kept: Kept) -> dict[int, int]:
            vectors = {
                _BUFFERS: [kept(first.Buffers(i)._tab.Pos) for i in range(first.BuffersLength())],
                _CODES: [kept(first.OperatorCodes(i)._tab.Pos)
                         for i in range(first.OperatorCodesLength())],
                _SUBGRAPHS: [kept(first.Subgraphs(0)._tab.Pos)],
                _SIGNATURES: [],
            }  # fmt: skip
            for model in added:
                _write_model(builder, model, vectors)
            entries = [schema.SignatureDefT.InitFromObj(first.SignatureDefs(0))]
            entries += [model.signatureDefs[0] for model in added]
            for number, (name, entry) in enumerate(zip(parts, entries, strict=True)):
                entry.signatureKey, entry.subgraphIndex = name, number
                vectors[_SIGNATURES].append(entry.Pack(builder))
            return {field: write_vector(builder, offsets) for field, offsets in vectors.items()}

        size = sum(map(len, parts.values()))
        return prepend_root(next(iter(parts.values())), write, size)
    except DAMAGE as error:
        raise InputError("not a whole .tflite file", got=error) from None


def name_signature(path: Path, name: str) -> None:
    """Say in the metadata of an .onnx which entry point it is."""
    import onnx  # takes a second to import

    model = onnx.load(path)
    onnx.helper.set_model_props(model, {SIGNATURE: name})
    onnx.save(model, path)


def _write_model(builder: Any, model: Any, vectors: dict[int, list[int]]) -> None:
    """Write the parts of a model, numbered behind those that there are."""
    graph = model.subgraphs[0]
    for operator in graph.operators:
        operator.opcodeIndex += len(vectors[_CODES])
    for tensor in graph.tensors:  # number 0 is everybody's empty buffer
        tensor.buffer += len(vectors[_BUFFERS]) - 1 if tensor.buffer else 0
    for buffer in model.buffers[1:]:
        content = b"" if buffer.data is None else np.asarray(buffer.data, np.uint8).tobytes()
        vectors[_BUFFERS].append(write_buffer(builder, content))
    vectors[_CODES] += [code.Pack(builder) for code in model.operatorCodes]
    vectors[_SUBGRAPHS].append(graph.Pack(builder))
