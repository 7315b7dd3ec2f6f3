"""Shifting of channels around zero, against arithmetic by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tf_keras as keras
from tiny_networks import answers, float_file

from edgekit.quantize.graph.float_graph import FloatGraph
from edgekit.quantize.graph.observation import observe
from edgekit.quantize.ptq.network import open_network
from edgekit.quantize.ptq.post_training import prepare
from edgekit.quantize.ptq.shifting import shift
from edgekit.quantize.ptq.techniques import PostTraining
from edgekit.quantize.ptq.transformation import transform
from edgekit.quantize.quantizer import quantize
from edgekit.signature import TensorSpec

LAYERS = keras.layers
PICTURES = np.linspace(0, 10, 30 * 16).reshape(30, 4, 4, 1).astype(np.float32)


def pair(kernel: Any, second: Any, **options: Any) -> Any:
    """Return x -> (x A) B, pointwise; `options` are of the first layer."""
    image = LAYERS.Input((4, 4, 1), name="image")
    x = LAYERS.Conv2D(len(kernel), 1, name="first", **options)(image)
    network = keras.Model(image, LAYERS.Conv2D(1, 1, name="second")(x))
    network.get_layer("first").set_weights([np.reshape(kernel, (1, 1, 1, -1)), np.array([0, 1.0])])
    network.get_layer("second").set_weights([np.reshape(second, (1, 1, -1, 1)), np.zeros(1)])
    return network


def shifted(network: Any, pictures: Any = PICTURES) -> tuple[FloatGraph, dict[int, Any]]:
    graph = FloatGraph(float_file(network))
    found = shift(graph, observe(graph, {graph.inputs[0]: pictures[:, np.newaxis]}))
    assert answers(graph.pack(), pictures) == pytest.approx(network(pictures).numpy(), abs=1e-4)
    return graph, found


def test_a_channel_moves_to_its_middle_and_the_next_bias_takes_it_back() -> None:
    # Channels x and 1 - 3 x of x in 0 to 10: from 0 to 10 and from -29 to 1.
    graph, found = shifted(pair([1.0, -3.0], [2.0, 1.0]))
    first, second = graph.ops
    assert list(found) == [first.outputs[0]]
    assert found[first.outputs[0]] == pytest.approx([-5, 14])
    assert graph.bias(first) == pytest.approx([-5, 15])
    assert graph.bias(second) == pytest.approx([-(2 * -5 + 1 * 14)])


def test_what_is_constant_stays_where_it_is() -> None:
    # Channels around 0 and 1 that reach 1e-5 and 1 + 3e-5: no kernel bears steps of what is left.
    _graph, found = shifted(pair([1e-6, 3e-6], [2.0, 1.0]))
    assert [list(by) for by in found.values()] == [[0, 0]]


def test_an_addition_adds_shifts() -> None:
    # x and 1 - 3 x, joined to 1 - 2 x: centres at 5, -14 and -9, which two shifts meet at once.
    image = LAYERS.Input((4, 4, 1), name="image")
    parts = [LAYERS.Conv2D(1, 1, name=name)(image) for name in ("one", "two")]
    network = keras.Model(image, LAYERS.Conv2D(1, 1, name="last")(LAYERS.Add(name="add")(parts)))
    for name, slope, bias in (("one", 1, 0), ("two", -3, 1), ("last", 2, 0)):
        kernel = np.full((1, 1, 1, 1), slope, float)
        network.get_layer(name).set_weights([kernel, np.array([bias], float)])
    graph, found = shifted(network)
    by_kind = {graph.name(tensor).split("/")[1]: float(by[0]) for tensor, by in found.items()}
    assert by_kind == pytest.approx({"one": -5, "two": 14, "add": 9}, abs=1e-4)


def test_what_three_tensors_want_is_weighed_by_their_reach() -> None:
    # One shift moves x and the sum of x with itself, 0 to 10 and 0 to 20: by d and 2 d. They reach
    # 10 + d and 20 + 2 d above, -d and -2 d below; the wider decides, and -5 centres both.
    image = LAYERS.Input((4, 4, 1), name="image")
    x = LAYERS.Conv2D(1, 1, name="one")(image)
    network = keras.Model(image, LAYERS.Conv2D(1, 1, name="last")(LAYERS.Add()([x, x])))
    network.get_layer("one").set_weights([np.ones((1, 1, 1, 1)), np.zeros(1)])
    _graph, found = shifted(network)
    assert {float(np.round(by[0], 3)) for by in found.values()} == {-5, -10}


@pytest.mark.parametrize("activation", ["relu", "relu6"])
def test_nothing_is_moved_where_something_bends(activation: str) -> None:
    assert shifted(pair([1.0, -3.0], [2.0, 1.0], activation=activation))[1] == {}


def test_nothing_is_moved_where_padding_is_seen() -> None:
    image = LAYERS.Input((4, 4, 1), name="image")
    x = LAYERS.Conv2D(2, 1, name="first")(image)
    network = keras.Model(image, LAYERS.Conv2D(1, 3, padding="same")(x))
    assert shifted(network)[1] == {}


def test_half_the_span_is_half_the_error() -> None:
    # 0 to 10 and -10 to 0 take 20 together, each around zero 10.
    network = pair([1.0, -1.0], [1.0, 0.5])
    network.get_layer("first").bias.assign([0, 0])
    image = TensorSpec("image", (1, 4, 4, 1), "float32")
    errors, spans = [], []
    for techniques in ((), ("shift",)):
        options = PostTraining(techniques)
        examples = [{"image": one[np.newaxis]} for one in PICTURES]
        before = open_network(float_file(network), (image,), examples)
        ready = prepare(transform(before, options), options)
        first = FloatGraph(ready.content).ops[0].outputs[0]
        spans.append(np.ptp(ready.ranges[first]))
        # Between the steps of the input, whose rounding would hide that of the channels.
        inputs = np.rint(PICTURES / (10 / 255)) * np.float32(10 / 255)
        made = quantize(ready.content, "float32")
        errors.append(np.abs(answers(made, inputs) - network(inputs).numpy()).mean())
    assert spans == pytest.approx([20, 10])
    assert errors[1] < 0.8 * errors[0]
