"""Folded batch norms that are given statistics: nothing changes, but for training by the batch."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow")
import tf_keras as keras

from edgekit.train.batch_norm import batch_norms, folded, restore_statistics

layers = keras.layers


def network(epsilon: float = 1e-3):
    """Return a network as published weights make it: each norm adds a bias and does no more."""
    image = layers.Input((6, 6, 3))
    x = image
    for number, channels in enumerate((4, 5)):
        x = layers.Conv2D(channels, 3, use_bias=False, name=f"conv_{number}")(x)
        x = layers.BatchNormalization(epsilon=epsilon, name=f"norm_{number}")(x)
        x = layers.ReLU(name=f"relu_{number}")(x)
    found = keras.Model(image, x)
    rng = np.random.default_rng(0)
    for norm in batch_norms(found):
        ones = np.ones(norm.gamma.shape[0], np.float32)
        bias = rng.normal(0, 2, len(ones))
        norm.set_weights([ones, bias, 0 * ones, ones - epsilon])
    return found


def test_the_network_answers_as_before_and_alike_by_the_batch() -> None:
    rng = np.random.default_rng(1)
    model, batch = network(), rng.normal(0.5, 3, (64, 6, 6, 3)).astype(np.float32)
    before, blind = model(batch, training=False), network()(batch, training=True)
    assert folded(model)
    assert restore_statistics(model, [batch[:32], batch[32:]]) == 2
    assert not folded(model)
    after, by_batch = model(batch, training=False), model(batch, training=True)
    scale = float(np.abs(before).max())
    np.testing.assert_allclose(after, before, atol=1e-5 * scale)
    np.testing.assert_allclose(by_batch, before, atol=1e-3 * scale)
    assert np.abs(blind - before).max() > 0.1 * scale  # so it would have begun


def test_statistics_by_hand() -> None:
    """A 1x1 identity: the norm's mean and variance are those of the data, channel by channel."""
    image = layers.Input((2, 2, 2))
    x = layers.Conv2D(2, 1, use_bias=False)(image)
    model = keras.Model(image, layers.BatchNormalization(epsilon=0.01)(x))
    ones = np.ones(2, np.float32)
    offset = np.array([0.5, 0], np.float32)
    model.set_weights([np.eye(2)[None, None], ones, offset, 0 * ones, ones - 0.01])
    data = np.zeros((2, 2, 2, 2), np.float32)
    data[0, ..., 0], data[1, ..., 0] = 1, 5  # mean 3, variance 4
    data[..., 1] = 7  # variance 0
    restore_statistics(model, [data])
    gain, offset, mean, variance = model.layers[-1].get_weights()
    np.testing.assert_allclose(mean, [3, 7], rtol=1e-6)
    np.testing.assert_allclose(variance, [4, 0], atol=1e-5)
    np.testing.assert_allclose(gain, np.sqrt([4.01, 0.01]), rtol=1e-3)
    np.testing.assert_allclose(offset, [3.5, 7], rtol=1e-6)


def test_norms_that_learned_are_left_alone() -> None:
    model = network()
    first, _ = batch_norms(model)
    first.set_weights([w + 0.5 for w in first.get_weights()])
    kept = first.get_weights()
    batch = np.random.default_rng(2).normal(size=(8, 6, 6, 3)).astype(np.float32)
    assert restore_statistics(model, [batch]) == 1
    for a, b in zip(kept, first.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
