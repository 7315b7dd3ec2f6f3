"""The second factor of an 8-bit BATCH_MATMUL, put on steps that kernels want.

- XNNPACK takes the op where that factor's zero point is 0, as weights' is. Calibrated steps have
  one near it, and as often as not another: LiteRT's own kernel takes ten to thirty times as long.
- Cores without dot products add two products of 8 bits in 16: -128 x -128 twice is one more than
  these hold, so tflite-runtime 2.14 answered wrongly. Weights are never -128; of two activations
  both may be, and are wherever both are zero and nothing is below.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgekit.quantize.graph.tflite_file import (
    add_tensor,
    conversion,
    kind_of,
    pack,
    steps_of,
    unpack,
)

_LOWEST, _HIGHEST, _STEPS = -128, 127, 255  # of 8 bits
_SPARED = 253  # steps from -127 to 127, less one for a zero point that is no whole number
_COARSER = 1.5  # times as large a step, at the most, for a zero point of 0


def with_mended_factors(content: bytes) -> bytes:
    """Return a .tflite whose second factors have such steps, or it as it is if all have.

    A factor that lies around zero gets steps of the farther end over 127, as weights have. One that
    does not, as what a ReLU answers, would lose a bit: it only spares -128, by 253 steps for 255.
    """
    model = unpack(content)
    found = [
        (graph, op, steps)
        for graph in model.subgraphs
        for op in graph.operators
        if (steps := _wanted(model, graph, op)) is not None
    ]
    for graph, op, steps in found:
        first, second = op.inputs
        mended = add_tensor(graph, graph.tensors[second], b"/factor", quantization=steps)
        made = conversion(model, graph, "QUANTIZE", second, mended)
        graph.operators.insert(graph.operators.index(op), made)
        op.inputs = np.array([first, mended], np.int32)
    return pack(model) if found else content


def _wanted(model: Any, graph: Any, op: Any) -> Any | None:
    """Return the steps that a product's second factor should have, None if its own will do."""
    if kind_of(model, op) != "BATCH_MATMUL":
        return None
    first, second = (graph.tensors[i] for i in op.inputs)
    computed = [model.buffers[t.buffer].data is None for t in (first, second)]
    if {first.type, second.type} != {schema.TensorType.INT8} or not computed[1]:
        return None
    scale, zero = float(second.quantization.scale[0]), int(second.quantization.zeroPoint[0])
    reach = max(zero - _LOWEST, _HIGHEST - zero)  # steps from zero to the farther end
    if 2 * reach <= _COARSER * _STEPS and (zero or computed[0]):
        return steps_of(scale * reach / _HIGHEST, 0)
    if not computed[0]:
        return None
    below = math.ceil((zero - _LOWEST) * _SPARED / _STEPS)
    return steps_of(scale * _STEPS / _SPARED, _LOWEST + 1 + below)
