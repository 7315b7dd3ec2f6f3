"""Files name what they hold as Keras 3 does, and a layer's answers go by the same names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras")

import keras
import tensorflow as tf

from edgekit.export import tflite
from edgekit.export.activations import layer_activations
from edgekit.export.tracing.lowering import lower
from edgekit.parity.layers import compare_layers
from edgekit.quantize.graph.float_graph import FloatGraph
from edgekit.quantize.mixed import matching
from edgekit.quantize.scheme import parse_scheme


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """Layers whose names others bear with a number behind, a nested network, and a plain sum."""
    layers = keras.layers
    nested = keras.Sequential(
        [keras.Input((8, 8, 4)), layers.Conv2D(4, 3, name="conv2d"), layers.Dropout(0.5)],
        name="base",
    )
    x = picture = keras.Input((10, 10, 2), name="picture")
    x = layers.Conv2D(4, 3, name="conv2d")(x)
    x = layers.Conv2D(4, 3, padding="same", name="conv2d_1", activation="tanh")(x) + x
    x = layers.ReLU(name="relu")(x)
    x = nested(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(picture, layers.Dense(3, name="my head")(x), name="net")


@pytest.fixture(scope="module")
def content(model: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return tflite.convert(lower(model, tmp_path_factory.mktemp("net")), parse_scheme("f32"))


def test_an_op_bears_the_name_of_its_layer(content: bytes) -> None:
    graph = FloatGraph(content)
    found = {graph.layer(op) for op in graph.ops}
    assert found == {"conv2d", "conv2d_1", "relu", "base/conv2d", "pool", "my head"}


def test_kept_layers_are_those_that_are_named(content: bytes) -> None:
    graph = FloatGraph(content)
    weights = {name: graph.shape(op.inputs[1]) for op in graph.ops for name in [graph.layer(op)]
               if op.kind in ("CONV_2D", "FULLY_CONNECTED")}  # fmt: skip
    assert weights["conv2d"] == (4, 3, 3, 2)
    assert weights["conv2d_1"] == (4, 3, 3, 4)

    def kept(*patterns: str) -> set[str]:
        fits = matching(graph, patterns)
        return {graph.layer(op) for op in graph.ops if op.outputs[0] in fits}

    assert kept("conv2d_1") == {"conv2d_1"}
    assert kept("my head") == {"my head"}
    assert kept("base/*") == {"base/conv2d"}
    assert kept("conv2d") == {"conv2d", "base/conv2d"}  # a path's end is a name too


def test_the_model_is_left_as_it_was(model: keras.Model, content: bytes) -> None:
    layers = [*model._flatten_layers(), *model.operations]
    assert not any("_open_name_scope" in vars(layer) for layer in layers)
    assert not any("call" in vars(layer) for layer in layers)


def test_every_layer_answers_by_its_path(model: keras.Model) -> None:
    x = np.random.default_rng(0).normal(size=(3, 10, 10, 2)).astype(np.float32)
    found = layer_activations(model, {"picture": x}, ["scores"])
    (added,) = (op.name for op in model.operations if not isinstance(op, keras.Layer))
    assert list(found.values) == [
        "conv2d", "conv2d_1", added, "relu", "base/conv2d", "pool", "my head",
    ]  # fmt: skip
    assert found.outputs == {"scores": "my head"}
    inner = keras.Model(model.input, model.get_layer("relu").output)
    np.testing.assert_allclose(found.values["relu"], inner(x), atol=1e-6)
    expected = model.get_layer("base")(found.values["relu"])
    np.testing.assert_allclose(found.values["base/conv2d"], expected, atol=1e-5)
    np.testing.assert_allclose(found.values["my head"], model(x), atol=1e-5)
    assert found.followers[added] == ("relu",)


def test_every_call_of_a_shared_layer_is_compared(tmp_path: Path) -> None:
    layers = keras.layers
    fed = keras.Input((8,), name="x")
    shared = keras.Sequential([keras.Input((8,)), layers.Dense(6, activation="relu", name="dense")],
                              name="encoder")  # fmt: skip
    both = layers.Concatenate(name="both")([shared(fed), shared(2 * fed + 1)])
    model = keras.Model(fed, layers.Dense(2, name="y")(both), name="net")
    x = np.random.default_rng(0).normal(size=(1, 8)).astype(np.float32)
    found = layer_activations(model, {"x": x}, ["y"])
    assert {"encoder/dense", "encoder/dense (call 2)"} < set(found.values)
    np.testing.assert_allclose(found.values["encoder/dense (call 2)"], shared(2 * x + 1), atol=1e-5)
    content = tflite.convert(lower(model, tmp_path / "net"), parse_scheme("f32"))
    rows = {
        row.layer: row.verdict for row in compare_layers(found, tensors_of(content, x), 100, 60)
    }
    assert rows["encoder/dense"] == rows["encoder/dense (call 2)"] == rows["both"] == "ok"


def tensors_of(content: bytes, given: np.ndarray) -> dict[str, np.ndarray]:
    """Return what a file's tensors hold after an inference, by name; the output as `answer`."""
    runner = tf.lite.Interpreter(model_content=content, experimental_preserve_all_tensors=True)
    runner.allocate_tensors()
    runner.set_tensor(runner.get_input_details()[0]["index"], given)
    runner.invoke()
    (last,) = runner.get_output_details()
    return {
        "answer" if detail["index"] == last["index"] else detail["name"]:
            runner.get_tensor(detail["index"])
        for detail in runner.get_tensor_details() if len(detail["shape"]) == given.ndim
    }  # fmt: skip


def test_scopes_of_this_and_of_other_tracers() -> None:
    """TensorFlow's converter calls what conv2d answers conv2d_1."""
    layers = keras.layers
    x = picture = keras.Input((10, 10, 2), name="picture")
    x = layers.Conv2D(4, 3, name="conv2d")(x)
    model = keras.Model(picture, layers.Conv2D(4, 3, name="conv2d_1")(x), name="net")
    rng = np.random.default_rng(0)
    given = rng.normal(size=(1, 10, 10, 2)).astype(np.float32)
    found = layer_activations(model, {"picture": given}, ["answer"])
    own, other = found.scopes
    assert own == {"conv2d": "conv2d", "conv2d_1": "conv2d_1"}
    assert other["conv2d_1"] == "conv2d"
    converted = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    tensors = tensors_of(converted, given)
    for file in (tensors, {f"net/{name}/convolution": found.values[name] for name in own}):
        rows = compare_layers(found, file, 100, 60)
        assert [(row.layer, row.verdict) for row in rows] == [("conv2d", "ok"), ("conv2d_1", "ok")]
