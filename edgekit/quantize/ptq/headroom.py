"""Headroom: 16-bit activations whose ranges are wider than what the examples needed.

A range is what the examples that calibrated reached, and other ones reach further. In 8 bits room
for them costs steps that are missed elsewhere; 16 bits have some to spare, and what is cut off is
by far the largest error of such a file. Ranges that an activation function ends stay as they are.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgekit.quantize.graph.float_graph import LINEAR
from edgekit.quantize.graph.tflite_file import kind_of, pack, store, unpack

HEADROOM = 1.5  # times what the examples reached

# Ops that take input and output of any two scales.
_MADE_BY = (*LINEAR, "ADD")
_READ_BY = (*LINEAR, "ADD", "MEAN", "SOFTMAX", "DEQUANTIZE")


def widen(content: bytes) -> bytes:
    """Return a .tflite of 16-bit activations with room beyond each range that may be wider.

    That is what a convolution, a dense op or an ADD without activation answers, where only such
    ops, means, softmaxes and dequantizers read it.
    """
    model = unpack(content)
    (graph,) = model.subgraphs
    readers: dict[int, list[Any]] = {}
    for op in graph.operators:
        for tensor in op.inputs:
            readers.setdefault(int(tensor), []).append(op)
    for op in filter(partial(_unbounded, model, graph), graph.operators):
        (place,) = op.outputs
        reading = readers.get(int(place), [])
        if {kind_of(model, reader) for reader in reading} <= {*_READ_BY}:
            _scale(graph.tensors[place])
            for reader in reading:
                _scale_bias(model, graph, reader)
    return pack(model)


def _unbounded(model: Any, graph: Any, op: Any) -> bool:
    return (
        kind_of(model, op) in _MADE_BY
        and graph.tensors[op.outputs[0]].type == schema.TensorType.INT16
        and op.builtinOptions.fusedActivationFunction == schema.ActivationFunctionType.NONE
    )


def _scale(tensor: Any) -> None:
    scales = np.asarray(tensor.quantization.scale, np.float32)
    tensor.quantization.scale = scales * np.float32(HEADROOM)


def _scale_bias(model: Any, graph: Any, op: Any) -> None:
    """Give a linear op's bias the scale that it has behind a wider input."""
    if kind_of(model, op) not in LINEAR or len(op.inputs) < 3 or op.inputs[2] < 0:
        return
    bias = graph.tensors[op.inputs[2]]
    kind = np.int64 if bias.type == schema.TensorType.INT64 else np.int32
    values = np.frombuffer(bytes(model.buffers[bias.buffer].data), kind).astype(np.float64)
    bias.buffer = store(model, np.rint(values / HEADROOM).astype(kind))
    _scale(bias)
