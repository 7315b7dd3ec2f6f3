"""What quantization-aware training begins with, against roundings by hand and the network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tf_keras as keras

from edgekit.errors import InputError
from edgekit.families.recovered import recovered

LAYERS = keras.layers


def test_two_weights_of_one_signal_are_rounded_together() -> None:
    # The step is 1.27 / 127. To nearest both small weights lose 0.004; one goes up instead.
    x = LAYERS.Input((2,), name="x")
    hidden = LAYERS.Dense(3, name="first")(x)
    network = keras.Model(x, LAYERS.Dense(1, name="second")(hidden), name="net")
    network.get_layer("first").set_weights([np.array([[1.0, 0, 0], [0, 1, 1]]), np.zeros(3)])
    second = [np.array([[1.27], [0.304], [0.304]]), np.array([0.5])]
    network.get_layer("second").set_weights(second)
    batch = np.random.default_rng(0).uniform(-1, 1, (100, 2)).astype(np.float32)
    copy, ranges = recovered(network, [batch])
    # The last answers what was seen, inputs in -1 to 1 added up; a hidden one may be cut off.
    answers = network(batch).numpy()
    assert ranges["second"] == pytest.approx((answers.min(), answers.max()), rel=1e-5)
    assert set(ranges) >= {"first", "second"}
    kernel, bias = copy.get_layer("second").get_weights()
    assert sorted(kernel[:, 0]) == pytest.approx([0.30, 0.31, 1.27], abs=1e-6)
    assert bias == pytest.approx(0.5, abs=0.01)
    assert network.get_layer("second").get_weights()[0] == pytest.approx(second[0])


def folded(network: Any, name: str) -> Any:
    """Return a layer's weights with the gain of its norm in them, output channels last."""
    norm = network.get_layer(f"{name}_BN")
    gain = norm.gamma.numpy() / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
    kernel = network.get_layer(name).get_weights()[0]
    return kernel.reshape(-1, len(gain)) * gain


def test_norms_stay_and_weights_lie_on_grids() -> None:
    keras.utils.set_random_seed(0)
    image = LAYERS.Input((8, 8, 3), name="image")
    x = LAYERS.Conv2D(8, 3, use_bias=False, name="conv")(image)
    x = LAYERS.ReLU(6.0)(LAYERS.BatchNormalization(name="conv_BN")(x))
    x = LAYERS.DepthwiseConv2D(3, use_bias=True, name="depthwise")(x)
    x = LAYERS.ReLU(6.0)(LAYERS.BatchNormalization(name="depthwise_BN")(x))
    network = keras.Model(image, LAYERS.Dense(4, name="top")(LAYERS.Flatten()(x)), name="net")
    random = np.random.default_rng(0)
    for name in ("conv_BN", "depthwise_BN"):
        norm = network.get_layer(name)
        for weight in norm.weights:
            weight.assign(random.uniform(0.5, 2, weight.shape))
    batch = random.normal(size=(64, 8, 8, 3)).astype(np.float32)
    copy, _ = recovered(network, [batch])
    for name in ("conv", "depthwise"):
        weights = folded(copy, name)
        steps = np.abs(weights).max(axis=0) / 127
        # The largest weight may have been rounded to 126 steps.
        raw = np.stack([weights / (steps * 127 / levels) for levels in (126, 127)])
        assert (np.abs(raw - np.rint(raw)).max(axis=1) < 0.01).any(axis=0).all()
        assert weights == pytest.approx(folded(network, name), abs=0.1)
    expected, got = network(batch).numpy(), copy(batch).numpy()
    noise = np.square(got - expected).sum() / np.square(expected).sum()
    assert 10 * np.log10(1 / noise) > 30


def test_a_layer_that_cannot_add_is_named() -> None:
    x = LAYERS.Input((2,), name="x")
    network = keras.Model(x, LAYERS.Dense(2, use_bias=False, name="plain")(x), name="net")
    with pytest.raises(InputError, match="plain: weights cannot be recovered"):
        recovered(network, [np.ones((8, 2), np.float32)])
