"""Lowered networks against the models that they come from: names, order, values."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras as keras3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from export import networks

from edgekit.errors import InputError
from edgekit.export.tracing.lowering import lower, lower_function, name_outputs
from edgekit.quantize.qat import quantize_aware

both = pytest.mark.parametrize("keras", [tf_keras, keras3], ids=["keras2", "keras3"])

# input names in the order of the flattened inputs, and output names in that of the outputs
CASES: list[tuple[Callable[[Any], Any], list[str], list[str]]] = [
    (networks.two_inputs, ["left", "right"], ["zed", "alpha"]),
    (networks.dict_outputs, ["x"], ["aa", "zz"]),
    (networks.dict_inputs, ["ain", "zin"], ["y"]),
    (networks.nested_outputs, ["x"], ["one", "two"]),
    (networks.name_of_input_as_output, ["same"], ["same_output"]),
    (networks.names_that_are_no_identifiers, ["image_in_put", "class_"], ["y"]),
    (networks.embedding, ["ids"], ["y"]),
    (networks.sequential, ["image"], ["dense"]),
]


@both
@pytest.mark.parametrize(("make", "inputs", "outputs"), CASES)
def test_names_and_answers_are_the_models_own(
    tmp_path: Path,
    keras: Any,
    make: Callable[[Any], Any],
    inputs: list[str],
    outputs: list[str],
) -> None:
    model = make(keras)
    lowered = lower(model, tmp_path / "lowered")
    assert [spec.name for spec in lowered.signature.inputs] == inputs
    assert name_outputs(model) == outputs
    values = networks.example(model)
    answers = lowered(dict(zip(inputs, values, strict=True)))
    named = {tensor.name.split(":")[0]: v for tensor, v in zip(model.inputs, values, strict=True)}
    whole = named if make is networks.dict_inputs else values
    own = tf.nest.flatten(model(whole if len(values) > 1 else values[0], training=False))
    for name, expected in zip(outputs, own, strict=True):
        np.testing.assert_allclose(answers[name], expected, rtol=1e-5, atol=1e-6)
    # the saved function, which the converters read, says the same
    saved = tf.saved_model.load(str(lowered.folder)).signatures["serving_default"]
    again = saved(**{name: tf.constant(v) for name, v in zip(inputs, values, strict=True)})
    for name, expected in answers.items():
        np.testing.assert_allclose(again[name], expected, rtol=1e-6)


def test_another_name_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "edgekit"):
        lower(networks.names_that_are_no_identifiers(tf_keras), tmp_path / "lowered")
    assert "input 'image in-put' is called image_in_put in the files" in caplog.text


def test_two_outputs_of_one_layer(tmp_path: Path) -> None:
    """Keras 2 numbers the second itself; Keras 3 gives both the layer's name."""
    assert name_outputs(networks.shared_layer(tf_keras)) == ["shared", "shared_1"]
    assert name_outputs(networks.shared_layer(keras3)) == ["output_0", "output_1"]


def test_learned_network_keeps_the_order_of_the_outputs(tmp_path: Path) -> None:
    model = networks.two_inputs(tf_keras)
    learned = quantize_aware(model)
    lowered = lower(learned, tmp_path / "qat", output_names=name_outputs(model))
    values = networks.example(model)
    answers = lowered(dict(zip(("left", "right"), values, strict=True)))
    zed, alpha = learned(values, training=False)
    assert not np.allclose(zed, alpha)
    np.testing.assert_allclose(answers["zed"], zed, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(answers["alpha"], alpha, rtol=1e-5, atol=1e-6)


@both
def test_open_shapes_need_a_shape(tmp_path: Path, keras: Any) -> None:
    image = keras.Input((None, None, 3), name="image")
    model = keras.Model(image, keras.layers.Conv2D(2, 3)(image))
    with pytest.raises(InputError, match=r"input image: open shape.*--shape image=1,224,224,3"):
        lower(model, tmp_path / "a")
    with pytest.raises(InputError, match=r"does not fit: got \[1, 8, 8, 1\]"):
        lower(model, tmp_path / "b", {"image": (1, 8, 8, 1)})
    with pytest.raises(InputError, match="shape for picture: no such input: expected one of image"):
        lower(model, tmp_path / "c", {"picture": (1, 8, 8, 3)})
    lowered = lower(model, tmp_path / "d", {"image": (1, 8, 6, 3)})
    assert lowered.signature.outputs[0].shape == (1, 6, 4, 2)


@both
def test_subclassed_models_are_refused(tmp_path: Path, keras: Any) -> None:
    class Own(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(2)

        def call(self, x: Any) -> Any:
            return self.dense(x)

    model = Own()
    model(np.zeros((1, 3), np.float32))
    with pytest.raises(InputError, match="a subclassed model: expected a functional"):
        lower(model, tmp_path / "lowered")


def test_saved_model_of_open_batch_is_fixed(tmp_path: Path) -> None:
    class Twice(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = tf.Variable([2.0, 3.0])

        @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32, name="x")])
        def __call__(self, x: Any) -> dict[str, Any]:
            return {"x": x * self.factor, "y": x + self.factor}

    module = Twice()
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=module.__call__)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    lowered = lower_function(loaded.signatures["serving_default"], tmp_path / "lowered")
    assert lowered.signature.inputs[0].shape == (1, 2)
    answers = lowered({"x": np.array([[1.0, 10.0]], np.float32)})
    assert {name: v.tolist() for name, v in answers.items()} == {
        "x_output": [[2, 30]],
        "y": [[3, 13]],
    }


def test_names_that_tensorflow_would_change_are_changed_before(tmp_path: Path) -> None:
    names = ["2nd", "_hidden", "кадр", "plain"]
    inputs = [keras3.layers.Input((2,), name=name) for name in names]
    model = keras3.Model(inputs, keras3.layers.Concatenate(name="joined")(inputs))
    network = lower(model, tmp_path / "lowered")
    called = [spec.name for spec in network.signature.inputs]
    assert called == ["input_2nd", "input_hidden", "input_", "plain"]
    given = {name: np.full((1, 2), k, np.float32) for k, name in enumerate(called)}
    assert network(given)["joined"].tolist() == [[0, 0, 1, 1, 2, 2, 3, 3]]


def test_two_names_that_become_one_are_refused(tmp_path: Path) -> None:
    inputs = [keras3.layers.Input((2,), name=name) for name in ("кадр", "шум")]
    model = keras3.Model(inputs, keras3.layers.Concatenate()(inputs))
    with pytest.raises(InputError, match="cannot tell apart: got кадр, шум"):
        lower(model, tmp_path / "lowered")


def test_a_batch_is_one_or_free(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    x = keras3.Input(batch_shape=(4, 6), name="x")
    model = keras3.Model(x, keras3.layers.Dense(2, name="y")(x))
    with caplog.at_level("WARNING", "edgekit"):
        lowered = lower(model, tmp_path / "one")
    assert lowered.signature.inputs[0].shape == (1, 6)
    assert "input x: declared for batches of 4, files take 1" in caplog.text
    with pytest.raises(InputError, match="shape for x: a batch: got 4, expected 1, or -1 to"):
        lower(model, tmp_path / "four", {"x": (4, 6)})
