"""Ops that only move values, where TensorFlow's quantizer gives what they read and write two steps.

Their kernels copy bytes: an answer on other steps than the question would be read wrongly, and no
runtime notices. The quantizer lets REVERSE_V2, as in the backward half of a bidirectional layer
whose sequences are joined, answer on the steps of what reads it; it leaves the numbers of one-hot
codes, and with 16 bits both sides of a choice, in steps of their own. A product with 1, as a copy
at a joint is, becomes a QUANTIZE.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgekit.quantize.graph.tflite_file import add_tensor, conversion, kind_of, pack, unpack

MOVES = (
    "BROADCAST_TO", "DEPTH_TO_SPACE", "EXPAND_DIMS", "GATHER", "GATHER_ND", "RESHAPE",
    "REVERSE_SEQUENCE", "REVERSE_V2", "SLICE", "SPACE_TO_DEPTH", "SQUEEZE", "STRIDED_SLICE",
    "TILE", "TRANSPOSE",
)  # fmt: skip

# Ops that copy several, and the first input that they copy.
_COPIES = {"ONE_HOT": 2, "SELECT": 1, "SELECT_V2": 1}
_ONE = 1e-6


def mend_moves(content: bytes) -> bytes:
    """Return a .tflite in which what is moved stays on its steps, or it as it is if it does.

    A QUANTIZE behind the op brings the values to the steps on which they are read, or several
    before it to those on which it answers.
    """
    model = unpack(content)
    ops = [(graph, op, kind_of(model, op)) for graph in model.subgraphs for op in graph.operators]
    moved = [(graph, op) for graph, op, kind in ops
             if kind in MOVES and _other_steps(graph, op.inputs[0], op)]  # fmt: skip
    copied = [(graph, op, place) for graph, op, kind in ops if kind in _COPIES
              for place in range(_COPIES[kind], len(op.inputs))
              if _other_steps(graph, op.inputs[place], op)]  # fmt: skip
    by_one = [(graph, op) for graph, op, kind in ops if kind == "MUL" and _by_one(model, graph, op)]
    for graph, op in by_one:
        made = conversion(model, graph, "QUANTIZE", op.inputs[0], op.outputs[0])
        graph.operators[graph.operators.index(op)] = made
    for graph, op in moved:
        _requantize(model, graph, op)
    for graph, op, place in copied:
        _level(model, graph, op, place)
    return pack(model) if moved or copied or by_one else content


def _other_steps(graph: Any, read: int, op: Any) -> bool:
    before, after = _steps(graph.tensors[read]), _steps(graph.tensors[op.outputs[0]])
    return before is not None and after is not None and before != after


def _by_one(model: Any, graph: Any, op: Any) -> bool:
    """Whether a product of integers, on other steps, is of the first factor alone."""
    factor = graph.tensors[op.inputs[1]]
    data, steps = model.buffers[factor.buffer].data, _steps(factor)
    if data is None or len(data) != 1 or steps is None or factor.type != schema.TensorType.INT8:
        return False
    read, answer = (graph.tensors[i].shape for i in (op.inputs[0], op.outputs[0]))
    if op.builtinOptions.fusedActivationFunction or not np.array_equal(read, answer):
        return False
    scale, zero = steps
    return abs(scale * (int(np.int8(data.view(np.int8)[0])) - zero) - 1) < _ONE


def _steps(tensor: Any) -> tuple[float, int] | None:
    """Return scale and zero point; None where there is not one of both."""
    told = tensor.quantization
    if told is None or told.scale is None or len(told.scale) != 1:
        return None
    return float(told.scale[0]), int(told.zeroPoint[0])


def _requantize(model: Any, graph: Any, op: Any) -> None:
    entering, answer = graph.tensors[op.inputs[0]], int(op.outputs[0])
    moved = add_tensor(
        graph, graph.tensors[answer], b"/moved", quantization=entering.quantization
    )  # fmt: skip
    made = conversion(model, graph, "QUANTIZE", moved, answer)
    op.outputs = np.array([moved], np.int32)
    graph.operators.insert(graph.operators.index(op) + 1, made)


def _level(model: Any, graph: Any, op: Any, place: int) -> None:
    """Put what an op copies on its answer's steps."""
    read, steps = list(op.inputs), graph.tensors[op.outputs[0]].quantization
    read[place] = add_tensor(
        graph, graph.tensors[op.inputs[place]], b"/level", quantization=steps
    )  # fmt: skip
    made = conversion(model, graph, "QUANTIZE", op.inputs[place], read[place])
    op.inputs = np.array(read, np.int32)
    graph.operators.insert(graph.operators.index(op), made)
