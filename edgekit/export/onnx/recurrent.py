"""ONNX's op of a whole recurrent layer, where cuDNN's marks one."""

from __future__ import annotations

from typing import Any

import numpy as np
from tf2onnx import utils

from edgekit.export.onnx.held import RECURRENT

_OPS = {"gru": "GRU", "lstm": "LSTM", "rnn_relu": "RNN", "rnn_tanh": "RNN"}
# As Keras' layers are if not told otherwise, and cuDNN's always.
_SETTINGS: dict[str, dict[str, Any]] = {
    "gru": {"linear_before_reset": 1}, "lstm": {}, "rnn_relu": {"activations": ["Relu"]},
    "rnn_tanh": {"activations": ["Tanh"]},
}  # fmt: skip


def write_recurrent(graph: Any, node: Any, name: str, _: Any) -> None:
    """Write a layer over `[T, N, D]`, whose weights are in ONNX's order in one row."""
    mode = node.get_attr_str("rnn_mode")
    kind, depth = _OPS[mode], graph.get_shape(node.input[0])[-1]
    units, gates = graph.get_shape(node.input[1])[-1], RECURRENT[_OPS[mode]]
    row = node.inputs[3].get_tensor_value(as_list=False)
    cuts = np.cumsum([gates * units * depth, gates * units * units])
    shapes = (1, gates * units, depth), (1, gates * units, units), (1, 2 * gates * units)
    weights = [
        graph.make_const(utils.make_name(name), part.reshape(shape)).output[0]
        for part, shape in zip(np.split(row, cuts), shapes, strict=True)
    ]
    states = [_given(state, value)
              for state, value in zip(node.inputs[1:3], node.input[1:3], strict=True)]  # fmt: skip
    made = graph.make_node(
        kind, [node.input[0], *weights, "", *states[: 2 if kind == "LSTM" else 1]],
        attr={"hidden_size": units, **_SETTINGS[mode]}, output_count=3 if kind == "LSTM" else 2,
        name=utils.make_name(name),
    )  # fmt: skip
    graph.remove_node(node.name)
    axis = graph.make_const(utils.make_name(name), np.array([1], np.int64)).output[0]
    graph.make_node("Squeeze", [made.output[0], axis], outputs=[node.output[0]])
    for last, answer in zip(made.output[1:], node.output[1:3], strict=False):
        graph.make_node("Identity", [last], outputs=[answer])


def _given(state: Any, value: str) -> str:
    """Return what a first state is called; nothing where it is zero, as ONNX takes it to be."""
    return "" if state.is_const() and not np.any(state.get_tensor_value(as_list=False)) else value
