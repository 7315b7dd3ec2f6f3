"""Activations cut off at a 6 that lies beyond every 32-bit integer: no runtime loads such a file.

An untrained network's answers shrink from layer to layer. Where a step is smaller than 6 / 2**31,
TensorFlow Lite refuses to prepare the op; its integers end long before 6, so that ReLU is the same.
"""

from __future__ import annotations

from typing import Any

from ai_edge_litert import schema_py_generated as schema

from edgekit.quantize.graph.tflite_file import pack, unpack

_RELU, _RELU6 = (schema.ActivationFunctionType.RELU, schema.ActivationFunctionType.RELU6)
_LARGEST = 2**31 - 1
_CEILING = 6


def mend_bounds(content: bytes) -> bytes:
    """Return a .tflite whose runtimes can tell every bound, or it as it is if they can."""
    model = unpack(content)
    beyond = [op for graph in model.subgraphs for op in graph.operators if _is_beyond(graph, op)]
    for op in beyond:
        op.builtinOptions.fusedActivationFunction = _RELU
    return pack(model) if beyond else content


def _is_beyond(graph: Any, op: Any) -> bool:
    told = graph.tensors[op.outputs[0]].quantization
    if getattr(op.builtinOptions, "fusedActivationFunction", None) != _RELU6:
        return False
    steps = [] if told is None or told.scale is None else told.scale
    return any(_LARGEST * float(step) < _CEILING for step in steps)
