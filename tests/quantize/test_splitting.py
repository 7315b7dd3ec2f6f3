"""Splitting of channels into two, against arithmetic by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from tiny_networks import answers, float_file

from edgekit.errors import InputError
from edgekit.quantize.float_graph import FloatGraph
from edgekit.quantize.network import open_network
from edgekit.quantize.post_training import prepare
from edgekit.quantize.quantizer import quantize
from edgekit.quantize.ranges import fake_quantize
from edgekit.quantize.splitting import split
from edgekit.quantize.techniques import PostTraining
from edgekit.quantize.transformation import transform
from edgekit.quantize.weight_steps import largest_steps
from edgekit.signature import TensorSpec

LAYERS = keras.layers
STEP = 6 / 255
PICTURES = np.random.default_rng(0).uniform(1, 5, (30, 4, 4, 2)).astype(np.float32)


def two_layers(kernel: Any, second: Any, bias: Any = 0.0) -> Any:
    """Return x -> relu6(x A + b) B, pointwise."""
    image = LAYERS.Input((4, 4, len(kernel)), name="image")
    x = LAYERS.Conv2D(kernel.shape[1], 1, activation=tf.nn.relu6, name="first")(image)
    network = keras.Model(image, LAYERS.Conv2D(second.shape[1], 1, name="second")(x))
    for name, weights, added in (("first", kernel, bias), ("second", second, 0.0)):
        full = np.broadcast_to(added, weights.shape[1])
        network.get_layer(name).set_weights([weights[None, None], full])
    return network


def made_twice(network: Any, room: int = 1, pictures: Any = PICTURES) -> tuple[FloatGraph, Any]:
    graph = FloatGraph(float_file(network))
    free = dict.fromkeys(graph.activations(), room)
    examples = {graph.inputs[0]: pictures[:, np.newaxis]}
    found = split(graph, examples, free, lambda *_: (0.0, 6.0), largest_steps)
    return graph, found


def test_the_channel_that_matters_is_made_twice_half_a_step_apart() -> None:
    # The answer is 127 of one channel and one of the other; steps of the weights are 1.
    network = two_layers(np.eye(2), np.array([[1.0], [127.0]]))
    graph, found = made_twice(network)
    first, second = graph.ops
    assert [list(channels) for channels in found.values()] == [[1]]
    assert graph.weights(first)[:, 0, 0].tolist() == [[1, 0], [0, 1], [0, 1]]
    assert graph.bias(first) == pytest.approx([0, 0, STEP / 2])
    # 127 steps are 63 and 64 of them, so that both lie on the grid; half a step is taken back.
    assert graph.weights(second).reshape(-1).tolist() == [1, 63, 64]
    assert graph.bias(second) == pytest.approx([-64 * STEP / 2], rel=1e-5)
    assert answers(graph.pack(), PICTURES) == pytest.approx(network(PICTURES).numpy(), rel=1e-5)


def test_both_together_round_to_half_the_step() -> None:
    graph, _ = made_twice(two_layers(np.eye(2), np.array([[0.0], [2.0]])))
    first, _ = graph.ops
    bias = graph.bias(first)
    values = np.linspace(1, 5, 1001).astype(np.float32)
    once, twice = (fake_quantize(values + bias[c], (0.0, 6.0)) - bias[c] for c in (1, 2))
    assert np.abs(once - values).max() == pytest.approx(STEP / 2, rel=0.02)
    assert np.abs((once + twice) / 2 - values).max() == pytest.approx(STEP / 4, rel=0.02)


def test_a_filter_in_between_has_its_copies_too() -> None:
    image = LAYERS.Input((6, 6, 2), name="image")
    x = LAYERS.Conv2D(4, 1, activation=tf.nn.relu6, name="expand")(image)
    x = LAYERS.DepthwiseConv2D(3, activation=tf.nn.relu6, name="filter")(x)  # sees no border
    network = keras.Model(image, LAYERS.Conv2D(3, 1, name="project")(x))
    rng = np.random.default_rng(1)
    network.get_layer("expand").set_weights([rng.uniform(0.2, 0.5, (1, 1, 2, 4)), np.zeros(4)])
    network.get_layer("filter").set_weights([rng.uniform(0.05, 0.1, (3, 3, 4, 1)), np.zeros(4)])
    pictures = rng.uniform(1, 5, (30, 6, 6, 2)).astype(np.float32)
    graph, found = made_twice(network, room=2, pictures=pictures)
    assert len(found) == 2
    assert {len(channels) for channels in found.values()} == {2}
    expand, depthwise, _ = graph.ops
    assert graph.shape(expand.outputs[0])[-1] == graph.weights(depthwise).shape[-1] == 6
    assert answers(graph.pack(), pictures) == pytest.approx(network(pictures).numpy(), abs=1e-4)


def test_a_channel_that_is_cut_off_gains_nothing() -> None:
    # x - 10 never passes the ReLU6: half a step of a copy would only be an error.
    network = two_layers(np.eye(2), np.array([[1.0], [1.0]]), bias=np.array([-10.0, -10.0]))
    assert made_twice(network)[1] == {}


def test_copies_take_the_room_of_what_was_pruned() -> None:
    rng = np.random.default_rng(2)
    kernel = rng.uniform(0.2, 0.5, (2, 16))
    kernel[:, :8] = 0
    network = two_layers(kernel, rng.normal(size=(16, 3)))
    content, image = float_file(network), TensorSpec("image", (1, 4, 4, 2), "float32")
    names = ("prune", "split", "steps")
    errors = {}
    for techniques in (names[:1], names):
        options = PostTraining(techniques)
        examples = [{"image": one[np.newaxis]} for one in PICTURES]
        changed = transform(open_network(content, (image,), examples), options)
        ready = prepare(changed, options)
        count = len(FloatGraph(ready.content).bias(FloatGraph(ready.content).ops[0]))
        got = answers(quantize(ready.content, "float32", steps=ready.steps), PICTURES)
        errors[count] = np.abs(got - network(PICTURES).numpy()).mean()
        copied = [list(channels) for channels in changed.changes.copies.values()]
    assert list(errors) == [8, 16]
    assert copied == [list(range(8))]
    assert errors[16] < errors[8]


def test_without_pruning_there_is_no_room() -> None:
    with pytest.raises(InputError, match=r"split: no room for copies.*add prune"):
        PostTraining(("split", "bias"))
