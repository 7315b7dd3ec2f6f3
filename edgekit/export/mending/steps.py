"""Ops whose integer kernels fail at some steps or values, given others.

- A sum shifts its terms left, by 20 bits or, of 16-bit ones, by 15, and its answer's step must not
  be smaller than what that leaves of a term's: where terms cancel out, TensorFlow Lite aborts the
  process. Such an answer holds nothing but its terms' rounding.
- A comparison multiplies by steps below one, and answers at random where they are larger.
- No kernel takes a step of 0, which TensorFlow's quantizer gives, in 16 bits, to constants that are
  nothing but zeros, as the offset of an untrained normalization: LiteRT aborts the process.
- A division answers its lowest value where the dividend is one step below zero, and fails where
  the divisor's byte is 0, whatever that stands for.
- A padding takes a value with its input's step; with 16 bits TensorFlow's quantizer leaves it a
  float, and the file cannot be loaded.
"""

from __future__ import annotations

from collections.abc import Callable
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

_SHIFTS = {schema.TensorType.INT8: 20, schema.TensorType.INT16: 15}
_SUMS = ("ADD", "SUB")
_COMPARISONS = ("EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL")
_ROOM = 1.001  # above the bound
_LEAST = 2.0**-28  # as TensorFlow's quantizer gives to nothing but zeros in 8 bits


def mend_steps(content: bytes) -> bytes:
    """Return a .tflite without such ops, or it as it is if it has none.

    A sum answers in a step that its kernel takes, and is put on its own behind it; what is
    compared or divided becomes float.
    """
    model = unpack(content)
    nothing = [steps for graph in model.subgraphs for steps in _without_width(graph)]
    for steps in nothing:
        steps.scale = np.where(steps.scale == 0, _LEAST, steps.scale).astype(np.float32)
    found = [
        (mend, graph, op)
        for graph in model.subgraphs
        for op in graph.operators
        if (mend := _remedy(model, graph, op))
    ]
    for mend, graph, op in found:
        mend(model, graph, op)
    return pack(model) if found or nothing else content


def _without_width(graph: Any) -> list[Any]:
    """Return the steps of zero of a subgraph's tensors."""
    told = [tensor.quantization for tensor in graph.tensors]
    return [q for q in told if q is not None and q.scale is not None and 0 in q.scale]


def _remedy(model: Any, graph: Any, op: Any) -> Callable[[Any, Any, Any], None] | None:
    kind, step = kind_of(model, op), _step(graph, op.outputs[0])
    if kind in _SUMS and 0 < step <= _least(graph, op):
        return _coarsen
    if kind in _COMPARISONS:
        steps = [_step(graph, i) for i in op.inputs]
        return _in_float if max(steps) >= 1 or (any(steps) and not all(steps)) else None
    if kind == "DIV" and step:
        return _in_float
    if kind == "PADV2" and step and not _step(graph, op.inputs[2]):
        return _in_float
    return None


def _step(graph: Any, tensor: int) -> float:
    """Return a tensor's step, 0 where it is no integer with one."""
    told = graph.tensors[tensor].quantization
    if graph.tensors[tensor].type not in _SHIFTS or told is None or told.scale is None:
        return 0.0
    return float(max(told.scale, default=0.0))


def _least(graph: Any, op: Any) -> float:
    """Return the bound of a sum's step."""
    largest = max(_step(graph, i) for i in op.inputs)
    return largest * 2.0 ** (1 - _SHIFTS[graph.tensors[op.outputs[0]].type])


def _coarsen(model: Any, graph: Any, op: Any) -> None:
    """Let a sum answer in the least step that it can."""
    (answer,) = op.outputs
    steps = steps_of(_least(graph, op) * _ROOM, 0)
    coarse = add_tensor(graph, graph.tensors[answer], b"/coarse", quantization=steps)
    op.outputs = np.array([coarse], np.int32)
    _put_behind(graph, op, conversion(model, graph, "QUANTIZE", coarse, answer))


def _in_float(model: Any, graph: Any, op: Any) -> None:
    """Let an op read floats, and write them where it wrote integers."""
    read = list(op.inputs)
    for place, tensor in enumerate(op.inputs):
        if _step(graph, tensor):
            read[place] = _real(graph, tensor)
            made = conversion(model, graph, "DEQUANTIZE", tensor, read[place])
            graph.operators.insert(graph.operators.index(op), made)
    (answer,), op.inputs = op.outputs, np.array(read, np.int32)
    if _step(graph, answer):
        op.outputs = np.array([_real(graph, answer)], np.int32)
        _put_behind(graph, op, conversion(model, graph, "QUANTIZE", op.outputs[0], answer))


def _real(graph: Any, tensor: int) -> int:
    kind = schema.TensorType.FLOAT32
    return add_tensor(graph, graph.tensors[tensor], b"/real", type=kind, quantization=None)


def _put_behind(graph: Any, op: Any, made: Any) -> None:
    graph.operators.insert(graph.operators.index(op) + 1, made)
