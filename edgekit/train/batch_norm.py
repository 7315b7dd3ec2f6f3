"""Batch norm while a network is fine-tuned: by the batch at first, then by what was learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import tf_keras as keras


def freeze_statistics(network: Any) -> None:
    """Let every batch norm use its moving statistics from now on, in training too.

    Gain and offset go on learning. A file always uses the moving statistics: with them the network
    is trained as it will run. What was compiled before has to be compiled again.
    """
    for layer in batch_norms(network):
        layer.call = _by_what_was_learned(layer)


def batch_norms(network: Any) -> list[Any]:
    """Return the batch norms of a network, those that tfmot wrapped among them."""
    layers = [getattr(layer, "layer", layer) for layer in network.submodules]
    kinds = keras.layers.BatchNormalization
    return list({id(layer): layer for layer in layers if isinstance(layer, kinds)}.values())


def folded(network: Any) -> bool:
    """Whether all batch norms do nothing but add: their statistics were never those of a batch."""
    found = batch_norms(network)
    return bool(found) and all(
        np.allclose(norm.moving_mean, 0) and np.allclose(norm.moving_variance, 1 - norm.epsilon)
        for norm in found
    )


def _by_what_was_learned(layer: Any) -> Any:
    usual = type(layer).call

    def call(inputs: Any, training: Any = None) -> Any:
        return usual(layer, inputs, training=False)

    return call
