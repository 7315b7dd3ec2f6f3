"""Ops that only move values, where TensorFlow's quantizer gives what they read and write two steps.

Their kernels copy bytes: an answer on other steps than the question would be read wrongly, and no
runtime notices. The quantizer lets REVERSE_V2, as in the backward half of a bidirectional layer
whose sequences are joined, answer on the steps of what reads it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgekit.quantize.tflite_file import add_tensor, code_of, kind_of, pack, unpack

MOVES = (
    "BROADCAST_TO", "DEPTH_TO_SPACE", "EXPAND_DIMS", "GATHER", "GATHER_ND", "RESHAPE",
    "REVERSE_SEQUENCE", "REVERSE_V2", "SLICE", "SPACE_TO_DEPTH", "SQUEEZE", "STRIDED_SLICE",
    "TILE", "TRANSPOSE",
)  # fmt: skip


def mend_moves(content: bytes) -> bytes:
    """Return a .tflite in which what is moved stays on its steps, or it as it is if it does.

    A QUANTIZE behind the op brings the values to the steps on which they are read.
    """
    model = unpack(content)
    wrong = [(graph, op) for graph in model.subgraphs for op in graph.operators
             if kind_of(model, op) in MOVES and _other_steps(graph, op)]  # fmt: skip
    for graph, op in wrong:
        _requantize(model, graph, op)
    return pack(model) if wrong else content


def _other_steps(graph: Any, op: Any) -> bool:
    before, after = (_steps(graph.tensors[i]) for i in (op.inputs[0], op.outputs[0]))
    return before is not None and after is not None and before != after


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
    made = schema.OperatorT()
    made.opcodeIndex = code_of(model, "QUANTIZE")
    made.inputs, made.outputs = np.array([moved], np.int32), np.array([answer], np.int32)
    made.builtinOptionsType = schema.BuiltinOptions.QuantizeOptions
    made.builtinOptions = schema.QuantizeOptionsT()
    op.outputs = np.array([moved], np.int32)
    graph.operators.insert(graph.operators.index(op) + 1, made)
