"""8-bit ops whose kernels are slow, written with ops that have fast ones, in integers all the same.

XNNPACK has no 8-bit kernel of a hard swish or of a squared difference. LiteRT's own take a number
at a time, on x86 twenty times as long as a sum's or a product's, and part a delegate's network in
two. All steps follow from what the ops mean, so nothing is calibrated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgekit.quantize.tflite_file import add_tensor, code_of, kind_of, pack, store, unpack

_OPTIONS = {"ADD": schema.AddOptionsT, "MUL": schema.MulOptionsT, "SUB": schema.SubOptionsT}
_LEVELS, _HIGHEST = 255, 127  # of 8 bits, and the highest one


def with_fast_kernels(content: bytes) -> bytes:
    """Return a .tflite without such ops of 8 bits, or it as it is if it has none."""
    model = unpack(content)
    found = [
        (form, graph, op)
        for graph in model.subgraphs
        for op in graph.operators
        if (form := _FORMS.get(kind_of(model, op)))
        and graph.tensors[op.outputs[0]].type == schema.TensorType.INT8
    ]
    for form, graph, op in found:
        place = graph.operators.index(op)
        graph.operators[place : place + 1] = form(model, graph, op)
    return pack(model) if found else content


def _hard_swish(model: Any, graph: Any, op: Any) -> list[Any]:
    """Write x relu6(x + 3) / 6 (Howard et al. 2019, 5.2) with a sum that 8 bits hold to 0 and 6."""
    (read,), (answer,) = op.inputs, op.outputs
    like = graph.tensors[read]
    three, sixth = (_constant(model, graph, like, value) for value in (3.0, 1 / 6))
    sum_ = add_tensor(graph, like, b"/plus_3", quantization=_steps(6 / _LEVELS, -_HIGHEST - 1))
    gate = add_tensor(graph, like, b"/gate", quantization=_steps(1 / _LEVELS, -_HIGHEST - 1))
    return [
        _op(model, "ADD", read, three, sum_),
        _op(model, "MUL", sum_, sixth, gate),
        _op(model, "MUL", read, gate, answer),
    ]


def _squared_difference(model: Any, graph: Any, op: Any) -> list[Any]:
    """Write (a - b)^2 with a difference as large as the roots of the largest answer."""
    (one, other), (answer,) = op.inputs, op.outputs
    told = graph.tensors[answer].quantization
    largest = float(told.scale[0]) * (_HIGHEST - int(told.zeroPoint[0]))
    steps = _steps(np.sqrt(largest) / _HIGHEST, 0)
    difference = add_tensor(graph, graph.tensors[answer], b"/root", quantization=steps)
    return [
        _op(model, "SUB", one, other, difference),
        _op(model, "MUL", difference, difference, answer),
    ]


def _constant(model: Any, graph: Any, like: Any, value: float) -> int:
    """Return a new tensor of one number, which 8 bits hold exactly."""
    number = add_tensor(graph, like, b"/number", quantization=_steps(value / _HIGHEST, 0))
    tensor = graph.tensors[number]
    tensor.shape, tensor.shapeSignature = np.ones(1, np.int32), None
    tensor.buffer = store(model, np.array([_HIGHEST], np.int8))
    return number


def _steps(scale: float, zero: int) -> Any:
    steps = schema.QuantizationParametersT()
    steps.scale, steps.zeroPoint = np.array([scale], np.float32), np.array([zero], np.int64)
    return steps


def _op(model: Any, kind: str, one: int, other: int, answer: int) -> Any:
    made, options = schema.OperatorT(), _OPTIONS[kind]
    made.opcodeIndex = code_of(model, kind, 2)
    made.inputs, made.outputs = np.array([one, other], np.int32), np.array([answer], np.int32)
    made.builtinOptionsType = getattr(schema.BuiltinOptions, options.__name__[:-1])
    made.builtinOptions = options()
    return made


_FORMS = {"HARD_SWISH": _hard_swish, "SQUARED_DIFFERENCE": _squared_difference}
