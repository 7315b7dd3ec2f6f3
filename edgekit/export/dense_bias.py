"""Biases of zero for fully connected ops in 8 bits that have none.

The converter leaves a bias out that is zero throughout, as in an untrained network or a layer that
learns none. TensorFlow Lite's NEON kernel of int8 with a scale for each output (tflite-runtime
2.14) adds it unasked, from address zero: the process dies on ARM, and runs on x86.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgekit.quantize.tflite_file import add_tensor, kind_of, pack, store, unpack


def add_dense_biases(content: bytes) -> bytes:
    """Return a .tflite whose fully connected ops in 8 bits all have a bias, or it as it is."""
    model = unpack(content)
    bare = [
        (graph, op)
        for graph in model.subgraphs
        for op in graph.operators
        if kind_of(model, op) == "FULLY_CONNECTED" and _lacks_bias(graph, op)
    ]
    for graph, op in bare:
        op.inputs = np.array([*op.inputs[:2], _add_zeros(model, graph, op)], np.int32)
    return pack(model) if bare else content


def _lacks_bias(graph: Any, op: Any) -> bool:
    in_8_bits = all(graph.tensors[i].type == schema.TensorType.INT8 for i in op.inputs[:2])
    return in_8_bits and (len(op.inputs) < 3 or op.inputs[2] < 0)


def _add_zeros(model: Any, graph: Any, op: Any) -> int:
    """Return the number of a bias in the steps that its op sums in."""
    entering, weights = (graph.tensors[i] for i in op.inputs[:2])
    units = int(weights.shape[0])
    steps = schema.QuantizationParametersT()
    steps.scale = np.float32(entering.quantization.scale[0]) * weights.quantization.scale
    steps.zeroPoint = np.zeros(len(steps.scale), np.int64)
    zeros = store(model, np.zeros(units, np.int32))
    bias = add_tensor(
        graph, weights, b"/bias", shape=np.array([units], np.int32), shapeSignature=None,
        type=schema.TensorType.INT32, quantization=steps,
    )  # fmt: skip
    graph.tensors[bias].buffer = zeros
    return bias
