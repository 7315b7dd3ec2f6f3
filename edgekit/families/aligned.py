"""A Keras network of pictures whose pixels fall on the steps of an int8 input, as `--ptq align`."""

from __future__ import annotations

from typing import Any

import numpy as np
import tf_keras as keras

from edgekit.errors import InputError


def whole_mean(mean: float) -> float:
    """Return the mean of pixels for which (pixel - mean) / std falls on steps of 1 / std."""
    return float(np.floor(mean + 0.5))


def shift_inputs(network: Any, shift: float) -> None:
    """Let `network` answer inputs that are smaller by `shift` as it answered them before.

    What the first convolution loses goes into the batch norm behind it, or into its bias. Where a
    padded border is seen, the padding's zero is another value than before: half a pixel off.

    Args:
        network: changed in place; its only input goes into convolutions.
        shift: in the values of the input, all channels alike.

    Raises:
        InputError: something else reads the input, or a convolution has no offset to change.
    """
    readers = [node.outbound_layer for node in network.input._keras_history.layer.outbound_nodes]
    for layer in readers:
        if type(layer) is not keras.layers.Conv2D:
            raise InputError(f"{network.name}: pixels cannot be aligned",
                             got=f"{layer.name} reads them", expected="a convolution")  # fmt: skip
        give_back(layer, shift * layer.kernel.numpy().sum(axis=(0, 1, 2)))


def give_back(layer: Any, lost: Any) -> None:
    """Let a layer answer more by `lost`, one number a channel, before its batch norm.

    Raises:
        InputError: it has no offset to change.
    """
    behind = [node.outbound_layer for node in layer.outbound_nodes]
    norms = [b for b in behind if isinstance(b, keras.layers.BatchNormalization)]
    if layer.use_bias:
        layer.bias.assign_add(lost)
    elif norms and len(norms) == len(behind):
        for norm in norms:
            norm.moving_mean.assign_sub(lost)
    else:
        raise InputError(f"{layer.name}: cannot be changed", got="no bias and no norm")
