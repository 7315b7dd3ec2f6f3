"""What TensorFlow Lite's own NEON kernels need of 8-bit files, lest they crash or answer wrongly.

Both faults were found in tflite-runtime 2.14 on ARM; the same files run well on x86, and LiteRT's
XNNPACK does not share them.

- A fully connected op with a scale for each output adds its bias unasked, from address zero if it
  has none: the process dies. The converter leaves out what is zero throughout.
- Cores without dot products add two products of 8 bits in 16: -128 x -128 twice is one more than
  these hold. Weights are never -128; of two activations that BATCH_MATMUL multiplies both may be,
  and are wherever both are zero and nothing is below.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgekit.quantize.tflite_file import add_tensor, code_of, kind_of, pack, store, unpack

_LOWEST, _STEPS = -128, 255  # of 8 bits
_SPARED = 253  # steps from -127 to 127, less one for a zero point that is no whole number


def mend_for_neon(content: bytes) -> bytes:
    """Return a .tflite that NEON kernels compute as others do, or it as it is if it needs nothing.

    Dense ops get biases of zero, which changes no answer; of two activations that are multiplied
    the second is put on 253 steps instead of 255, which moves it by half a step at the most.
    """
    model = unpack(content)
    ops = [(graph, op) for graph in model.subgraphs for op in graph.operators]
    bare = [(graph, op) for graph, op in ops if _lacks_bias(model, graph, op)]
    lowest = [(graph, op) for graph, op in ops if _multiplies_lowest(model, graph, op)]
    for graph, op in bare:
        op.inputs = np.array([*op.inputs[:2], _add_zeros(model, graph, op)], np.int32)
    for graph, op in lowest:
        _spare_lowest(model, graph, op)
    return pack(model) if bare or lowest else content


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


def _multiplies_lowest(model: Any, graph: Any, op: Any) -> bool:
    """Whether both factors are activations."""
    if kind_of(model, op) != "BATCH_MATMUL" or not _in_8_bits(graph, op):
        return False
    return all(model.buffers[graph.tensors[i].buffer].data is None for i in op.inputs)


def _spare_lowest(model: Any, graph: Any, op: Any) -> None:
    """Let an op read its second factor on steps from -127 on."""
    first, second = op.inputs
    factor = graph.tensors[second]
    steps = schema.QuantizationParametersT()
    steps.scale = factor.quantization.scale * np.float32(_STEPS / _SPARED)
    below = int(factor.quantization.zeroPoint[0]) - _LOWEST  # steps from the lowest to zero
    steps.zeroPoint = np.array([_LOWEST + 1 + math.ceil(below * _SPARED / _STEPS)], np.int64)
    spared = add_tensor(graph, factor, b"/spared", quantization=steps)
    made = schema.OperatorT()
    made.opcodeIndex = code_of(model, "QUANTIZE")
    made.inputs, made.outputs = np.array([second], np.int32), np.array([spared], np.int32)
    made.builtinOptionsType = schema.BuiltinOptions.QuantizeOptions
    made.builtinOptions = schema.QuantizeOptionsT()
    graph.operators.insert(graph.operators.index(op), made)
    op.inputs = np.array([first, spared], np.int32)
