"""What is done to a float network before 8 bits: each technique against arithmetic by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from ai_edge_litert.interpreter import Interpreter
from tiny_networks import answers, float_file

from edgekit.errors import InputError
from edgekit.quantize.graph.float_graph import FloatGraph, FloatOp
from edgekit.quantize.graph.linear import channel_means, patches
from edgekit.quantize.graph.observation import observe
from edgekit.quantize.graph.tflite_file import pack, unpack
from edgekit.quantize.ptq.equalization import equalize
from edgekit.quantize.ptq.network import open_network
from edgekit.quantize.ptq.post_training import Prepared, prepare
from edgekit.quantize.ptq.ranges import fake_quantize, grid, least_error, percentile
from edgekit.quantize.ptq.rounding import error_energy, factor, nearest_plane, round_together
from edgekit.quantize.ptq.techniques import PostTraining, parse_techniques
from edgekit.quantize.ptq.transformation import transform
from edgekit.quantize.ptq.weight_steps import least_error_steps
from edgekit.quantize.quantizer import quantize
from edgekit.signature import TensorSpec


def two_layers(kernel: Any, second: Any) -> Any:
    """Return x -> relu(x A) B as a network of pointwise convolutions over 4x4 pictures."""
    image = keras.layers.Input((4, 4, len(kernel)), name="image")
    x = keras.layers.Conv2D(kernel.shape[1], 1, activation="relu", name="first")(image)
    x = keras.layers.Conv2D(second.shape[1], 1, name="second")(x)
    network = keras.Model(image, x)
    for name, weights in (("first", kernel), ("second", second)):
        network.get_layer(name).set_weights([weights[None, None], np.zeros(weights.shape[1])])
    return network


def spec(*shape: int) -> TensorSpec:
    return TensorSpec("image", (1, *shape), "float32")


def ready(content: bytes, image: TensorSpec, inputs: Any, options: PostTraining) -> Prepared:
    """Return a float file made ready on inputs `[N, ...]`."""
    examples = [{image.name: value[np.newaxis]} for value in inputs]
    return prepare(transform(open_network(content, (image,), examples), options), options)


def test_the_grid_of_a_range() -> None:
    assert grid((0.0, 25.5)) == (pytest.approx(0.1), -128)
    assert grid((-12.8, 12.7)) == (pytest.approx(0.1), 0)
    assert grid((1.0, 25.5)) == (pytest.approx(0.1), -128)  # zero is always held


def test_fake_quantization_rounds_and_clips() -> None:
    values = np.array([0.0, 0.14, 0.16, 30.0, -1.0], np.float32)
    assert fake_quantize(values, (0.0, 25.5)) == pytest.approx([0, 0.1, 0.2, 25.5, 0], abs=1e-6)


def test_estimators_leave_an_outlier_out() -> None:
    values = np.linspace(-1, 1, 100_001).astype(np.float32)
    values[0] = 50
    assert percentile(values)[1] < 1.01
    assert 15 <= least_error(values)[1] < 50  # the search goes down to 0.3 of the observed


def test_weights_are_rounded_together() -> None:
    # The scale is 1.27 / 127 = 0.01 and the two small weights see the same input: to nearest both
    # lose 0.004, together 0.008; with one of them up the error is 0.002.
    weights, steps = np.array([[1.27, 0.304, 0.304]]), np.array([0.01])
    energy = np.array([[[1.0, 0, 0], [0, 1, 0.999], [0, 0.999, 1]]])
    rounded = round_together(weights, energy, steps)[0][0]
    assert sorted(rounded) == pytest.approx([0.30, 0.31, 1.27])
    apart = round_together(weights, np.eye(3)[np.newaxis], steps)[0][0]
    assert apart == pytest.approx([1.27, 0.30, 0.30])


def test_an_error_is_made_up_for_by_the_weights_behind_it() -> None:
    # 0.4 of the first weight is lost; half of it, H_21 / H_22, goes to the second: 0.4 + 0.2 is 1.
    # The error (0.4, -0.6) costs 0.16 + 0.36 - 0.24, that of rounding to nearest 0.32 + 0.16.
    energy = np.array([[[1.0, 0.5], [0.5, 1.0]]])
    weights = np.array([[0.4, 0.4]])
    made = nearest_plane(weights, factor(energy), np.array([1.0]))
    assert made.tolist() == [[0.0, 1.0]]
    assert error_energy(made - weights, energy) == pytest.approx(0.28)
    assert error_energy(-weights, energy) == pytest.approx(0.48)


def test_another_step_is_a_better_draw_for_few_weights() -> None:
    # A third is no whole number of steps of 1 / 127, but 42 of 1 / 126.
    weights, energy = np.array([[1.0, 1 / 3]]), np.eye(2)[np.newaxis]
    usual = np.array([1 / 127])
    made, steps = round_together(weights, energy, usual)
    assert (steps, made[0, 1]) == (usual, pytest.approx(42 / 127))
    made, steps = round_together(weights, energy, usual, search=True)
    assert made == pytest.approx(weights, abs=1e-12)
    assert weights[0] / steps[0] == pytest.approx(np.rint(weights[0] / steps[0]))


def test_rounding_together_never_does_worse_than_to_nearest() -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(16, 24))
    inputs = rng.normal(size=(500, 24)) @ rng.normal(size=(24, 24))
    energy = inputs.T @ inputs / len(inputs)
    scale = np.abs(weights).max(axis=1, keepdims=True) / 127
    nearest = np.rint(weights / scale) * scale - weights
    together = round_together(weights, energy[np.newaxis], scale[:, 0])[0] - weights

    def loss(error: Any) -> Any:
        return np.einsum("ok,kl,ol->o", error, energy, error)

    assert loss(together).sum() < 0.5 * loss(nearest).sum()
    # Every weight lies on its channel's grid.
    raw = (together + weights) / scale
    assert raw == pytest.approx(np.rint(raw))
    assert np.abs(raw).max() < 127.5


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2)])
def test_patches_are_what_tensorflow_convolves(padding: str, stride: int, dilation: int) -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, 8, 7, 3)).astype(np.float32)
    kernel = rng.normal(size=(5, 3, 3, 3)).astype(np.float32)
    op = FloatOp("CONV_2D", (), (), "none", (stride, stride), (dilation, dilation), padding)
    expected = tf.nn.conv2d(images, kernel.transpose(1, 2, 3, 0), stride, padding,
                            dilations=dilation)  # fmt: skip
    got = patches(op, kernel, images).reshape(-1, 27) @ kernel.reshape(5, -1).T
    assert got == pytest.approx(expected.numpy().reshape(-1, 5), abs=1e-4)


def test_a_mean_answer_is_the_answer_to_the_mean() -> None:
    image = keras.layers.Input((6, 6, 4), name="image")
    network = keras.Model(
        image, keras.layers.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False)(image)
    )
    graph = FloatGraph(float_file(network))
    inputs = np.random.default_rng(0).normal(size=(10, 1, 6, 6, 4)).astype(np.float32)
    (op,) = (op for op in graph.ops if op.linear)
    expected = network(inputs[:, 0]).numpy().mean(axis=(0, 1, 2))
    assert channel_means(graph, op, inputs) == pytest.approx(expected, abs=1e-6)


def test_equalization_keeps_the_answers_and_brings_channels_to_one_range() -> None:
    first = np.array([[1.0, 0.001], [1.0, 0.002]])
    second = np.array([[1.0], [1000.0]])
    content = float_file(two_layers(first, second))
    graph = FloatGraph(content)
    inputs = np.random.default_rng(0).uniform(0, 1, (20, 4, 4, 2)).astype(np.float32)
    fed = {graph.inputs[0]: inputs[:, np.newaxis]}
    hidden = graph.ops[0].outputs[0]
    # Both channels reach as far as the wider one, whose factor is 1; the other's is 1 / its share.
    reach = (inputs @ first).max(axis=(0, 1, 2))
    (changed,) = equalize(graph, observe(graph, fed)).items()
    assert changed[0] == hidden
    assert changed[1] == pytest.approx(reach.max() / reach, rel=1e-4)
    assert answers(graph.pack(), inputs) == pytest.approx(answers(content, inputs), rel=1e-5)
    seen = observe(graph, fed)
    assert seen[hidden].high.max() / seen[hidden].high.min() < 1.01


def test_weights_on_a_grid_are_not_equalized_off_it() -> None:
    # The second layer's weights are whole steps of 0.01 and lose nothing as they are. As much as
    # the ranges differ, any factor but 1 would round every one of them. Where the weights are
    # large that read the small channels, equalization spares them as well.
    rng = np.random.default_rng(0)
    reach = np.geomspace(1, 8, 16)
    raw = rng.integers(-127, 128, (16, 8))
    raw[0] = 127
    inputs = rng.uniform(0, 1, (20, 4, 4, 1)).astype(np.float32)

    def factors(second: Any) -> Any:
        graph = FloatGraph(float_file(two_layers(reach[np.newaxis], second)))
        observed = observe(graph, {graph.inputs[0]: inputs[:, np.newaxis]})
        return equalize(graph, observed, find_steps=least_error_steps)

    assert factors(raw * 0.01) == {}
    (changed,) = factors(raw / reach[:, np.newaxis]).values()
    assert changed == pytest.approx(8 / reach, rel=1e-3)


def test_equalization_recovers_what_one_scale_a_tensor_loses() -> None:
    """Weights spread 1000 times over the channels, as in MobileNetV2 trained by PyTorch."""
    rng = np.random.default_rng(0)
    spread = 10 ** rng.uniform(-1.5, 1.5, 32)
    first, second = rng.normal(size=(8, 32)) * spread, rng.normal(size=(32, 6)) / spread[:, None]
    content = float_file(two_layers(first, second))
    inputs = rng.uniform(0, 1, (40, 4, 4, 8)).astype(np.float32)
    expected = answers(content, inputs)

    def sqnr(techniques: tuple[str, ...]) -> float:
        made = ready(content, spec(4, 4, 8), inputs[:20], PostTraining(techniques))
        # prepare rounds weights for a scale a channel; one scale a tensor then loses the rest.
        found = answers(quantize(made.content, per_channel=False), inputs)
        return float(10 * np.log10((expected**2).sum() / ((found - expected) ** 2).sum()))

    assert sqnr(("bias",)) < 15
    assert sqnr(("equalize", "bias")) > 25


def test_bias_correction_takes_the_mean_error_back() -> None:
    # All small inputs of a wide range round down: the mean answer shifts unless it is corrected.
    rng = np.random.default_rng(0)
    inputs = rng.uniform(0, 1.9, (50, 4, 4, 2)).astype(np.float32) ** 6
    network = two_layers(rng.uniform(0.5, 1, (2, 16)), rng.uniform(0.5, 1, (16, 4)))
    content = float_file(network)
    expected = answers(content, inputs)

    def shift(techniques: tuple[str, ...]) -> Any:
        made = ready(content, spec(4, 4, 2), inputs, PostTraining(techniques, "mse"))
        found = answers(quantize(made.content, "float32"), inputs)
        return np.abs((found - expected).mean(axis=(0, 1, 2))).max()

    assert shift(("bias",)) < 0.5 * shift(("equalize",))


def test_a_variance_that_is_rounded_to_zero_leaves_weights_numbers() -> None:
    """LiteRT's float kernel answers no number to rsqrt(0), the integer one its largest."""
    image = keras.layers.Input((4, 4, 2), name="image")
    size = keras.layers.Conv2D(2, 1, use_bias=False, name="size")(image)
    x = size * tf.math.rsqrt(tf.nn.relu(size) + 1e-6)
    network = keras.Model(image, keras.layers.Conv2D(3, 1, name="last")(x))
    rng = np.random.default_rng(0)
    inputs = rng.uniform(0, 1, (60, 4, 4, 2)).astype(np.float32) ** 8  # most of it below a step
    made = ready(float_file(network), spec(4, 4, 2), inputs, PostTraining(("round", "bias")))
    graph = FloatGraph(made.content)
    stored = [graph.weights(op) for op in graph.ops if op.kind == "CONV_2D"]
    assert all(np.isfinite(weights).all() for weights in stored)
    assert len(stored) == 2
    assert np.isfinite(answers(quantize(made.content, "float32"), inputs)).all()


def test_rounded_values_that_are_no_numbers_are_an_error() -> None:
    """0 / 0, where a step is wider than what is divided."""
    image = keras.layers.Input((4, 4, 2), name="image")
    x = keras.layers.Conv2D(2, 1, name="first")(image)
    network = keras.Model(image, keras.layers.Conv2D(2, 1, name="last")(x / x))
    inputs = np.linspace(1e-4, 1, 60 * 32, dtype=np.float32).reshape(60, 4, 4, 2) ** 4
    with pytest.raises(InputError, match="DIV of rounded values, which is no number"):
        ready(float_file(network), spec(4, 4, 2), inputs, PostTraining(("bias",)))


def test_unknown_techniques_are_refused() -> None:
    assert parse_techniques("none") == ()
    assert parse_techniques("equalize,bias") == ("equalize", "bias")
    with pytest.raises(InputError, match="no such technique"):
        PostTraining(parse_techniques("magic"))
    with pytest.raises(InputError, match="--ranges"):
        PostTraining((), "widest")


def test_no_examples_are_an_error() -> None:
    content = float_file(two_layers(np.ones((2, 2)), np.ones((2, 1))))
    with pytest.raises(InputError, match="no calibration examples"):
        open_network(content, (spec(4, 4, 2),), [])


def picture(mean: float = 127.5) -> TensorSpec:
    return TensorSpec("image", (1, 4, 4, 1), "float32", layout="NHWC", mean=(mean,), std=(127.5,))


def test_aligned_pixels_pass_unrounded() -> None:
    # x -> 2 x + b: pixel p is (p - 127.5) / 127.5 before and (p - 128) / 127.5 after, and the bias
    # grows by 2 * 0.5 / 127.5. In int8 the input then is p - 128 exactly.
    network = two_layers(np.array([[2.0]]), np.array([[1.0]]))
    network.get_layer("first").activation = keras.activations.linear
    content = float_file(network)
    pixels = np.arange(256).reshape(16, 4, 4, 1)
    source = ((pixels - 127.5) / 127.5).astype(np.float32)
    made = ready(content, picture(), source, PostTraining(("align",)))
    (taken,) = made.inputs
    assert (taken.mean, taken.std) == ((128.0,), (127.5,))
    graph = FloatGraph(made.content)
    assert graph.bias(graph.ops[0])[0] == pytest.approx(2 * 0.5 / 127.5, rel=1e-3)
    runner = Interpreter(model_content=quantize(made.content))
    scale, zero = runner.get_input_details()[0]["quantization"]
    aligned = taken.renormalize(source, (127.5,), (127.5,))
    raw = aligned / scale + zero
    np.testing.assert_allclose(raw, pixels - 128, atol=1e-3)


def test_alignment_leaves_alone_what_has_no_one_grid() -> None:
    several = TensorSpec("image", (1, 4, 4, 2), "float32", None, None, "NHWC", (1.0, 2.0), (3.0,))
    content = float_file(two_layers(np.ones((2, 2)), np.ones((2, 1))))
    inputs = np.random.default_rng(0).uniform(0, 1, (4, 4, 4, 2)).astype(np.float32)
    assert ready(content, several, inputs, PostTraining(("align",))).inputs == (several,)


def test_a_computed_bias_is_left_alone() -> None:
    """A fully connected op whose bias is the network's second input."""
    image = keras.layers.Input((3,), name="image")
    content = float_file(keras.Model(image, keras.layers.Dense(2, bias_initializer="ones")(image)))
    model = unpack(content)
    (graph,) = model.subgraphs
    (op,) = graph.operators
    assert len(op.inputs) == 3
    graph.tensors[op.inputs[2]].buffer = 0
    graph.inputs = [*graph.inputs, op.inputs[2]]
    model.signatureDefs = None
    edited = FloatGraph(pack(model))
    assert not edited.changeable(edited.ops[0])
    with pytest.raises(InputError, match="bias: got computed"):
        edited.bias(edited.ops[0])
