"""The step of each output channel's weights, and integer weights with these steps in a file.

An ordinary quantizer lets the largest weight of a channel be 127 steps. Weights that came from
another grid, as those of a published int8 file, then fall between its steps; and where the rest of
a channel is small, a finer step that cuts the largest off errs less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from edgekit.errors import InputError
from edgekit.quantize.graph.float_graph import LINEAR, FloatGraph, FloatOp
from edgekit.quantize.graph.linear import rows_of, shaped
from edgekit.quantize.graph.tflite_file import kind_of, pack, unpack
from edgekit.quantize.ptq.techniques import PostTraining

Array = npt.NDArray[Any]

LEVELS = 127  # of symmetric int8 weights on each side of zero
# How many steps the largest weight may be: fewer finds other grids, more cuts it off.
_TRIED = (*range(LEVELS - 1, 63, -1), *range(LEVELS + 1, 180, 2))
_BIAS_LIMIT = 2.0**30  # of an integer bias: twice as much overflows


def largest_steps(rows: Array) -> Array:
    """Return the ordinary steps `[O]`: the largest weight of each row is 127 of them."""
    largest = np.abs(rows).max(axis=1)
    steps: Array = np.where(largest > 0, largest, 1.0) / LEVELS
    return steps


def least_error_steps(rows: Array) -> Array:
    """Return the steps `[O]` of the least squared error, the ordinary one where none is better."""
    ordinary = largest_steps(rows)
    best, least = ordinary, _error(rows, ordinary)
    for levels in _TRIED:
        steps = ordinary * (LEVELS / levels)
        error = _error(rows, steps)
        better = error < least
        best, least = np.where(better, steps, best), np.where(better, error, least)
    return best


def step_finder(options: PostTraining) -> Callable[[Array], Array]:
    """Return what finds steps `[O]` for rows `[O, K]`: with "steps" those of the least error."""
    return least_error_steps if "steps" in options.techniques else largest_steps


def on_grid(rows: Array, steps: Array) -> Array:
    """Return rows rounded to nearest, in steps."""
    rounded: Array = np.clip(np.rint(rows / steps[:, np.newaxis]), -LEVELS, LEVELS)
    return rounded


def rounded_to(steps: Array, rows: Array) -> Array:
    """Return rows `[O, K]` rounded to nearest, in real values."""
    nearest: Array = on_grid(rows, steps) * steps[:, np.newaxis]
    return nearest


def put_weights(content: bytes, float_file: bytes, steps: Mapping[str, Array]) -> bytes:
    """Return an integer .tflite with the weights and biases of a float one, in these steps.

    Args:
        content: the integer file.
        float_file: ops of the same names, whose weights lie on the grid of their steps.
        steps: `[O]`, by the name of what an op answers. Of other ops, and where the file has one
            scale for all channels or the op in float, the weights stay as they are.

    Raises:
        InputError: the integer file has no such op.
    """
    model, source = unpack(content), FloatGraph(float_file)
    (graph,) = model.subgraphs
    named = {source.name(op.outputs[0]): op for op in source.ops if op.linear}
    made = ops_by_answer(model, graph)
    for name in steps:
        if name not in made:
            raise InputError(f"op {name}", got="not in the integer file", do="take --ptq none")
        raw = made[name]
        fed, weights = (graph.tensors[t] for t in raw.inputs[:2])
        if weights.type == schema.TensorType.INT8 and (
            len(weights.quantization.scale) == len(steps[name])
        ):
            bias = _bias_of(model, graph, raw)
            _put(model, (fed, weights, bias), source, named[name], steps[name])
    return pack(model)


def ops_by_answer(model: Any, graph: Any) -> dict[str, Any]:
    """Return the linear ops of a file by what their answers are called."""
    return {name: raw for raw in graph.operators for name in answers_of(model, graph, raw)}


def answers_of(model: Any, graph: Any, raw: Any) -> Iterator[str]:
    """Yield what a linear op's answer is called: as integers, and where it is made real again."""
    if kind_of(model, raw) not in LINEAR:
        return
    (tensor,) = raw.outputs
    readers = (op for op in graph.operators if tensor in op.inputs)
    real = (op.outputs[0] for op in readers if kind_of(model, op) == "DEQUANTIZE")
    yield from (graph.tensors[t].name.decode("utf-8", "replace") for t in (tensor, *real))


def _bias_of(model: Any, graph: Any, raw: Any) -> Any:
    """Return an op's bias; a quantizer leaves one of zeros out, and then it is made."""
    if len(raw.inputs) > 2 and raw.inputs[2] >= 0:
        return graph.tensors[raw.inputs[2]]
    fed, weights = (graph.tensors[t] for t in raw.inputs[:2])
    wide = fed.type == schema.TensorType.INT16
    bias = schema.TensorT()
    bias.name = weights.name + b"/bias"
    bias.type = schema.TensorType.INT64 if wide else schema.TensorType.INT32
    bias.shape = np.array([len(weights.quantization.scale)], np.int32)
    bias.quantization, bias.buffer = schema.QuantizationParametersT(), len(model.buffers)
    model.buffers.append(schema.BufferT())
    graph.tensors.append(bias)
    raw.inputs = [*raw.inputs[:2], len(graph.tensors) - 1]
    return bias


def _put(model: Any, tensors: Any, source: FloatGraph, op: FloatOp, steps: Array) -> None:
    """Write one op's weights and bias; where a bias would overflow, its step is widened."""
    fed, weights, bias = tensors
    scale = float(fed.quantization.scale[0])
    values = source.bias(op).astype(np.float64)
    steps = np.maximum(steps, np.abs(values) / (_BIAS_LIMIT * scale)).astype(np.float32)
    rows = on_grid(rows_of(source, op), steps.astype(np.float64))
    _store(model, weights, shaped(source, op, rows).astype(np.int8))
    _set_scales(weights, steps)
    kind = np.int64 if bias.type == schema.TensorType.INT64 else np.int32
    bias_steps = np.float64(scale) * steps
    _store(model, bias, np.rint(values / bias_steps).astype(kind))
    _set_scales(bias, bias_steps.astype(np.float32))


def _set_scales(tensor: Any, scales: Array) -> None:
    """Give a symmetric tensor its scales; a loader wants as many zero points."""
    tensor.quantization.scale = scales
    tensor.quantization.zeroPoint = np.zeros(len(scales), np.int64)


def _store(model: Any, tensor: Any, values: Array) -> None:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
    model.buffers[tensor.buffer] = buffer


def _error(rows: Array, steps: Array) -> Array:
    error: Array = np.square(rounded_to(steps, rows) - rows).sum(axis=1)
    return error
