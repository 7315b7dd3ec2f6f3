"""Biases that an integer file holds in steps that are not theirs, or cuts off.

A bias has the steps of its channel's weights times those of the input. Two ops may have the same
one: a layer that is used twice, or two whose biases are equal. TensorFlow's converter keeps it
once, and beside 16-bit activations in the steps of one of the ops: the others add something else.

Where weights are next to nothing, as of channels that weight decay has left behind, the steps are
so small that the bias's integer ends long before the bias does. The converter looks after that
where it finds the ranges itself, and cuts the bias off where a network has learned them. Such
weights get larger steps here, in which there is little left of them, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from edgekit.errors import InputError
from edgekit.quantize.graph.tflite_file import (
    add_tensor,
    kind_of,
    pack,
    steps_of_channels,
    store,
    unpack,
)

_LINEAR = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_ENDS = (-(2**31), 2**31 - 1)
_LARGEST = 2**30  # that a mended bias takes: half of what it may

_NEAR = 1e-3  # steps that differ by less are the same
_BIASES = (schema.TensorType.INT32, schema.TensorType.INT64)
_DTYPES = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.INT8: np.int8,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.INT64: np.int64,
}

Array = npt.NDArray[Any]


def with_own_biases(content: bytes) -> bytes:
    """Return a .tflite each of whose biases is one op's and in its steps, or it if that is so."""
    model = unpack(content)
    seen: set[tuple[int, int]] = set()
    strange = []
    for graph, op in _linear(model):
        steps = _steps(graph, op)
        if steps is None:
            continue
        told = graph.tensors[op.inputs[2]].quantization.scale
        place = (id(graph), int(op.inputs[2]))
        if place in seen or not np.allclose(told, steps, rtol=_NEAR, atol=0):
            strange.append((graph, op, steps))
        seen.add(place)
    for graph, op, steps in strange:
        told = graph.tensors[op.inputs[2]]
        real = _values(model, graph, op.inputs[2]) * told.quantization.scale.astype(np.float64)
        raw = np.rint(real / steps).astype(_DTYPES[told.type])
        own = add_tensor(
            graph, told, b"/own", buffer=store(model, raw), quantization=steps_of_channels(steps)
        )
        op.inputs = np.array([*op.inputs[:2], own, *op.inputs[3:]], np.int32)
    return pack(model) if strange else content


def _steps(graph: Any, op: Any) -> Array | None:
    """Return the steps of an integer op's stored bias, None where it has none."""
    if len(op.inputs) < 3 or op.inputs[2] < 0:
        return None
    fed, weights, bias = (graph.tensors[i] for i in op.inputs[:3])
    if bias.type not in _BIASES or any(t.quantization is None for t in (fed, weights, bias)):
        return None
    scales = [t.quantization.scale for t in (fed, weights, bias)]
    if any(scale is None for scale in scales):
        return None
    steps: Array = np.broadcast_to(
        float(scales[0][0]) * scales[1].astype(np.float64), scales[2].shape
    )
    return steps


def with_whole_biases(content: bytes, real: Callable[[], bytes]) -> bytes:
    """Return a .tflite none of whose biases is cut off, or it as it is if none was.

    Args:
        content: of the file, its weights in int8.
        real: makes the same network in float.

    Raises:
        InputError: the float network has no such op, or weights have one step for all channels.
    """
    model = unpack(content)
    if not any(True for _ in _cut(model)):
        return content
    exact = unpack(real())
    twins = list(_linear(exact))
    for number, (graph, op, gone) in _cut(model):
        layer = graph.tensors[op.outputs[0]].name.decode()
        twin = twins[number] if number < len(twins) else None
        if twin is None or not _alike(graph, op, *twin):
            raise InputError(f"{layer}: bias beyond 32 bits", got="no such op in the float network",
                             do="take --scheme w8a8")  # fmt: skip
        _mend(model, graph, op, gone, [_values(exact, twin[0], i) for i in twin[1].inputs[1:3]])
    return pack(model)


def _linear(model: Any) -> Iterator[tuple[Any, Any]]:
    for graph in model.subgraphs:
        yield from ((graph, op) for op in graph.operators if kind_of(model, op) in _LINEAR)


def _cut(model: Any) -> Iterator[tuple[int, tuple[Any, Any, Array]]]:
    """Yield the linear ops whose bias ends where its integers do: which one, and the channels."""
    for number, (graph, op) in enumerate(_linear(model)):
        if len(op.inputs) < 3 or op.inputs[2] < 0:
            continue
        if graph.tensors[op.inputs[2]].type == schema.TensorType.INT32:
            gone = np.isin(_values(model, graph, op.inputs[2]), _ENDS)
            if gone.any():
                yield number, (graph, op, gone)


def _values(model: Any, graph: Any, tensor: int) -> Array:
    told = graph.tensors[tensor]
    raw = model.buffers[told.buffer].data
    data = b"" if raw is None else bytes(raw)  # computed: there is no value to look at
    return np.frombuffer(data, _DTYPES[told.type]).reshape(told.shape if data else 0).copy()


def _alike(graph: Any, op: Any, other: Any, twin: Any) -> bool:
    """Whether two ops' weights have one shape, and the other's are stored as floats."""
    weights, floats = graph.tensors[op.inputs[1]], other.tensors[twin.inputs[1]]
    stored = len(twin.inputs) > 2 and floats.type == schema.TensorType.FLOAT32
    return bool(stored and np.array_equal(weights.shape, floats.shape))


def _mend(model: Any, graph: Any, op: Any, gone: Array, exact: list[Array]) -> None:
    """Give the channels that are `gone` steps in which their exact bias is whole."""
    weights, bias = (graph.tensors[i] for i in op.inputs[1:3])
    steps, axis = weights.quantization.scale, weights.quantization.quantizedDimension
    if len(steps) != len(gone):
        raise InputError(f"{graph.tensors[op.outputs[0]].name.decode()}: bias beyond 32 bits",
                         got="one step for all weights", do="take --scheme w8a8")  # fmt: skip
    step_of_input = float(graph.tensors[op.inputs[0]].quantization.scale[0])
    wanted = np.abs(exact[1].astype(np.float64)) / (step_of_input * _LARGEST)
    own = np.where(gone, np.maximum(wanted, steps), steps).astype(np.float32)
    along = [1] * exact[0].ndim
    along[axis] = -1
    rounded = np.rint(exact[0] / own.reshape(along)).clip(-127, 127).astype(np.int8)
    kept = _values(model, graph, op.inputs[1])
    _replace(model, weights, np.where(gone.reshape(along), rounded, kept))
    weights.quantization.scale = own
    raw = np.rint(exact[1] / (step_of_input * own.astype(np.float64))).clip(*_ENDS)
    old = _values(model, graph, op.inputs[2])
    _replace(model, bias, np.where(gone, raw, old).astype(np.int32))
    bias.quantization.scale = (step_of_input * own.astype(np.float64)).astype(np.float32)


def _replace(model: Any, tensor: Any, values: Array) -> None:
    """Let a tensor hold `values`, and the file no longer what nothing else holds."""
    before, tensor.buffer = tensor.buffer, store(model, values)
    if all(each.buffer != before for graph in model.subgraphs for each in graph.tensors):
        model.buffers[before].data = None
