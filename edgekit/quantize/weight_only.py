"""Weight-only quantization: an op computes in float, and a file holds its weights in fewer bits.

Between the two stands a DEQUANTIZE of constants, of int8 with a scale a channel or of 16-bit
floats. Runtimes carry it out while they load a file, so that an inference takes what it takes in
float.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from edgekit.quantize.graph.float_graph import FloatGraph
from edgekit.quantize.graph.linear import rows_of, shaped
from edgekit.quantize.graph.tflite_file import (
    add_tensor,
    code_of,
    pack,
    steps_of_channels,
    store,
    unpack,
)
from edgekit.quantize.ptq.weight_steps import on_grid, ops_by_answer

Array = npt.NDArray[Any]

_VERSIONS = {np.int8: 5, np.float16: 3}  # of DEQUANTIZE; an older one reads no scale a channel
_TYPES = {np.int8: schema.TensorType.INT8, np.float16: schema.TensorType.FLOAT16}
_LARGEST = float(np.finfo(np.float16).max)
# Fewer weights stay in float32, as in TensorFlow's converter: they are few bytes, and those of a
# filter with large taps that cancel out need more than the 11 bits of a 16-bit float.
_LEAST = 1024


def hold_weights(
    content: bytes, float_file: bytes, steps: Mapping[str, Array], half: Collection[str]
) -> bytes:
    """Return a .tflite whose float ops hold their weights in 8 or 16 bits.

    Args:
        content: the file.
        float_file: ops of the same names, whose weights are held.
        steps: of those that are held in 8 bits, `[O]`, by the name of what an op answers.
        half: the ops of those that are held as 16-bit floats, where there are _LEAST or more and
            none is too large.
    """
    model, source = unpack(content), FloatGraph(float_file)
    (graph,) = model.subgraphs
    named = {source.name(op.outputs[0]): op for op in source.ops if op.linear}
    made = ops_by_answer(model, graph)
    for name, op in named.items():
        raw = made.get(name)
        if raw is None or not _holds(graph, raw):
            continue
        if name in steps:
            integers = shaped(source, op, on_grid(rows_of(source, op), steps[name]))
            axis = integers.ndim - 1 if op.kind == "DEPTHWISE_CONV_2D" else 0
            _hold(model, graph, raw, integers.astype(np.int8), steps_of_channels(steps[name], axis))
        elif name in half and _fits_half(source.weights(op)):
            _hold(model, graph, raw, source.weights(op).astype(np.float16))
    return pack(model)


def _fits_half(weights: Array) -> bool:
    return weights.size >= _LEAST and float(np.abs(weights).max()) <= _LARGEST


def _holds(graph: Any, op: Any) -> bool:
    """Whether an op has float weights that no other op reads."""
    readers = sum(op.inputs[1] in other.inputs for other in graph.operators)
    return graph.tensors[op.inputs[1]].type == schema.TensorType.FLOAT32 and readers == 1


def _hold(model: Any, graph: Any, op: Any, values: Array, scales: Any = None) -> None:
    """Hold the weights of an op as `values`, and make them real before it."""
    real, kind = graph.tensors[op.inputs[1]], values.dtype.type
    if sum(tensor.buffer == real.buffer for tensor in graph.tensors) == 1:
        model.buffers[real.buffer].data = None
    real.buffer = 0
    held = add_tensor(graph, real, b"/held", type=_TYPES[kind], buffer=store(model, values),
                      quantization=scales or schema.QuantizationParametersT())  # fmt: skip
    unpacking = schema.OperatorT()
    unpacking.opcodeIndex = code_of(model, "DEQUANTIZE", _VERSIONS[kind])
    unpacking.inputs = np.array([held], np.int32)
    unpacking.outputs = np.array([op.inputs[1]], np.int32)
    unpacking.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
    unpacking.builtinOptions = schema.DequantizeOptionsT()
    place = next(number for number, each in enumerate(graph.operators) if each is op)
    graph.operators.insert(place, unpacking)
