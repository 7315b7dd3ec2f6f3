"""Several entry points: in a .tflite a signature and a subgraph each, as .onnx a file each.

A network that is not always run as a whole, as one that encodes at times and acts at others, is
converted part by part, each as any other network is. What one part costs, the others do not. An
.onnx has no signatures, so each of its files says in its metadata which part it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgekit.errors import InputError
from edgekit.export.attachment import (
    DAMAGE,
    IDENTIFIER,
    open_root,
    write_buffer,
    write_vector,
)
from edgekit.runtime import SIGNATURE
from edgekit.signature import Signature, TensorSpec

_CODES, _SUBGRAPHS, _BUFFERS, _SIGNATURES = 1, 2, 4, 7  # of the table Model
_VERSION = 3  # of the schema


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


def merge_tflite(parts: Mapping[str, bytes]) -> bytes:
    """Return one .tflite with a signature for each of `parts`, .tflite files of one subgraph.

    What they say of the converter is left out: the file is written anew, as small as it can be.

    Raises:
        InputError: one of them has several subgraphs, or is no .tflite.
    """
    builder = flatbuffers.Builder(4096 + sum(map(len, parts.values())))
    empty = write_buffer(builder, b"")  # number 0 is everybody's
    written: dict[int, list[int]] = {_CODES: [], _SUBGRAPHS: [], _BUFFERS: [empty], _SIGNATURES: []}
    codes: dict[tuple[Any, ...], int] = {}
    try:
        for number, (name, content) in enumerate(parts.items()):
            model = schema.ModelT.InitFromObj(open_root(content))
            if len(model.subgraphs) != 1 or len(model.signatureDefs) != 1:
                raise InputError(f"signature {name}: subgraphs", got=len(model.subgraphs),
                                 expected="one, with one signature")  # fmt: skip
            (entry,) = model.signatureDefs
            entry.signatureKey, entry.subgraphIndex = name, number
            _write_model(builder, model, written, codes)
            written[_SIGNATURES].append(entry.Pack(builder))
    except DAMAGE as error:
        raise InputError("not a whole .tflite file", got=error) from None
    vectors = {field: write_vector(builder, offsets) for field, offsets in written.items()}
    builder.StartObject(_SIGNATURES + 1)
    builder.PrependUint32Slot(0, _VERSION, 0)
    for field, offset in vectors.items():
        builder.PrependUOffsetTRelativeSlot(field, offset, 0)
    builder.Finish(builder.EndObject(), IDENTIFIER)
    return bytes(builder.Output())


def name_signature(path: Path, name: str) -> None:
    """Say in the metadata of an .onnx which entry point it is."""
    import onnx  # takes a second to import

    model = onnx.load(path)
    onnx.helper.set_model_props(model, {SIGNATURE: name})
    onnx.save(model, path)


def _write_model(
    builder: Any, model: Any, written: dict[int, list[int]], codes: dict[tuple[Any, ...], int]
) -> None:
    """Write a model's ops and constants, numbered behind those that there are."""
    (graph,) = model.subgraphs
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        key = code.builtinCode, code.deprecatedBuiltinCode, code.version, code.customCode
        if key not in codes:
            codes[key] = len(codes)
            written[_CODES].append(code.Pack(builder))
        operator.opcodeIndex = codes[key]
    places = {0: 0}
    for tensor in graph.tensors:
        if tensor.buffer not in places:
            data = model.buffers[tensor.buffer].data
            content = b"" if data is None else np.asarray(data, np.uint8).tobytes()
            places[tensor.buffer] = len(written[_BUFFERS]) if content else 0
            written[_BUFFERS] += [write_buffer(builder, content)] if content else []
        tensor.buffer = places[tensor.buffer]
        if tensor.quantization is not None and tensor.quantization.scale is None:
            tensor.quantization = None  # it says nothing
    written[_SUBGRAPHS].append(graph.Pack(builder))
