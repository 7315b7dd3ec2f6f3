"""Pruning of constant channels, against arithmetic by hand and what int8 files answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from tiny_networks import answers, float_file

from edgekit.quantize.graph.float_graph import FloatGraph
from edgekit.quantize.graph.observation import observe
from edgekit.quantize.ptq.network import open_network
from edgekit.quantize.ptq.post_training import prepare
from edgekit.quantize.ptq.pruning import prune
from edgekit.quantize.ptq.techniques import PostTraining
from edgekit.quantize.ptq.transformation import transform
from edgekit.quantize.quantizer import quantize
from edgekit.signature import TensorSpec

LAYERS = keras.layers
PICTURES = np.random.default_rng(0).uniform(0, 1, (30, 6, 6, 2)).astype(np.float32)


def inverted_residual(dead: Any, moves: float = 1e-5, dense: bool = False) -> Any:
    """Expand 2 to 24 channels, filter, project; the filters of `dead` hold `moves` at most."""
    rng = np.random.default_rng(1)
    image = LAYERS.Input((6, 6, 2), name="image")
    x = LAYERS.Conv2D(24, 1, activation=tf.nn.relu6, name="expand")(image)
    x = LAYERS.DepthwiseConv2D(3, padding="same", activation=tf.nn.relu6, name="filter")(x)
    if dense:
        x = LAYERS.GlobalAveragePooling2D(name="pool")(x)
        x = LAYERS.Dense(3, name="project")(x)
    else:
        x = LAYERS.Conv2D(3, 1, name="project")(x)
    network = keras.Model(image, x)
    network.get_layer("expand").set_weights([rng.uniform(3, 6, (1, 1, 2, 24)), np.full(24, 0.5)])
    kernel, bias = rng.uniform(0.02, 0.2, (3, 3, 24, 1)), rng.uniform(-0.5, 0.5, 24)
    kernel[:, :, dead], bias[dead] = moves, 1.25
    network.get_layer("filter").set_weights([kernel, bias])
    project = network.get_layer("project")
    project.set_weights([rng.normal(size=project.kernel.shape), np.zeros(3)])
    return network


def pruned(network: Any) -> tuple[FloatGraph, dict[str, Any]]:
    graph = FloatGraph(float_file(network))
    seen = observe(graph, {graph.inputs[0]: PICTURES[:, np.newaxis]})
    found = prune(graph, seen)
    return graph, {graph.name(tensor).split("/")[1]: values for tensor, values in found.items()}


@pytest.mark.parametrize("dense", [False, True])
def test_a_constant_goes_into_the_bias(dense: bool) -> None:
    dead = np.arange(8, 16)
    network = inverted_residual(dead, dense=dense)
    graph, constants = pruned(network)
    expand, depthwise, *_, project = (op for op in graph.ops if op.linear)
    assert [graph.weights(op).shape[-1] for op in (depthwise, project)] == [16, 16]
    assert len(graph.weights(expand)) == 16
    assert set(constants) == {"expand", "filter"} | ({"pool"} if dense else set())
    assert np.flatnonzero(~np.isnan(constants["filter"])).tolist() == dead.tolist()
    # relu6(1.25 + 9 values of the expansion, each up to 6, times 1e-5)
    assert constants["filter"][dead] == pytest.approx(1.25, abs=6e-4)
    kernel = network.get_layer("project").get_weights()[0].reshape(24, 3)
    assert graph.bias(project) == pytest.approx(1.25 * kernel[dead].sum(axis=0), abs=2e-3)
    expected = network(PICTURES).numpy()
    assert answers(graph.pack(), PICTURES) == pytest.approx(expected, abs=2e-3)


def test_what_moves_by_half_a_step_stays() -> None:
    # Inputs of the filter lie in 0 to 6 at most, so that 9 taps of `moves` move by 54 of them; a
    # step of what it answers, which reaches the six of its ReLU6, is 6 / 255.
    dead = np.arange(8)
    for share, left in ((0.4, 16), (0.6, 24)):
        graph, _ = pruned(inverted_residual(dead, moves=share * 6 / 255 / 54))
        _, depthwise, _ = graph.ops
        assert graph.weights(depthwise).shape[-1] == left


def test_channels_stay_a_multiple_of_eight() -> None:
    for constant, gone in ((11, 8), (24, 16), (8, 8)):
        (found,) = (c for name, c in pruned(inverted_residual(np.arange(constant)))[1].items()
                    if name == "filter")  # fmt: skip
        assert (~np.isnan(found)).sum() == gone
    assert pruned(inverted_residual(np.arange(7)))[1] == {}


def test_a_wider_reader_that_sees_a_border_keeps_what_is_not_zero() -> None:
    image = LAYERS.Input((6, 6, 2), name="image")
    x = LAYERS.Conv2D(16, 1, activation="relu", name="first")(image)
    network = keras.Model(image, LAYERS.Conv2D(3, 3, padding="same", name="second")(x))
    kernel = np.ones((1, 1, 2, 16))
    kernel[..., :8] = 0
    bias = np.ones(16)
    network.get_layer("first").set_weights([kernel, bias])
    assert pruned(network)[1] == {}
    bias[:8] = 0
    network.get_layer("first").set_weights([kernel, bias])
    graph, constants = pruned(network)
    assert np.flatnonzero(~np.isnan(constants["first"])).tolist() == list(range(8))
    assert answers(graph.pack(), PICTURES) == pytest.approx(network(PICTURES).numpy(), abs=1e-4)


def test_what_an_addition_joins_is_left_alone() -> None:
    image = LAYERS.Input((6, 6, 2), name="image")
    x = y = LAYERS.Conv2D(16, 1, name="first")(image)
    y = LAYERS.Conv2D(16, 1, name="second")(y)
    network = keras.Model(image, LAYERS.Conv2D(3, 1, name="third")(LAYERS.Add()([x, y])))
    for name in ("first", "second"):
        kernel, bias = network.get_layer(name).get_weights()
        kernel[..., :8] = 0
        network.get_layer(name).set_weights([kernel, bias])
    assert pruned(network)[1] == {}


def test_eight_bits_answer_within_a_step_of_the_whole_network() -> None:
    content = float_file(inverted_residual(np.arange(8, 16)))
    image = TensorSpec("image", (1, 6, 6, 2), "float32")
    found = {}
    for techniques in ((), ("prune",)):
        options = PostTraining(techniques)
        examples = [{"image": one[np.newaxis]} for one in PICTURES]
        ready = prepare(transform(open_network(content, (image,), examples), options), options)
        found[techniques] = quantize(ready.content, "float32")
    whole, less = (answers(file, PICTURES) for file in found.values())
    step = np.ptp(answers(content, PICTURES)) / 255
    assert np.abs(whole - less).max() < 2.1 * step  # one, and one of the input's rounding
    assert len(found[("prune",)]) < len(found[()])


def test_a_chain_behind_another_is_pruned_too() -> None:
    image = LAYERS.Input((6, 6, 2), name="image")
    x = image
    for name in ("first", "second", "third"):
        x = LAYERS.Conv2D(16, 1, activation="relu", name=name)(x)
    network = keras.Model(image, x)
    for name in ("first", "second"):
        kernel, bias = network.get_layer(name).get_weights()
        kernel, bias = np.abs(kernel), bias + 0.5
        kernel[..., :8] = 0
        network.get_layer(name).set_weights([kernel, bias])
    graph, constants = pruned(network)
    assert [graph.weights(op).shape[::3] for op in graph.ops] == [(8, 2), (8, 8), (16, 8)]
    assert constants["second"][:8] == pytest.approx(0.5)
    assert answers(graph.pack(), PICTURES) == pytest.approx(network(PICTURES).numpy(), abs=1e-4)
