"""Biases that several ops have, and those of channels whose weights are next to nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from ai_edge_litert.interpreter import Interpreter
from tiny_networks import answers, in_16_bits

from edgekit.artifact import open_artifact
from edgekit.cli import run
from edgekit.errors import InputError
from edgekit.export.mending.biases import with_own_biases, with_whole_biases
from edgekit.parity.answers import answer
from edgekit.quantize.qat import quantize_aware
from edgekit.runtime import open_model

LAYERS = keras.layers
PICTURES = np.random.default_rng(0).uniform(-1, 1, (100, 8, 8, 2)).astype(np.float32)
OFFSETS = (0.0, 2.0, -1.5)  # of a channel that lives, one without weights and one with tiny ones


def network() -> Any:
    """Return pictures to three channels: the first the pictures' own, the others constant."""
    image = keras.Input((8, 8, 2), name="image")
    x = LAYERS.Conv2D(3, 1, use_bias=False, name="c")(image)
    x = LAYERS.BatchNormalization(name="b")(x)
    model = keras.Model(image, LAYERS.GlobalAveragePooling2D(name="g")(x))
    kernel = np.zeros((1, 1, 2, 3))
    kernel[0, 0, :, 0], kernel[0, 0, 0, 2] = 0.5, 1e-11
    model.get_layer("c").set_weights([kernel])
    model.get_layer("b").beta.assign(OFFSETS)
    return model


@pytest.fixture(scope="module")
def learned() -> Any:
    """The fake-quantized network, which has seen what its ranges are."""
    model = quantize_aware(network())
    (norm,) = (layer.layer for layer in model.layers if layer.name == "quant_b")
    usual = norm.call
    norm.call = lambda inputs, training=None: usual(inputs, training=False)
    for _ in range(3000):  # by a thousandth each
        model(PICTURES[:4], training=True)
    norm.call = usual
    return model


def biases(content: bytes) -> tuple[Any, Any]:
    """Return a file's biases, as integers and as what they stand for."""
    runner = Interpreter(model_content=content)
    (told,) = (t for t in runner.get_tensor_details() if t["dtype"] == np.int32
               and tuple(t["shape"]) == (3,))  # fmt: skip
    raw = runner.tensor(told["index"])().astype(np.int64)
    return raw, raw * told["quantization_parameters"]["scales"].astype(np.float64)


def converted(model: Any) -> bytes:
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return bytes(converter.convert())


def test_the_usual_converter_cuts_them_off_and_they_are_brought_in(learned: Any) -> None:
    usual = converted(learned)
    raw, real = biases(usual)
    assert abs(real[1] - 2) > 0.1  # else there is nothing to mend
    real_network = tf.lite.TFLiteConverter.from_keras_model(network()).convert
    mended = with_whole_biases(usual, lambda: bytes(real_network()))
    assert len(mended) < len(usual) + 200  # what they were is gone
    raw, real = biases(mended)
    gain = 1 / np.sqrt(1.001)  # of a batch norm whose variance is 1
    assert real == pytest.approx(OFFSETS, abs=0.01)
    assert np.abs(raw).max() < 2**31 - 1
    runner = Interpreter(model_content=mended)
    runner.allocate_tensors()
    runner.set_tensor(runner.get_input_details()[0]["index"], PICTURES[:1])
    runner.invoke()
    got = runner.get_tensor(runner.get_output_details()[0]["index"])[0]
    expected = (gain * PICTURES[0].sum(axis=-1).mean() / 2, *OFFSETS[1:])
    assert got == pytest.approx(expected, abs=0.05)


def test_a_file_without_them_stays_as_it_is() -> None:
    def never() -> bytes:
        raise AssertionError

    plain = tf.lite.TFLiteConverter.from_keras_model(network()).convert()
    assert with_whole_biases(bytes(plain), never) == bytes(plain)


def test_another_float_network_is_refused(learned: Any) -> None:
    other = keras.Sequential([keras.Input((8, 8, 2)), LAYERS.Conv2D(5, 1)])
    plain = bytes(tf.lite.TFLiteConverter.from_keras_model(other).convert())
    with pytest.raises(InputError, match="bias beyond 32 bits: got no such op in the float"):
        with_whole_biases(converted(learned), lambda: plain)


def test_files_of_both_formats_have_them(
    learned: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    learned.save("net.h5")
    np.save("pictures.npy", PICTURES)
    assert run(["convert", "net.h5", "-o", "files", "--to", "tflite,onnx", "-q", "--calibrate",
                "pictures.npy", "--scheme", "qat-w8a8"]) == 0  # fmt: skip
    artifact = open_artifact(tmp_path / "files")
    expected = learned(PICTURES[:1], training=False).numpy()
    for file in artifact.manifest.files:
        session = open_model(artifact.path(file))
        (got,) = answer(session, file.signatures, {"image": PICTURES[:1]}).values()
        assert got == pytest.approx(expected, abs=0.05), file.path


def in_a_row() -> Any:
    """Return convolutions whose biases are equal."""
    keras.utils.set_random_seed(0)
    x = image = keras.Input((8, 8, 2), name="image")
    for _ in range(3):
        x = LAYERS.Conv2D(
            4, 3, activation="relu", bias_initializer=keras.initializers.Constant(1.5)
        )(x)
    return keras.Model(image, x)


def used_twice() -> Any:
    """Return a layer that sees small and large values."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 2), name="image")
    shared = LAYERS.Conv2D(3, 3, bias_initializer="random_normal")
    small, large = LAYERS.Conv2D(2, 1)(image), LAYERS.Conv2D(2, 1)(image)
    large = LAYERS.Rescaling(30.0)(large)
    return keras.Model(image, LAYERS.Concatenate()([shared(small), shared(large)]))


@pytest.mark.parametrize("build", [in_a_row, used_twice])
def test_a_bias_of_two_ops_has_the_steps_of_each(build: Any) -> None:
    model = build()
    expected = model(PICTURES).numpy()
    usual = in_16_bits(model, PICTURES)

    def error(content: bytes) -> float:
        got = answers(content, PICTURES)
        return float(np.square(got - expected).mean() / np.square(expected).mean())

    assert error(usual) > 1e-4  # else there is nothing to mend
    assert error(with_own_biases(usual)) < 3e-5  # 45 dB: of 8-bit weights


def test_biases_that_are_their_own_stay() -> None:
    content = in_16_bits(network(), PICTURES)
    assert with_own_biases(content) == content
