"""Dilated convolutions over a row, traced as the one op that they are.

TensorFlow lays the row out as a batch of rows, convolves those and lays them back. Its converter
makes one op of the three only where no other reads the batch; a gate beside a filter, as in WaveNet
(van den Oord et al., arXiv:1609.03499), reads it too, and XNNPACK takes neither of the layings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras as keras3
import tensorflow as tf
import tf_keras

from edgekit.export.tracing.replaced_calls import called_by


@contextmanager
def plain_dilations(model: Any) -> Iterator[None]:
    """Let the dilated convolutions of a Keras model over rows be computed as maps of height one.

    One of several groups, with additions of low rank or integer weights is left as it is.
    """
    with ExitStack() as stack:
        for layer in model._flatten_layers():
            if type(layer) in (keras3.layers.Conv1D, tf_keras.layers.Conv1D) and _is_plain(layer):
                stack.enter_context(called_by(layer, _convolving(layer)))
        yield


def _is_plain(layer: Any) -> bool:
    changed = getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None)
    last = layer.data_format == "channels_last"
    return layer.dilation_rate[0] > 1 and layer.groups == 1 and last and not changed


def _convolving(layer: Any) -> Callable[[Any], Any]:
    (dilation,), (taps,) = layer.dilation_rate, layer.kernel_size

    def convolve(rows: Any) -> Any:
        if causal := layer.padding == "causal":
            rows = tf.pad(rows, [[0, 0], [dilation * (taps - 1), 0], [0, 0]])
        made = tf.nn.conv2d(
            tf.expand_dims(rows, 1), tf.expand_dims(tf.convert_to_tensor(layer.kernel), 0), 1,
            "VALID" if causal else layer.padding.upper(), dilations=[1, 1, dilation, 1],
        )  # fmt: skip
        made = tf.squeeze(made, [1])
        if layer.use_bias:
            made = tf.nn.bias_add(made, tf.convert_to_tensor(layer.bias))
        return made if layer.activation is None else layer.activation(made)

    return convolve
