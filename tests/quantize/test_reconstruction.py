"""Weights and biases for what is read in integers, against arithmetic by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tf_keras as keras
from tiny_networks import answers, float_file

from edgekit.quantize.graph.float_graph import FloatGraph
from edgekit.quantize.graph.linear import channel_means
from edgekit.quantize.ptq.network import open_network
from edgekit.quantize.ptq.post_training import prepare
from edgekit.quantize.ptq.reconstruction import Moments, measure
from edgekit.quantize.ptq.techniques import PostTraining
from edgekit.quantize.quantizer import quantize
from edgekit.signature import TensorSpec


def two_layers(first: Any, second: Any, activation: str = "relu6") -> bytes:
    """Return x -> activation(x A) B as pointwise convolutions over 4x4 pictures."""
    image = keras.layers.Input((4, 4, len(first)), name="image")
    x = keras.layers.Conv2D(first.shape[1], 1, activation=activation, name="first")(image)
    network = keras.Model(image, keras.layers.Conv2D(second.shape[1], 1, name="second")(x))
    for name, weights in (("first", first), ("second", second)):
        network.get_layer(name).set_weights([weights[None, None], np.zeros(weights.shape[1])])
    return float_file(network)


def pictures(values: Any, count: int) -> Any:
    """Return `count` pictures `[N, 1, 4, 4, 1]` whose places repeat the values."""
    return np.resize(np.asarray(values, np.float32), (count, 1, 4, 4, 1))


def test_what_is_half_noise_is_trusted_less() -> None:
    # x is 1 or -1 and read as x + 1/2 or x - 1/2: E[x'^2] = 1 + 1/4, E[x' x] = 1, so w' = w / 1.25.
    graph = FloatGraph(two_layers(np.ones((1, 1)), np.array([[3.0]])))
    (_, second) = graph.ops
    exact, rounded = pictures([1, 1, -1, -1], 500), pictures([1.5, 0.5, -0.5, -1.5], 500)
    seen = measure(graph, second, exact, rounded)
    assert seen.energy == pytest.approx(1.25, rel=1e-3)
    assert seen.reconstruct(np.array([[3.0]])) == pytest.approx(3 / 1.25, rel=1e-3)
    same = measure(graph, second, exact, exact)
    assert same.reconstruct(np.array([[3.0]])) == pytest.approx(3.0)


def test_a_second_channel_makes_up_for_noise_of_the_first() -> None:
    # Both channels hold the same x of variance 1; the first is read with noise of variance 1/4.
    # Of w1 x1 + w2 x2 = (w1 + w2) x the regression on (x + n, x) leaves the first channel out.
    exact = np.ones((1, 2, 2))
    energy = np.array([[[1.25, 1.0], [1.0, 1.0]]])
    moments = Moments(np.zeros((1, 2)), np.zeros((1, 2)), exact, energy, exact, np.array([10.0]))
    assert moments.reconstruct(np.array([[2.0, 5.0]])) == pytest.approx(np.array([[0.0, 7.0]]))
    # As they were the weights err by w1 n, 2^2 / 4 in the mean; the others not at all.
    before = np.array([[2.0, 5.0]])
    assert moments.expected_error(before, before) == pytest.approx(1.0)
    assert moments.expected_error(np.array([[0.0, 7.0]]), before) == pytest.approx(0.0)
    assert moments.unseen() == pytest.approx((10 + 2) / (10 - 2))
    assert replace(moments, positions=np.array([2.0])).unseen() == np.inf


def test_places_that_the_activation_cuts_off_hardly_count() -> None:
    # Of -3, -1, 1, 3 a ReLU lets two through; the others weigh a hundredth.
    graph = FloatGraph(two_layers(np.ones((1, 1)), np.ones((1, 1))))
    exact = pictures([-3, -1, 1, 3], 100)
    seen = measure(graph, graph.ops[0], exact, exact)
    assert seen.exact_mean == pytest.approx((1 + 3 - 0.01 * (1 + 3)) / 2.02)
    straight = measure(graph, graph.ops[1], exact, exact)
    assert straight.exact_mean == pytest.approx(0)
    # ReLU6 cuts off at the other end, too: 3 times 3 is beyond it.
    graph = FloatGraph(two_layers(np.array([[3.0]]), np.ones((1, 1))))
    capped = measure(graph, graph.ops[0], exact, exact)
    assert capped.exact_mean == pytest.approx((1 + 0.01 * (3 - 1 - 3)) / 1.03)


def test_the_bias_takes_a_mean_error_back() -> None:
    one = np.ones((1, 1, 1))
    moments = Moments(np.array([[2.0]]), np.array([[3.0]]), one, one, one, np.array([10.0]))
    assert moments.bias_shift(np.array([[5.0]]), np.array([[4.0]])) == 3 * 5 - 2 * 4


@pytest.mark.parametrize("multiplier", [1, 2])
def test_a_depthwise_channel_sees_its_own_input(multiplier: int) -> None:
    image = keras.layers.Input((5, 5, 3), name="image")
    depthwise = keras.layers.DepthwiseConv2D(3, depth_multiplier=multiplier, name="depthwise")
    graph = FloatGraph(float_file(keras.Model(image, depthwise(image))))
    inputs = np.random.default_rng(0).normal(size=(200, 1, 5, 5, 3)).astype(np.float32)
    inputs *= np.array([1.0, 2.0, 3.0], np.float32)
    seen = measure(graph, graph.ops[0], inputs, inputs)
    energy = np.diagonal(seen.energy, axis1=1, axis2=2).mean(axis=1)
    assert energy == pytest.approx(np.repeat([1.0, 4.0, 9.0], multiplier), rel=0.1)


def test_reconstruction_betters_a_file() -> None:
    """Sixteen channels of one signal, of which 8 bits leave little in those of a small range."""
    rng = np.random.default_rng(0)
    sizes = np.geomspace(0.03, 3, 16)
    first, second = np.outer([1.0, -0.5], sizes), rng.normal(size=(16, 4)) / sizes[:, np.newaxis]
    content = two_layers(first, second, "relu")
    inputs = rng.uniform(-1, 1, (60, 4, 4, 2)).astype(np.float32)
    expected = answers(content, inputs)

    def noise(*techniques: str) -> float:
        spec = TensorSpec("image", (1, 4, 4, 2), "float32")
        opened = open_network(content, (spec,), [{"image": one[None]} for one in inputs[:30]])
        ready = prepare(opened, PostTraining(techniques))
        made = answers(quantize(ready.content, "float32", steps=ready.steps), inputs)
        return float(np.square(made - expected)[30:].mean())

    assert noise("reconstruct", "round", "bias") < 0.5 * noise("round", "bias")


def test_each_group_of_a_convolution_is_a_convolution_of_its_own() -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(3, 3, 2, 6)).astype(np.float32)  # 3 groups of 2 inputs, 2 outputs
    image = keras.layers.Input((5, 5, 6), name="image")
    layer = keras.layers.Conv2D(6, 3, strides=2, padding="same", groups=3)
    network = keras.Model(image, layer(image))
    layer.set_weights([weights, np.zeros(6)])
    exact = rng.normal(size=(40, 1, 5, 5, 6)).astype(np.float32)
    rounded = exact + rng.normal(size=exact.shape).astype(np.float32) / 4
    graph = FloatGraph(float_file(network))
    (op,) = graph.ops
    answers = layer(exact[:, 0]).numpy().mean(axis=(0, 1, 2))
    assert channel_means(graph, op, exact) == pytest.approx(answers, abs=1e-5)
    whole = measure(graph, op, exact, rounded)
    for group in range(3):
        own = slice(2 * group, 2 * group + 2)
        image = keras.layers.Input((5, 5, 2), name="image")
        alone = keras.layers.Conv2D(2, 3, strides=2, padding="same")
        network = keras.Model(image, alone(image))
        alone.set_weights([weights[..., own], np.zeros(2)])
        graph = FloatGraph(float_file(network))
        one = measure(graph, graph.ops[0], exact[..., own], rounded[..., own])
        for name in ("exact_mean", "rounded_mean", "exact", "energy", "cross"):
            expected = np.broadcast_to(getattr(one, name), getattr(whole, name)[own].shape)
            assert getattr(whole, name)[own] == pytest.approx(expected, abs=1e-6), name
