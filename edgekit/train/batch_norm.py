"""Batch norm while a network is fine-tuned: by the batch at first, then by what was learned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf
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
    return bool(found) and all(map(_adds_alone, found))


def restore_statistics(network: Any, batches: Iterable[Any]) -> int:
    """Give batch norms that do nothing but add the statistics of data; return how many did.

    The network answers as before: gain and offset undo what mean and variance now do. But trained
    by the batch it goes on from there, where it would else begin with every channel scaled to one
    variance, and with it all that was learned behind it.

    Args:
        network: of float layers, as published weights made it (see families.published).
        batches: of inputs.
    """
    norms = [norm for norm in batch_norms(network) if _adds_alone(norm)]
    if not norms:
        return 0
    moments = keras.Model(network.input, [norm.input for norm in norms])

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def sums(inputs: Any) -> Any:
        found = tf.nest.flatten(moments(inputs, training=False))
        found = [tf.reshape(x, [-1, x.shape[-1]]) for x in found]
        return [(tf.reduce_mean(x, 0), tf.reduce_mean(tf.square(x), 0)) for x in found]

    seen = [sums(batch) for batch in batches]
    for number, norm in enumerate(norms):
        mean, square = (
            np.mean([np.asarray(batch[number][part], np.float64) for batch in seen], axis=0)
            for part in (0, 1)
        )
        variance = np.maximum(square - mean**2, 0)
        gain = np.asarray(norm.gamma) * np.sqrt(variance + norm.epsilon)
        offset = np.asarray(norm.beta) + np.asarray(norm.gamma) * mean
        norm.set_weights([gain, offset, mean, variance])
    return len(norms)


def _adds_alone(norm: Any) -> bool:
    return bool(
        np.allclose(norm.moving_mean, 0) and np.allclose(norm.moving_variance, 1 - norm.epsilon)
    )


def _by_what_was_learned(layer: Any) -> Any:
    usual = type(layer).call

    def call(inputs: Any, training: Any = None) -> Any:
        return usual(layer, inputs, training=False)

    return call
