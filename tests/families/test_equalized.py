"""Equalization of a Keras network, against the network itself and factors worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tf_keras as keras

from edgekit.errors import InputError
from edgekit.families.equalized import equalized

LAYERS = keras.layers


def two_layers() -> Any:
    """Two dense layers; the hidden channels reach 1 and 16 for inputs of up to 1."""
    x = LAYERS.Input((1,), name="x")
    hidden = LAYERS.Dense(2, name="first")(x)
    network = keras.Model(x, LAYERS.Dense(1, name="second")(hidden), name="net")
    network.get_layer("first").set_weights([np.array([[1.0, 16.0]]), np.zeros(2)])
    network.get_layer("second").set_weights([np.array([[16.0], [1.0]]), np.zeros(1)])
    return network


def test_factors_by_hand() -> None:
    batch = np.linspace(-1, 1, 20, dtype=np.float32)[:, np.newaxis]
    network = two_layers()
    copy = equalized(network, [batch])
    first, second = (copy.get_layer(name).get_weights()[0] for name in ("first", "second"))
    # The small channel is widened to the range of the other, 16 times, and read 16 times smaller.
    np.testing.assert_allclose(first, [[16.0, 16.0]], rtol=1e-6)
    np.testing.assert_allclose(second, [[1.0], [1.0]], rtol=1e-6)
    np.testing.assert_allclose(network.get_layer("first").get_weights()[0], [[1.0, 16.0]])


def test_shifts_by_hand() -> None:
    # The hidden channels reach from 0 to 4 and from -2 to 2: the first is moved by -2, and what the
    # second layer adds makes up for it by 2 x 0.5. Both reach 2 then.
    x = LAYERS.Input((1, 1, 1), name="x")
    hidden = LAYERS.Conv2D(2, 1, name="first")(x)
    network = keras.Model(x, LAYERS.Conv2D(1, 1, name="second")(hidden), name="net")
    for name, kernel, bias in (("first", (2.0, 2.0), (2.0, 0.0)), ("second", (0.5, 0.25), (1.0,))):
        layer = network.get_layer(name)
        layer.set_weights([np.reshape(kernel, layer.kernel.shape), np.array(bias)])
    batch = np.linspace(-1, 1, 20, dtype=np.float32).reshape(20, 1, 1, 1)
    copy = equalized(network, [batch])
    np.testing.assert_allclose(copy.get_layer("first").get_weights()[1], [0, 0], atol=1e-6)
    np.testing.assert_allclose(copy.get_layer("second").get_weights()[1], [2], rtol=1e-6)


def test_shifts_stay_where_norms_take_the_statistics_of_batches() -> None:
    network = inverted_residual()
    batch = np.random.default_rng(1).normal(size=(256, 8, 8, 3)).astype(np.float32)
    norms = [la for la in network.layers if isinstance(la, LAYERS.BatchNormalization)]
    for norm in norms:  # what they keep is what the batch has, as after a training
        inputs = keras.Model(network.input, norm.input)(batch).numpy()
        norm.moving_mean.assign(inputs.mean(axis=(0, 1, 2)))
        norm.moving_variance.assign(inputs.var(axis=(0, 1, 2)))
    copy = equalized(network, [batch])
    expected = network(batch).numpy()
    np.testing.assert_allclose(copy(batch).numpy(), expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(copy(batch, training=True).numpy(), expected, rtol=1e-2, atol=1e-4)


def inverted_residual() -> Any:
    """Every kind of layer that a factor goes through, channels spread a thousandfold."""
    image = LAYERS.Input((8, 8, 3), name="image")
    x = LAYERS.Conv2D(4, 1, use_bias=False, name="begin")(image)
    x = start = LAYERS.BatchNormalization(name="begin_BN")(x)
    x = LAYERS.Conv2D(8, 1, use_bias=False, name="expand")(x)
    x = LAYERS.BatchNormalization(name="expand_BN")(x)
    x = LAYERS.ReLU(6.0, name="expand_relu")(x)
    x = LAYERS.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise")(x)
    x = LAYERS.BatchNormalization(name="depthwise_BN")(x)
    x = LAYERS.ReLU(6.0, name="depthwise_relu")(x)
    x = LAYERS.Conv2D(4, 1, use_bias=False, name="project")(x)
    x = LAYERS.BatchNormalization(name="project_BN")(x)
    x = LAYERS.Add(name="add")([start, x])
    x = LAYERS.GlobalAveragePooling2D(name="pool")(x)
    network = keras.Model(image, LAYERS.Dense(2, name="top")(x), name="net")
    random = np.random.default_rng(0)
    for name in ("begin_BN", "expand_BN", "depthwise_BN", "project_BN"):
        norm = network.get_layer(name)
        norm.gamma.assign(10.0 ** random.uniform(-2, 0, norm.gamma.shape))
        norm.beta.assign(norm.gamma * random.uniform(1, 2, norm.gamma.shape))
    return network


def test_answers_stay_and_ranges_meet() -> None:
    network = inverted_residual()
    batch = np.random.default_rng(1).normal(size=(32, 8, 8, 3)).astype(np.float32)
    copy = equalized(network, [batch])
    np.testing.assert_allclose(copy(batch), network(batch), rtol=1e-4, atol=1e-6)

    def spread(model: Any, layer: str) -> float:
        inner = keras.Model(model.input, model.get_layer(layer).output)(batch).numpy()
        reach = np.abs(inner).max(axis=(0, 1, 2))
        return float(reach.max() / reach.min())

    for layer in ("add", "expand_relu", "depthwise_relu"):
        assert spread(copy, layer) < 0.7 * spread(network, layer)


def test_a_norm_without_a_gain_is_named() -> None:
    x = LAYERS.Input((1,), name="x")
    hidden = LAYERS.Dense(2, use_bias=False, name="first")(x)
    hidden = LAYERS.BatchNormalization(scale=False, name="norm")(hidden)
    network = keras.Model(x, LAYERS.Dense(1, name="second")(hidden), name="net")
    with pytest.raises(InputError, match="norm: cannot be changed"):
        equalized(network, [np.ones((4, 1), np.float32)])
