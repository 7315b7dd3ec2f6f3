"""Weights held in fewer bits than they are computed with: integers of 8 bits, or 16-bit floats.

A Cast, and for integers a Mul by a scale a channel, make them real. Of stored values ONNX Runtime
computes both once, while it loads a file: an inference takes what it takes in float. A
DequantizeLinear it would compute at each one, and hide from the op that its weights are constants,
which it lays out beforehand.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

from edgekit.export.onnx.graph import attributes_of, constants_of

_log = logging.getLogger("edgekit")

Array = npt.NDArray[Any]

RECURRENT = {"GRU": 3, "LSTM": 4, "RNN": 1}  # and their gates
# By op, its inputs that are weights, and which axis of them has a scale each: the channels of the
# answer; of recurrent layers the units of each gate, of a table its rows.
_WEIGHTS = {
    "Conv": ((1,), 0), "ConvTranspose": ((1,), 1), "Gemm": ((1,), 1), "MatMul": ((1,), -1),
    "Gather": ((0,), 0), **dict.fromkeys(RECURRENT, ((1, 2), 1)),
}  # fmt: skip
_HIGHEST = 127
# Fewer stay as they are, as in TensorFlow's converter: they are few bytes.
_LEAST = 1024


def hold_weights(graph: Any, bits: int) -> None:
    """Hold a float graph's weights, and in 16 bits whatever else is large, in so many bits."""
    stored = {name for name, values in constants_of(graph).items()
              if values.dtype == np.float32 and values.size >= _LEAST}  # fmt: skip
    if bits == 8:
        for name, axis in dict(_weights(graph, stored)).items():
            hold_as_integers(graph, name, axis)
    elif bits == 16:
        for name in sorted(stored):
            _hold_as_halves(graph, name)


def _weights(graph: Any, stored: Collection[str]) -> Iterator[tuple[str, int]]:
    for node in graph.node:
        places, axis = _WEIGHTS.get(node.op_type, ((), 0))
        if node.op_type == "Gemm" and attributes_of(node).get("transB"):
            axis = 0
        yield from ((node.input[place], axis) for place in places if node.input[place] in stored)


def hold_as_integers(graph: Any, name: str, axis: int) -> None:
    """Hold stored weights in 8 bits around zero, the largest of each channel at 127."""
    values = numpy_helper.to_array(_tensor(graph, name))
    others = tuple(place for place in range(values.ndim) if place != axis % values.ndim)
    largest = np.abs(values).max(others, keepdims=True)
    scale = (np.maximum(largest, np.finfo(np.float32).tiny) / _HIGHEST).astype(np.float32)
    held = {"8_bits": np.rint(values / scale).astype(np.int8), "scale": scale}
    cast, times = _replace(graph, name, held)
    made = f"{name}/cast"
    graph.node.insert(0, helper.make_node("Mul", [made, times], [name]))
    graph.node.insert(0, helper.make_node("Cast", [cast], [made], to=TensorProto.FLOAT))


def _hold_as_halves(graph: Any, name: str) -> None:
    values = numpy_helper.to_array(_tensor(graph, name))
    if (np.abs(values) > np.finfo(np.float16).max).any():
        _log.warning("%s: stays in 32 bits, got %g, which 16-bit floats do not reach",
                     name, np.abs(values).max())  # fmt: skip
        return
    (half,) = _replace(graph, name, {"16_bits": values.astype(np.float16)})
    graph.node.insert(0, helper.make_node("Cast", [half], [name], to=TensorProto.FLOAT))


def _replace(graph: Any, name: str, held: dict[str, Array]) -> list[str]:
    """Store values in place of what bears the name; return what they are called."""
    graph.initializer.remove(_tensor(graph, name))
    names = [f"{name}/{part}" for part in held]
    graph.initializer.extend(map(numpy_helper.from_array, held.values(), names))
    return names


def _tensor(graph: Any, name: str) -> Any:
    return next(tensor for tensor in graph.initializer if tensor.name == name)
