"""Ranges by what the answers lose, and the rest of a graph as one file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from tiny_networks import float_file

from edgekit.quantize.graph.float_graph import FloatGraph
from edgekit.quantize.graph.replay import behind, run_op
from edgekit.quantize.ptq.clipping import clip, narrowed
from edgekit.quantize.ptq.network import open_network
from edgekit.quantize.ptq.post_training import prepare
from edgekit.quantize.ptq.techniques import PostTraining
from edgekit.quantize.ptq.transformation import transform
from edgekit.signature import TensorSpec

LAYERS = keras.layers
PICTURES = np.linspace(0, 1, 40 * 16).reshape(40, 4, 4, 1).astype(np.float32)


@pytest.mark.parametrize(
    ("costs", "best"),
    [
        ((4, 3, 2, 1, 1.5, 0, 0), 0.7),  # not beyond the first that is worse
        ((1, 1, 0, 0, 0, 0, 0), 1.0),
        ((7, 6, 5, 4, 3, 2, 1), 0.4),
    ],
)
def test_the_last_share_that_gains_is_taken(costs: Any, best: float) -> None:
    left = iter(costs)
    found = narrowed((-10.0, 20.0), lambda range_: next(left))
    assert found == pytest.approx((-10 * best, 20 * best))


def ten_times(activation: Any) -> Any:
    """Return x -> activation(10 x), by a linear layer and one that leaves its input as it is."""
    image = LAYERS.Input((4, 4, 1), name="image")
    x = LAYERS.Conv2D(1, 1, name="first")(image)
    x = LAYERS.Conv2D(1, 1, activation=activation, name="second")(x)
    x = LAYERS.Conv2D(1, 1, name="third")(x)
    network = keras.Model(image, x)
    for name, slope in (("first", 10.0), ("second", 1.0), ("third", 1.0)):
        network.get_layer(name).set_weights([np.full((1, 1, 1, 1), slope), np.zeros(1)])
    return network


def ranges_of(network: Any) -> dict[str, Any]:
    graph = FloatGraph(float_file(network))
    found = clip(graph, {graph.inputs[0]: PICTURES[:, np.newaxis]})
    return {graph.name(tensor).split("/")[1]: range_ for tensor, range_ in found.items()}


def test_peaks_that_are_cut_off_later_are_cut_off() -> None:
    # 0 to 10, of which the next layer's ReLU6 takes what is above 6: .6 of it loses nothing.
    found = ranges_of(ten_times(tf.nn.relu6))
    assert found["first"] == pytest.approx((0, 6))
    assert found["second"] == pytest.approx((0, 6))
    assert "third" not in found  # an output keeps what it was seen to reach


def test_what_the_answer_hangs_on_is_not_cut_off() -> None:
    assert ranges_of(ten_times(None))["first"] == pytest.approx((0, 10))


def test_prepared_files_hold_these_ranges() -> None:
    options = PostTraining(("bias",), ranges="effect")
    examples = [{"image": one[np.newaxis]} for one in PICTURES]
    image = TensorSpec("image", (1, 4, 4, 1), "float32")
    content = float_file(ten_times(tf.nn.relu6))
    ready = prepare(transform(open_network(content, (image,), examples), options), options)
    graph = FloatGraph(ready.content)
    ends = [ready.ranges[tensor] for tensor in graph.activations()]
    assert ends == [pytest.approx(range_, abs=1e-6) for range_ in ((0, 1), (0, 6), (0, 6), (0, 6))]


def test_the_ops_behind_any_other_answer_the_same() -> None:
    image = LAYERS.Input((4, 4, 3), name="image")
    x = LAYERS.Conv2D(3, 3, padding="same", activation="relu", name="first")(image)
    y = LAYERS.Add()([x, LAYERS.Conv2D(3, 1, name="second")(x)])
    network = keras.Model(image, [x, LAYERS.Dense(2, name="third")(LAYERS.Flatten()(y))])
    graph = FloatGraph(float_file(network))
    pictures = np.random.default_rng(0).normal(size=(5, 4, 4, 3)).astype(np.float32)
    values = {graph.inputs[0]: pictures[:, np.newaxis]}
    shapes = {answer.shape[1:]: answer.numpy() for answer in network(pictures)}
    for number in range(-1, len(graph.ops)):
        if number >= 0:
            values.update(run_op(graph, number, values))
        made = behind(graph, number)(values)
        assert set(made) == set(graph.outputs)
        for value in made.values():
            assert value[:, 0] == pytest.approx(shapes[value.shape[2:]], abs=1e-5)
