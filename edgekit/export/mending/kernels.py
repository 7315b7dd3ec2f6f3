"""8-bit ops whose kernels are slow, written with ops that have fast ones, in integers all the same.

XNNPACK has no 8-bit kernel of a hard swish, a squared difference, an average pooling or a ReLU that
no other op takes in. LiteRT's own take a number at a time, on x86 from six to eighty times as long
as what stands in their place here, and part a delegate's network in two. All steps follow from what
the ops mean, so nothing is calibrated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from edgekit.quantize.graph.tflite_file import (
    add_tensor,
    code_of,
    kind_of,
    pack,
    steps_of,
    steps_of_channels,
    store,
    unpack,
)

_OPTIONS = {"ADD": schema.AddOptionsT, "MUL": schema.MulOptionsT, "SUB": schema.SubOptionsT}
_LEVELS, _HIGHEST = 255, 127  # of 8 bits, and the highest one
_CEILINGS = {"RELU": np.inf, "RELU6": 6.0}
_TAPS = 25  # of a pooling, beyond which a convolution is no faster


def with_fast_kernels(content: bytes) -> bytes:
    """Return a .tflite without such ops of 8 bits, or it as it is if it has none."""
    model = unpack(content)
    found = [
        (form, graph, op)
        for graph in model.subgraphs
        for op in graph.operators
        if (form := _FORMS.get(kind_of(model, op)))
        and graph.tensors[op.outputs[0]].type == schema.TensorType.INT8
        and _fits(model, graph, op)
    ]
    for form, graph, op in found:
        place = graph.operators.index(op)
        graph.operators[place : place + 1] = form(model, graph, op)
    return pack(model) if found else content


def _fits(model: Any, graph: Any, op: Any) -> bool:
    """Whether an op of one of these kinds has what its form is for."""
    kind, (read, *_), (answer,) = kind_of(model, op), op.inputs, op.outputs
    if kind in _CEILINGS:
        steps = graph.tensors[answer].quantization
        highest = float(steps.scale[0]) * (_HIGHEST - int(steps.zeroPoint[0]))
        ends = int(steps.zeroPoint[0]) == -_HIGHEST - 1
        return ends and highest <= _CEILINGS[kind] + float(steps.scale[0]) / 2
    if kind == "AVERAGE_POOL_2D":
        options, (_, *sides, _) = op.builtinOptions, graph.tensors[read].shape
        taps = options.filterHeight, options.filterWidth
        strides = options.strideH, options.strideW
        whole = all(n >= k and (n - k) % s == 0 and -(-n // s) == (n - k) // s + 1
                    for n, k, s in zip(sides, taps, strides, strict=True))  # fmt: skip
        return taps[0] * taps[1] <= _TAPS and (options.padding == schema.Padding.VALID or whole)
    return True


def _relu(model: Any, graph: Any, op: Any) -> list[Any]:
    """Write what the answer's steps cut off, which begin at 0 and end in time, as a sum with 0.

    A QUANTIZE would do so too, but XNNPACK's multiplies by a factor of 8 bits.
    """
    (read,), (answer,) = op.inputs, op.outputs
    like = graph.tensors[read]
    nothing = _stored(model, graph, like, b"/nothing", np.zeros(1, np.int8),
                      steps_of(float(like.quantization.scale[0]), 0))  # fmt: skip
    return [_op(model, "ADD", read, nothing, answer)]


def _average(model: Any, graph: Any, op: Any) -> list[Any]:
    """Write a mean of a few as the sum of their equal parts, a convolution of each channel."""
    (read,), given = op.inputs, op.builtinOptions
    like, taps = graph.tensors[read], (given.filterHeight, given.filterWidth)
    channels = int(like.shape[3])
    scale = np.full(channels, 1 / (taps[0] * taps[1]) / _HIGHEST, np.float32)
    made, options = schema.OperatorT(), schema.DepthwiseConv2DOptionsT()
    options.depthMultiplier = options.dilationHFactor = options.dilationWFactor = 1
    for name in ("padding", "strideH", "strideW", "fusedActivationFunction"):
        setattr(options, name, getattr(given, name))
    parts, none = np.full((1, *taps, channels), _HIGHEST, np.int8), np.zeros(channels, np.int32)
    weights = _stored(model, graph, like, b"/parts", parts, steps_of_channels(scale, 3))
    bias = _stored(model, graph, like, b"/none", none,
                   steps_of_channels(scale * like.quantization.scale[0], 0))  # fmt: skip
    made.opcodeIndex = code_of(model, "DEPTHWISE_CONV_2D", 3)
    made.inputs, made.outputs = np.array([read, weights, bias], np.int32), op.outputs
    made.builtinOptionsType = schema.BuiltinOptions.DepthwiseConv2DOptions
    made.builtinOptions = options
    return [made]


def _stored(
    model: Any, graph: Any, like: Any, name: bytes, values: npt.NDArray[Any], steps: Any
) -> int:
    """Return a new tensor of these values."""
    kind = getattr(schema.TensorType, values.dtype.name.upper())
    number = add_tensor(graph, like, name, type=kind, quantization=steps, shapeSignature=None)
    tensor = graph.tensors[number]
    tensor.shape, tensor.buffer = np.array(values.shape, np.int32), store(model, values)
    return number


def _hard_swish(model: Any, graph: Any, op: Any) -> list[Any]:
    """Write x relu6(x + 3) / 6 (Howard et al. 2019, 5.2) with a sum that 8 bits hold to 0 and 6."""
    (read,), (answer,) = op.inputs, op.outputs
    like = graph.tensors[read]
    three, sixth = (_constant(model, graph, like, value) for value in (3.0, 1 / 6))
    sum_ = add_tensor(graph, like, b"/plus_3", quantization=steps_of(6 / _LEVELS, -_HIGHEST - 1))
    gate = add_tensor(graph, like, b"/gate", quantization=steps_of(1 / _LEVELS, -_HIGHEST - 1))
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
    steps = steps_of(np.sqrt(largest) / _HIGHEST, 0)
    difference = add_tensor(graph, graph.tensors[answer], b"/root", quantization=steps)
    return [
        _op(model, "SUB", one, other, difference),
        _op(model, "MUL", difference, difference, answer),
    ]


def _constant(model: Any, graph: Any, like: Any, value: float) -> int:
    """Return a new tensor of one number, which 8 bits hold exactly."""
    held = np.array([_HIGHEST], np.int8)
    name = f"/{value:.3g}".encode()
    return _stored(model, graph, like, name, held, steps_of(value / _HIGHEST, 0))


def _op(model: Any, kind: str, one: int, other: int, answer: int) -> Any:
    made, options = schema.OperatorT(), _OPTIONS[kind]
    made.opcodeIndex = code_of(model, kind, 2)
    made.inputs, made.outputs = np.array([one, other], np.int32), np.array([answer], np.int32)
    made.builtinOptionsType = getattr(schema.BuiltinOptions, options.__name__[:-1])
    made.builtinOptions = options()
    return made


_FORMS = {
    "AVERAGE_POOL_2D": _average, "HARD_SWISH": _hard_swish, "RELU": _relu, "RELU6": _relu,
    "SQUARED_DIFFERENCE": _squared_difference,
}  # fmt: skip
