"""Recurrent layers traced as one op each, for ONNX, which has ops of whole layers.

Written out, a layer is some hundred small ops, and a loop is no faster. TensorFlow's one op of all
kinds is cuDNN's; it is traced to mark the place and never run, and its weights are in ONNX's order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras as keras3
import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from edgekit.export.tracing.replaced_calls import called_by

# By layer, the order of ONNX's gates among Keras'.
_GATES = {"LSTM": (0, 3, 1, 2), "GRU": (0, 1, 2), "SimpleRNN": (0,)}
_KINDS = {getattr(k.layers, name): name for k in (keras3, tf_keras) for name in _GATES}
_MODES = {"LSTM": "lstm", "GRU": "gru"}
_TANH, _RELU, _SIGMOID = (  # of either Keras, and no other function of the name
    {getattr(keras.activations, name) for keras in (keras3, tf_keras)}
    for name in ("tanh", "relu", "sigmoid")
)


@contextmanager
def whole_layers(model: Any) -> Iterator[None]:
    """Let the recurrent layers of a model (Keras 2 or 3) be one op each meanwhile.

    One with settings that cuDNN's op lacks, or called with a mask, is traced as it is.
    """
    with ExitStack() as stack:
        for layer in model._flatten_layers():
            if is_whole(layer):
                stack.enter_context(called_by(layer, _calling(layer)))
        yield


def is_whole(layer: Any) -> bool:
    """Whether a layer is a recurrent one as Keras makes it if not told otherwise."""
    kind = _KINDS.get(type(layer))
    if kind is None or getattr(layer, "time_major", False):
        return False
    if kind == "SimpleRNN":
        return layer.activation in _TANH | _RELU
    ordinary = kind == "LSTM" or layer.reset_after
    return bool(ordinary and layer.activation in _TANH and layer.recurrent_activation in _SIGMOID)


def _calling(layer: Any) -> Callable[..., Any]:
    otherwise, row = layer.call, _weights(layer)

    def call(sequences: Any, *others: Any, **options: Any) -> Any:
        state = options.get("initial_state")
        masked = options.get("mask") is not None
        if others or masked or isinstance(sequences, list | tuple):
            return otherwise(sequences, *others, **options)
        return _answer(layer, *_marked(layer, row, sequences, state))

    return call


def _marked(
    layer: Any, weights: npt.NDArray[np.float32], sequences: Any, state: Any
) -> tuple[Any, list[Any]]:
    """Return the answers `[N, T, H]` and the last states `[N, H]`."""
    kind, units = _KINDS[type(layer)], layer.units
    given = tf.convert_to_tensor(sequences)
    given = tf.reverse(given, [1]) if layer.go_backwards else given
    batch, steps, _ = given.shape
    count = tf.shape(given)[0] if batch is None else batch
    states = [tf.zeros([count, units])] * 2 if state is None else [*tf.nest.flatten(state)] * 2
    made = tf.raw_ops.CudnnRNNV3(
        input=tf.transpose(given, [1, 0, 2]),
        input_h=tf.expand_dims(states[0], 0),
        input_c=tf.expand_dims(states[1], 0),
        params=weights,
        sequence_lengths=tf.fill([count], tf.shape(given)[1] if steps is None else steps),
        rnn_mode=_MODES.get(kind, "rnn_relu" if layer.activation in _RELU else "rnn_tanh"),
        is_training=False,
    )
    last = [made.output_h, made.output_c] if kind == "LSTM" else [made.output_h]
    answers = tf.ensure_shape(tf.transpose(made.output, [1, 0, 2]), [batch, steps, units])
    return answers, [tf.squeeze(state, 0) for state in last]


def _weights(layer: Any) -> npt.NDArray[np.float32]:
    """Return what multiplies inputs `[G H, D]` and states `[G H, H]`, and biases `[2 G H]`."""
    gates, units = _GATES[_KINDS[type(layer)]], layer.units

    def ordered(weights: npt.NDArray[Any]) -> npt.NDArray[Any]:
        parts = np.split(weights, len(gates), axis=-1)
        return np.concatenate([parts[gate] for gate in gates], axis=-1)

    kernel, recurrent, *bias = (ordered(np.asarray(w, np.float32)) for w in layer.get_weights())
    biases = np.zeros((2, len(gates) * units), np.float32)
    if bias:
        biases[: bias[0].ndim] = bias[0]
    return np.concatenate([kernel.T.ravel(), recurrent.T.ravel(), biases.ravel()])


def _answer(layer: Any, answers: Any, last: list[Any]) -> Any:
    """Return what Keras' layer does: all answers or the last, with the states or without."""
    wanted = answers if layer.return_sequences else last[0]
    return (wanted, *last) if layer.return_state else wanted
