"""Additions of one step, against arithmetic by hand and in the file that is made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tf_keras as keras
from ai_edge_litert.interpreter import Interpreter
from tiny_networks import float_file

from edgekit.quantize.graph.float_graph import FloatGraph
from edgekit.quantize.ptq.clipping import clip
from edgekit.quantize.ptq.joining import Noise, join
from edgekit.quantize.ptq.network import open_network
from edgekit.quantize.ptq.post_training import prepare
from edgekit.quantize.ptq.techniques import PostTraining
from edgekit.quantize.ptq.transformation import transform
from edgekit.quantize.quantizer import quantize
from edgekit.signature import TensorSpec

LAYERS = keras.layers
RNG = np.random.default_rng(0)
BOTH = RNG.uniform(0.01, 0.5, (32, 8, 8, 2)).astype(np.float32)  # either reaches half of the sum
ONE = RNG.uniform(0.01, 1, (32, 8, 8, 2)).astype(np.float32) * (1, 0.9)
ONE[:, ::2, :, 0] = ONE[:, 1::2, :, 1] = 0  # where one is, the other is not


def of_two_channels(kind: Any = LAYERS.Add) -> Any:
    """Return (a, b) -> a + b by a layer for each, and one behind."""
    image = LAYERS.Input((8, 8, 2), name="image")
    left, right = (LAYERS.Conv2D(1, 1, name=name)(image) for name in ("left", "right"))
    network = keras.Model(image, LAYERS.Conv2D(1, 1, name="last")(kind()([left, right])))
    for name, kernel in (("left", (1.0, 0.0)), ("right", (0.0, 1.0)), ("last", (1.0,))):
        network.get_layer(name).set_weights([np.reshape(kernel, (1, 1, -1, 1)), np.zeros(1)])
    return network


def joined(network: Any, pictures: Any) -> tuple[dict[int, Any], dict[int, Any], list[int]]:
    """Return the ranges before and after, and the tensors of the addition, the sum last."""
    graph = FloatGraph(float_file(network))
    examples = {graph.inputs[0]: pictures.astype(np.float32)[:, np.newaxis]}
    before = clip(graph, examples)
    (adding,) = (op for op in graph.ops if op.kind in ("ADD", "SUB", "MUL"))
    return before, join(graph, examples, before), [*adding.inputs, *adding.outputs]


def width(range_: Any) -> float:
    return float(max(range_[1], 0) - min(range_[0], 0))


def test_steps_bring_noise_by_their_square_and_ends_by_what_they_cut() -> None:
    noise = Noise(width=2.0, rounded=8.0, cut=(3.0, 1.0, 0.0))  # at shares of .8, .9 and 1
    assert noise.at(2.0, exact=False) == 8
    assert noise.at(4.0, exact=False) == 32
    assert noise.at(1.8, exact=False) == pytest.approx(1 + 8 * 0.81)
    assert noise.at(1.7, exact=True) == pytest.approx(2)
    assert noise.at(1.5, exact=True) == np.inf


@pytest.mark.parametrize("kind", [LAYERS.Add, LAYERS.Subtract])
def test_what_is_of_one_size_gets_one_step(kind: Any) -> None:
    # By themselves 1/2 + .81/2 + 1 of the widest's noise (a zero is exact), joined 1/2 + 1/2.
    _, after, tensors = joined(of_two_channels(kind), ONE)
    widths = [width(after[tensor]) for tensor in tensors]
    assert widths == pytest.approx([widths[0]] * 3, rel=1e-6)


def test_small_summands_keep_their_finer_steps() -> None:
    # By themselves 1/4 + 1/4 + 1, joined 1 + 1.
    before, after, _ = joined(of_two_channels(), BOTH)
    assert after == before


def test_products_have_no_step_to_share() -> None:
    before, after, _ = joined(of_two_channels(LAYERS.Multiply), ONE)
    assert after == before


def test_what_never_moves_joins_nothing() -> None:
    network = of_two_channels()
    network.get_layer("right").set_weights([np.zeros((1, 1, 2, 1)), np.zeros(1)])
    before, after, _ = joined(network, ONE)
    assert after == before


def test_a_shortcut_past_a_pooling_has_the_steps_of_what_is_pooled() -> None:
    image = LAYERS.Input((8, 8, 2), name="image")
    x = LAYERS.MaxPooling2D(1)(LAYERS.Conv2D(2, 1, name="first")(image))
    x = LAYERS.Add()([x, LAYERS.Conv2D(2, 1, name="second")(x)])
    before, after, _ = joined(keras.Model(image, LAYERS.Conv2D(2, 1, name="third")(x)), ONE)
    assert after == before


def test_the_file_adds_without_rounding() -> None:
    options = PostTraining(("bias",), ranges="effect")
    pictures = ONE.astype(np.float32)
    examples = [{"image": one[np.newaxis]} for one in pictures]
    image = TensorSpec("image", (1, 8, 8, 2), "float32")
    network = open_network(float_file(of_two_channels()), (image,), examples)
    ready = prepare(transform(network, options), options)
    content = quantize(ready.content, "float32", steps=ready.steps)
    runner = Interpreter(model_content=content, experimental_preserve_all_tensors=True)
    runner.allocate_tensors()
    (adding,) = (op for op in runner._get_ops_details() if op["op_name"] == "ADD")
    details = {detail["index"]: detail for detail in runner.get_tensor_details()}
    places = [*adding["inputs"], *adding["outputs"]]
    steps = [details[place]["quantization"][0] for place in places]
    assert steps == pytest.approx([steps[0]] * 3, rel=1e-6)
    zeros = [details[place]["quantization"][1] for place in places]
    off = 0
    for picture in pictures:
        runner.set_tensor(runner.get_input_details()[0]["index"], picture[np.newaxis])
        runner.invoke()
        left, right, total = (runner.get_tensor(place).astype(int) for place in places)
        expected = left - zeros[0] + right - zeros[1] + zeros[2]
        off += int((np.clip(expected, -128, 127) != total).sum())
    assert off == 0
