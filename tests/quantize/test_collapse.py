"""Two linear ops made one, against arithmetic by hand and what 8-bit files answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tf_keras as keras
from tiny_networks import answers, float_file

from edgekit.quantize.graph.float_graph import FloatGraph
from edgekit.quantize.graph.observation import observe
from edgekit.quantize.ptq.collapse import collapse, errors, linear_pairs
from edgekit.quantize.ptq.network import open_network
from edgekit.quantize.ptq.post_training import prepare
from edgekit.quantize.ptq.techniques import PostTraining
from edgekit.quantize.ptq.transformation import transform
from edgekit.quantize.quantizer import quantize
from edgekit.signature import TensorSpec

LAYERS = keras.layers
PICTURES = np.random.default_rng(0).normal(size=(30, 6, 6, 3)).astype(np.float32)
ROUND = PostTraining(("collapse", "round"))


def network(*layers: Any) -> Any:
    """Return pictures -> the layers, with biases that are not zero."""
    image = x = LAYERS.Input((6, 6, 3), name="image")
    for layer in layers:
        x = layer(x)
    made = keras.Model(image, x)
    rng = np.random.default_rng(1)
    made.set_weights([rng.normal(size=weights.shape) for weights in made.get_weights()])
    return made


def collapsed(made: Any, pictures: Any = PICTURES) -> FloatGraph:
    graph = FloatGraph(float_file(made))
    examples = {graph.inputs[0]: pictures[:, np.newaxis]}
    return collapse(graph, observe(graph, examples), examples, ROUND)


def test_the_product_of_both() -> None:
    # (x A + a) B + b = x (A B) + (a B + b), of numbers that can be multiplied in the head.
    made = network(LAYERS.Conv2D(2, 1, name="first"), LAYERS.Conv2D(1, 1, name="second"))
    made.get_layer("first").set_weights(
        [np.array([[1, 0], [2, 1], [0, 3.0]]).reshape(1, 1, 3, 2), np.array([1, -1.0])]
    )
    made.get_layer("second").set_weights([np.array([4, 5.0]).reshape(1, 1, 2, 1), np.array([7.0])])
    graph = collapsed(made)
    (op,) = graph.ops
    assert graph.weights(op).ravel().tolist() == [4, 13, 15]
    assert graph.bias(op).tolist() == [4 - 5 + 7]
    assert graph.layer(op) == "second"


@pytest.mark.parametrize("strides", [1, 2])
def test_a_wider_first_keeps_its_window_and_the_second_its_activation(strides: int) -> None:
    made = network(
        LAYERS.Conv2D(4, 3, strides=strides, padding="same"),
        LAYERS.Conv2D(2, 1, activation="relu6"),
    )
    graph = collapsed(made)
    (op,) = graph.ops
    assert (op.activation, op.strides, op.padding) == ("relu6", (strides, strides), "SAME")
    assert answers(graph.pack(), PICTURES) == pytest.approx(made(PICTURES).numpy(), abs=1e-4)


def test_dense_layers_become_one_and_three_do() -> None:
    made = network(LAYERS.Flatten(), *(LAYERS.Dense(n, name=f"d{n}") for n in (40, 30, 5)))
    graph = collapsed(made)
    assert [op.kind for op in graph.ops if op.linear] == ["FULLY_CONNECTED"]
    assert answers(graph.pack(), PICTURES) == pytest.approx(made(PICTURES).numpy(), rel=1e-4)


@pytest.mark.parametrize("layers", [
    (LAYERS.Conv2D(2, 1, activation="relu"), LAYERS.Conv2D(2, 1)),  # something bends in between
    (LAYERS.Conv2D(2, 1), LAYERS.Conv2D(2, 3, padding="same")),  # beyond the border is no bias
    (LAYERS.Conv2D(2, 1), LAYERS.Conv2D(2, 1, strides=2)),
    (LAYERS.Conv2D(2, 1), LAYERS.DepthwiseConv2D(1)),
    (LAYERS.Conv2D(2, 1), LAYERS.Flatten(), LAYERS.Dense(3)),
    (LAYERS.DepthwiseConv2D(1), LAYERS.Conv2D(3, 1)),
])  # fmt: skip
def test_what_is_no_pair(layers: Any) -> None:
    assert not [*linear_pairs(FloatGraph(float_file(network(*layers))))]


def test_what_something_else_reads_stays() -> None:
    image = LAYERS.Input((6, 6, 3), name="image")
    x = LAYERS.Conv2D(3, 1, name="first")(image)
    y = LAYERS.Conv2D(3, 1, name="second")(x)
    for outputs in ([x, y], LAYERS.Concatenate()([x, y])):
        assert not [*linear_pairs(FloatGraph(float_file(keras.Model(image, outputs))))]


def test_a_bottleneck_that_saves_work_stays() -> None:
    # 3 to 1 to 9 channels are 12 products a place, and 27 as one: the rest of the network has
    # 9 W more, of which a sixteenth must hold the 15.
    def madds_before(width: int) -> Any:
        return network(
            LAYERS.Conv2D(1, 1, name="first"), LAYERS.Conv2D(9, 1, activation="relu"),
            LAYERS.Conv2D(width, 1, name="rest"),
        )  # fmt: skip

    assert len(collapsed(madds_before(25)).ops) == 3  # (12 + 225) / 16 = 14.8
    assert len(collapsed(madds_before(26)).ops) == 2  # (12 + 234) / 16 = 15.4


def test_the_error_of_both_ways_by_hand() -> None:
    # Inputs of variance 1 and 4, independent; weights rounded to whole numbers, the tensor in
    # between to steps of 6, whose error has variance 3.
    first, second, energy = np.array([[1.4, 1.0]]), np.array([[2.0]]), np.diag([1.0, 4])[np.newaxis]
    apart, whole = errors(first, second, energy, 6.0, lambda rows, _energy: np.rint(rows))
    answer = 2.8**2 + 4 * 2**2
    # The first's 1.4 becomes 1: 2 x .4 is lost of the first input; then 2^2 times 3.
    assert apart == pytest.approx([((2 * 0.4) ** 2 + 4 * 3) / answer])
    assert whole == pytest.approx([0.2**2 / answer])  # 2.8 and 2 become 3 and 2


@pytest.mark.parametrize(("reach", "left"), [(127, 2), (127 / 4, 1)])
def test_a_product_that_rounds_worse_is_left_apart(reach: float, left: int) -> None:
    # 127 (127 x) + y, x in -1 to 1: in between 127 x and y are rounded to steps of 1 as long as y
    # reaches no further, which costs 127^2 / 12. As one op of weights 127^2 and 1, in steps of 127,
    # it loses y, whose variance is reach^2 / 3.
    pictures = np.random.default_rng(2).uniform(-1, 1, (30, 6, 6, 3)).astype(np.float32)
    pictures[0, 0, 0], pictures[0, 0, 1] = 1, -1
    made = network(LAYERS.Conv2D(2, 1, name="first"), LAYERS.Conv2D(1, 1, name="second"))
    kernel = np.array([[127, 0], [0, 1], [0, 0.0]]).reshape(1, 1, 3, 2)
    made.get_layer("first").set_weights([kernel, np.zeros(2)])
    made.get_layer("second").set_weights([np.array([127, 1.0]).reshape(1, 1, 2, 1), np.zeros(1)])
    graph = FloatGraph(float_file(made))
    examples = {graph.inputs[0]: (pictures * [1, reach, 1])[:, np.newaxis].astype(np.float32)}
    options = PostTraining(("collapse",))
    assert len(collapse(graph, observe(graph, examples), examples, options).ops) == left


def test_eight_bits_err_less() -> None:
    """A tensor of channels of wide and narrow ranges, whose narrow ones the answer hangs on."""
    made = network(LAYERS.Conv2D(8, 1, name="first"), LAYERS.Conv2D(8, 1, name="second"))
    ranges = 10.0 ** np.linspace(0, 3, 8)
    kernel, bias = made.get_layer("first").get_weights()
    made.get_layer("first").set_weights([kernel * ranges, bias * ranges])
    kernel, bias = made.get_layer("second").get_weights()
    made.get_layer("second").set_weights([kernel / ranges[:, np.newaxis], bias])
    content, image = float_file(made), TensorSpec("image", (1, 6, 6, 3), "float32")
    expected, noise = made(PICTURES).numpy(), {}
    for techniques in ((), ("collapse",)):
        options = PostTraining(techniques)
        examples = [{"image": one[np.newaxis]} for one in PICTURES]
        ready = prepare(transform(open_network(content, (image,), examples), options), options)
        got = answers(quantize(ready.content, "float32"), PICTURES)
        noise[techniques] = float(np.square(got - expected).mean())
    assert noise["collapse",] < noise[()] / 10
