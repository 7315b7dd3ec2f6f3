"""Splitting of channels into two, against arithmetic by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from tiny_networks import answers, float_file

from edgekit.errors import InputError
from edgekit.quantize.graph.float_graph import FloatGraph
from edgekit.quantize.ptq import splitting
from edgekit.quantize.ptq.network import open_network
from edgekit.quantize.ptq.post_training import prepare
from edgekit.quantize.ptq.ranges import fake_quantize
from edgekit.quantize.ptq.splitting import split
from edgekit.quantize.ptq.techniques import PostTraining
from edgekit.quantize.ptq.transformation import transform
from edgekit.quantize.ptq.weight_steps import largest_steps
from edgekit.quantize.quantizer import quantize
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


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Channels are copied each by itself, and not eight at a time."""
    monkeypatch.setattr(splitting, "MULTIPLE", 1)


def made_twice(network: Any, madds: int, pictures: Any = PICTURES) -> tuple[FloatGraph, Any]:
    graph = FloatGraph(float_file(network))
    examples = {graph.inputs[0]: pictures[:, np.newaxis]}
    before = splitting.multiply_adds(graph)
    found = split(graph, examples, madds, lambda *_: (0.0, 6.0), largest_steps)
    assert splitting.multiply_adds(graph) <= before + madds
    return graph, found


ONE_MORE = 16 * (2 + 1)  # multiply-adds of a channel that reads two and is read by one, 16 places


@pytest.mark.usefixtures("one_by_one")
def test_the_channel_that_matters_is_made_twice_half_a_step_apart() -> None:
    # The answer is 127 of one channel and one of the other; steps of the weights are 1.
    network = two_layers(np.eye(2), np.array([[1.0], [127.0]]))
    assert made_twice(network, ONE_MORE - 1)[1] == {}
    graph, found = made_twice(network, ONE_MORE)
    first, second = graph.ops
    assert [list(channels) for channels in found.values()] == [[1]]
    assert graph.weights(first)[:, 0, 0].tolist() == [[1, 0], [0, 1], [0, 1]]
    assert graph.bias(first) == pytest.approx([0, -STEP / 4, STEP / 4])
    # 127 steps are 63 and 64 of them, so that both lie on the grid: a quarter of a step too much.
    assert graph.weights(second).reshape(-1).tolist() == [1, 63, 64]
    assert graph.bias(second) == pytest.approx([-STEP / 4], rel=1e-5)
    assert answers(graph.pack(), PICTURES) == pytest.approx(network(PICTURES).numpy(), rel=1e-5)
    # Where the activation cuts both off, it is but that quarter that is taken for nothing.
    assert answers(graph.pack(), -PICTURES) == pytest.approx(-STEP / 4, rel=1e-5)


@pytest.mark.usefixtures("one_by_one")
def test_both_together_round_to_half_the_step() -> None:
    graph, _ = made_twice(two_layers(np.eye(2), np.array([[0.0], [2.0]])), ONE_MORE)
    first, _ = graph.ops
    bias = graph.bias(first)
    values = np.linspace(-1, 7, 8001).astype(np.float32)
    cut = np.clip(values, 0, 6)
    one, other = (fake_quantize(np.clip(values + bias[c], 0, 6), (0.0, 6.0)) for c in (1, 2))
    assert np.abs(one - cut - bias[1]).max() == pytest.approx(STEP / 2, rel=0.05)
    error = np.abs((one + other) / 2 - cut)
    assert error.max() == pytest.approx(STEP / 4, rel=0.05)
    assert error[(values < -STEP) | (values > 6 + STEP)].max() == 0  # nothing where both are cut


@pytest.mark.usefixtures("one_by_one")
def test_a_filter_in_between_has_its_copies_too() -> None:
    image = LAYERS.Input((6, 6, 2), name="image")
    x = LAYERS.Conv2D(4, 1, activation=tf.nn.relu6, name="expand")(image)
    x = LAYERS.DepthwiseConv2D(3, activation=tf.nn.relu6, name="filter")(x)  # sees no border
    network = keras.Model(image, LAYERS.Conv2D(3, 1, name="project")(x))
    rng = np.random.default_rng(1)
    kernel, taps = rng.uniform(0.2, 0.4, (1, 1, 2, 4)), rng.uniform(0.05, 0.1, (3, 3, 4, 1))
    network.get_layer("expand").set_weights([kernel, np.full(4, 0.5)])
    network.get_layer("filter").set_weights([taps, np.full(4, 0.5)])
    pictures = rng.uniform(1, 5, (30, 6, 6, 2)).astype(np.float32)
    each = 36 * 2 + 16 * (9 + 3)
    graph, found = made_twice(network, 2 * each + each // 2, pictures)
    assert [len(channels) for channels in found.values()] == [2, 2]
    (chosen, _), (expand, depthwise, _) = found.values(), graph.ops
    assert graph.shape(expand.outputs[0])[-1] == graph.weights(depthwise).shape[-1] == 6
    assert graph.bias(expand)[4:] == pytest.approx(np.full(2, 0.5 + STEP / 4))
    assert graph.bias(expand)[chosen] == pytest.approx(np.full(2, 0.5 - STEP / 4))
    taken = STEP / 4 * taps[..., chosen, 0].sum(axis=(0, 1))
    assert graph.bias(depthwise)[4:] == pytest.approx(0.5 + STEP / 4 - taken)
    assert graph.bias(depthwise)[chosen] == pytest.approx(0.5 - STEP / 4 + taken)
    assert answers(graph.pack(), pictures) == pytest.approx(network(pictures).numpy(), abs=1e-4)


@pytest.mark.usefixtures("one_by_one")
def test_multiply_adds_go_where_they_take_the_most_noise() -> None:
    """3 for 100, or twice 2 for 60 each: which is most depends on what there is to spend."""
    blocks = [splitting.Block(None, np.array([n]), noise, madds)  # type: ignore[arg-type]
              for n, (noise, madds) in enumerate([(3.0, 100), (2.0, 60), (2.0, 60)])]  # fmt: skip
    for there_are, expected in ((50, []), (60, [1]), (119, [0]), (121, [1, 2]), (221, [0, 1, 2])):
        chosen = splitting.affordable(blocks, there_are)
        assert [int(b.channels[0]) for b in chosen] == expected


def test_a_channel_that_is_cut_off_gains_nothing() -> None:
    # x - 10 never passes the ReLU6: half a step of a copy would only be an error.
    network = two_layers(np.eye(2), np.array([[1.0], [1.0]]), bias=np.array([-10.0, -10.0]))
    assert made_twice(network, 10 * ONE_MORE)[1] == {}


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


def test_extra_multiply_adds_buy_copies_without_pruning() -> None:
    """16 channels of 2 + 3 multiply-adds: half as many more are 8 copies, a quarter are none."""
    rng = np.random.default_rng(2)
    network = two_layers(rng.uniform(0.2, 0.5, (2, 16)), rng.normal(size=(16, 3)))
    content, image = float_file(network), TensorSpec("image", (1, 4, 4, 2), "float32")
    found = {}
    for percent in (25.0, 50.0):
        options = PostTraining(("split",), extra_madds=percent)
        opened = open_network(content, (image,), [{"image": one[np.newaxis]} for one in PICTURES])
        graph = transform(opened, options).graph
        found[percent] = (len(graph.bias(graph.ops[0])), splitting.multiply_adds(graph))
    assert found == {25.0: (16, 16 * 16 * 5), 50.0: (24, 16 * 24 * 5)}


def test_without_pruning_there_is_no_room() -> None:
    with pytest.raises(InputError, match=r"split: no room for copies.*or --extra-madds.*add prune"):
        PostTraining(("split", "bias"))
    with pytest.raises(InputError, match=r"--extra-madds: nothing to spend them.*with split"):
        PostTraining(("prune", "bias"), extra_madds=10)
