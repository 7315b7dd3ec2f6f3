"""Steps of weights against grids that are known, and what stands in the integer file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tf_keras as keras
from ai_edge_litert.interpreter import Interpreter
from tiny_networks import answers, float_file

from edgekit.quantize.graph.float_graph import FloatGraph
from edgekit.quantize.ptq.network import open_network
from edgekit.quantize.ptq.post_training import prepare
from edgekit.quantize.ptq.techniques import PostTraining
from edgekit.quantize.ptq.weight_steps import largest_steps, least_error_steps, on_grid, put_weights
from edgekit.quantize.quantizer import quantize
from edgekit.signature import TensorSpec

PICTURES = np.random.default_rng(0).uniform(0, 1, (30, 6, 6, 3)).astype(np.float32)


def error(rows: Any, steps: Any) -> Any:
    return np.square(on_grid(rows, steps) * steps[:, None] - rows).sum(axis=1)


def test_another_grid_is_found() -> None:
    raw = np.random.default_rng(0).integers(-99, 100, (4, 50))
    raw[:, 0] = [99, 98, 97, 101]
    rows = raw * np.array([[0.01], [3.0], [0.5], [1e-6]])
    assert (error(rows, largest_steps(rows)) > 0.1 * rows[:, 0] ** 2 / 127**2).all()
    assert least_error_steps(rows) == pytest.approx([0.01, 3.0, 0.5, 1e-6])
    assert np.abs(on_grid(rows, least_error_steps(rows)) - raw).max() == 0


def test_an_outlier_is_cut_off_where_that_errs_less() -> None:
    rows = np.array([[1.0, *([0.4 / 127] * 200_000)]])
    # To 127 steps every small weight rounds to zero; 1 - 127 / k of the outlier is lost instead.
    steps = least_error_steps(rows)
    assert steps[0] < 1 / 127
    assert error(rows, steps)[0] < 0.9 * error(rows, largest_steps(rows))[0]


def test_zeros_have_a_step() -> None:
    assert least_error_steps(np.zeros((2, 3))) == pytest.approx([1 / 127, 1 / 127])


@pytest.fixture(scope="module")
def network() -> Any:
    """Return a convolution, a depthwise one and a dense layer, all with weights of their own."""
    keras.utils.set_random_seed(0)
    image = keras.layers.Input((6, 6, 3), name="image")
    x = keras.layers.Conv2D(8, 3, padding="same", activation="relu", name="conv")(image)
    x = keras.layers.DepthwiseConv2D(3, activation="relu", name="depthwise")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    made = keras.Model(image, keras.layers.Dense(5, name="dense")(x))
    for layer in ("conv", "depthwise", "dense"):
        kernel, bias = made.get_layer(layer).get_weights()
        made.get_layer(layer).set_weights([kernel, bias + 0.1])
    return made


@pytest.mark.parametrize("techniques", [("steps",), ("steps", "round", "bias")])
def test_the_file_holds_the_weights_that_were_prepared(
    network: Any, techniques: tuple[str, ...]
) -> None:
    image = TensorSpec("image", (1, 6, 6, 3), "float32")
    examples = [{"image": one[np.newaxis]} for one in PICTURES]
    opened = open_network(float_file(network), (image,), examples)
    ready = prepare(opened, PostTraining(techniques))
    content = quantize(ready.content, "float32", steps=ready.steps)
    prepared, runner = FloatGraph(ready.content), Interpreter(model_content=content)
    details = {d["name"]: d for d in runner.get_tensor_details()}
    by_index = {d["index"]: d for d in details.values()}
    ops = {FloatGraph(ready.content).name(op.outputs[0]): op for op in prepared.ops if op.linear}
    assert set(ready.steps) == set(ops)
    linear = [raw for raw in runner._get_ops_details() if len(raw["inputs"]) == 3]
    assert len(linear) == 3
    for raw, name in zip(linear, ops, strict=True):
        fed, weights, bias = (by_index[int(i)] for i in raw["inputs"])
        scales = weights["quantization_parameters"]["scales"]
        assert scales == pytest.approx(ready.steps[name], rel=1e-6)
        held = runner.get_tensor(weights["index"]).astype(np.float64)
        axis = 3 if ops[name].kind == "DEPTHWISE_CONV_2D" else 0
        shape = [-1 if i == axis else 1 for i in range(held.ndim)]
        expected = prepared.weights(ops[name])
        assert held * scales.reshape(shape) == pytest.approx(expected, abs=1e-6)
        bias_steps = fed["quantization"][0] * scales
        bias_held = runner.get_tensor(bias["index"]) * bias_steps
        assert np.abs(bias_held - prepared.bias(ops[name])).max() <= 0.51 * bias_steps.max()
    expected = network(PICTURES).numpy()
    assert np.abs(answers(content, PICTURES) - expected).max() < 0.05 * np.ptp(expected)


def test_a_bias_that_would_overflow_widens_its_step(network: Any) -> None:
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    kernel, bias = copy.get_layer("conv").get_weights()
    kernel[..., 0], bias[0] = 1e-12, 3.0
    copy.get_layer("conv").set_weights([kernel, bias])
    image = TensorSpec("image", (1, 6, 6, 3), "float32")
    examples = [{"image": one[np.newaxis]} for one in PICTURES]
    ready = prepare(open_network(float_file(copy), (image,), examples), PostTraining(("steps",)))
    content = quantize(ready.content, "float32", steps=ready.steps)
    expected = copy(PICTURES).numpy()
    assert np.abs(answers(content, PICTURES) - expected).max() < 0.05 * np.ptp(expected)


def test_other_ops_are_left_alone(network: Any) -> None:
    content = float_file(network)
    assert answers(put_weights(content, content, {}), PICTURES) == pytest.approx(
        network(PICTURES).numpy(), abs=1e-5
    )
