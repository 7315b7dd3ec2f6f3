"""What TensorFlow Lite's own NEON kernels need of 8-bit files, lest they crash.

A fully connected op with a scale for each output adds its bias unasked, from address zero if it has
none: the process dies. The converter leaves out what is zero throughout. So it was found in
tflite-runtime 2.14 on ARM; the same files run well on x86, and LiteRT's XNNPACK does not share it.
Another fault, of products: see `factors`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgekit.quantize.graph.tflite_file import (
    add_tensor,
    kind_of,
    pack,
    steps_of_channels,
    store,
    unpack,
)


def mend_for_neon(content: bytes) -> bytes:
    """Return a .tflite that NEON kernels compute as others do, or it as it is if it needs nothing.

    Dense ops get biases of zero, which changes no answer.
    """
    model = unpack(content)
    bare = [(graph, op) for graph in model.subgraphs for op in graph.operators
            if _lacks_bias(model, graph, op)]  # fmt: skip
    for graph, op in bare:
        op.inputs = np.array([*op.inputs[:2], _add_zeros(model, graph, op)], np.int32)
    return pack(model) if bare else content


def _in_8_bits(graph: Any, op: Any) -> bool:
    return all(graph.tensors[i].type == schema.TensorType.INT8 for i in op.inputs[:2])


def _lacks_bias(model: Any, graph: Any, op: Any) -> bool:
    if kind_of(model, op) != "FULLY_CONNECTED" or not _in_8_bits(graph, op):
        return False
    return len(op.inputs) < 3 or op.inputs[2] < 0


def _add_zeros(model: Any, graph: Any, op: Any) -> int:
    """Return the number of a bias in the steps that its op sums in."""
    entering, weights = (graph.tensors[i] for i in op.inputs[:2])
    units = int(weights.shape[0])
    steps = steps_of_channels(
        np.float32(entering.quantization.scale[0]) * weights.quantization.scale
    )
    zeros = store(model, np.zeros(units, np.int32))
    bias = add_tensor(
        graph, weights, b"/bias", shape=np.array([units], np.int32), shapeSignature=None,
        type=schema.TensorType.INT32, quantization=steps,
    )  # fmt: skip
    graph.tensors[bias].buffer = zeros
    return bias
