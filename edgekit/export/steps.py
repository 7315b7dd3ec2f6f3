"""Ops whose integer kernels take no steps beyond a bound, given others.

- A sum shifts its terms left, by 20 bits or, of 16-bit ones, by 15, and its answer's step must not
  be smaller than what that leaves of a term's: where terms cancel out, TensorFlow Lite aborts the
  process. Such an answer holds nothing but its terms' rounding.
- A comparison multiplies by steps below one, and answers at random where they are larger.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgekit.quantize.tflite_file import add_tensor, code_of, kind_of, pack, unpack

_SHIFTS = {schema.TensorType.INT8: 20, schema.TensorType.INT16: 15}
_SUMS = ("ADD", "SUB")
_COMPARISONS = ("EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL")
_ROOM = 1.001  # above the bound


def mend_steps(content: bytes) -> bytes:
    """Return a .tflite without such ops, or it as it is if it has none.

    A sum answers in a step that its kernel takes, and is put on its own behind it; what is compared
    becomes float before.
    """
    model = unpack(content)
    ops = [(graph, op) for graph in model.subgraphs for op in graph.operators]
    sums = [(graph, op) for graph, op in ops if _cancels(model, graph, op)]
    compared = [(graph, op) for graph, op in ops if _compares_large(model, graph, op)]
    for graph, op in sums:
        _coarsen(model, graph, op)
    for graph, op in compared:
        _compare_in_float(model, graph, op)
    return pack(model) if sums or compared else content


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


def _cancels(model: Any, graph: Any, op: Any) -> bool:
    step = _step(graph, op.outputs[0])
    return kind_of(model, op) in _SUMS and step > 0 and step <= _least(graph, op)


def _compares_large(model: Any, graph: Any, op: Any) -> bool:
    return kind_of(model, op) in _COMPARISONS and max(_step(graph, i) for i in op.inputs) >= 1


def _coarsen(model: Any, graph: Any, op: Any) -> None:
    """Let a sum answer in the least step that it can."""
    (answer,) = op.outputs
    steps = schema.QuantizationParametersT()
    steps.scale = np.array([_least(graph, op) * _ROOM], np.float32)
    steps.zeroPoint = np.zeros(1, np.int64)
    coarse = add_tensor(graph, graph.tensors[answer], b"/coarse", quantization=steps)
    op.outputs = np.array([coarse], np.int32)
    wide = graph.tensors[answer].type == schema.TensorType.INT16
    number = code_of(model, "QUANTIZE", 2 if wide else 1)
    made = _op(number, schema.QuantizeOptionsT(), coarse, answer)
    graph.operators.insert(graph.operators.index(op) + 1, made)


def _compare_in_float(model: Any, graph: Any, op: Any) -> None:
    terms, number = [], code_of(model, "DEQUANTIZE", 2)
    for tensor in op.inputs:
        told = graph.tensors[tensor]
        real = add_tensor(
            graph, told, b"/real", type=schema.TensorType.FLOAT32, quantization=None, buffer=0
        )
        made = _op(number, schema.DequantizeOptionsT(), tensor, real)
        graph.operators.insert(graph.operators.index(op), made)
        terms.append(real)
    op.inputs = np.array(terms, np.int32)


def _op(number: int, options: Any, read: int, answer: int) -> Any:
    made = schema.OperatorT()
    made.opcodeIndex = number
    made.inputs, made.outputs = np.array([read], np.int32), np.array([answer], np.int32)
    made.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__[:-1])
    made.builtinOptions = options
    return made
