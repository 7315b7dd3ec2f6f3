"""Sound: spectra and what is made of them, in files."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from edgekit.export import tflite
from edgekit.export.conversion import Plan, convert
from edgekit.export.files import Wanted
from edgekit.export.mending.spectra import with_float_spectra
from edgekit.export.source import Source
from edgekit.export.tracing.lowering import lower
from edgekit.parity import sqnr_db
from edgekit.parity.answers import answer
from edgekit.profile.graph import read_graph
from edgekit.quantize.ptq.techniques import Mixed
from edgekit.quantize.scheme import parse_scheme, parse_schemes
from edgekit.runtime import open_model

L = keras.layers
SAMPLES = 4000


class LogMel(L.Layer):
    """Logarithms of 40 mel bands of frames of 256 samples."""

    def call(self, x: Any) -> Any:
        size = tf.abs(tf.signal.stft(x, 256, 128, fft_length=256))
        bands = tf.signal.linear_to_mel_weight_matrix(40, 129, 16000)
        return tf.math.log(tf.matmul(size, bands) + 1e-3)


class Cepstra(LogMel):
    """The first 13 cosine coefficients of them."""

    def call(self, x: Any) -> Any:
        return tf.signal.mfccs_from_log_mel_spectrograms(super().call(x))[..., :13]


FRONTS = {
    "log mel": LogMel,
    "cepstra": Cepstra,
    "mel of Keras": lambda name: L.MelSpectrogram(
        fft_length=256, sequence_stride=128, num_mel_bins=32, sampling_rate=16000, name=name
    ),
}


def network(front: str) -> keras.Model:
    keras.utils.set_random_seed(0)
    x = fed = keras.Input((SAMPLES,), name="x")
    x = FRONTS[front](name="front")(x)[..., None]
    x = L.GlobalAveragePooling2D()(L.Conv2D(16, 3, activation="relu", padding="same")(x))
    return keras.Model(fed, L.Dense(4, name="y")(L.Dense(96, activation="relu")(x)))


def sounds(count: int) -> np.ndarray:
    rng, time = np.random.default_rng(0), np.arange(SAMPLES) / 16000
    tones = np.sin(2 * np.pi * rng.uniform(100, 4000, (count, 1)) * time)
    noise = 0.02 * rng.normal(size=(count, SAMPLES))
    return (tones * rng.uniform(0.1, 1, (count, 1)) + noise).astype(np.float32)


@pytest.mark.parametrize("format", ["tflite", "onnx"])
@pytest.mark.parametrize("front", FRONTS)
def test_float_files_hear_the_same(front: str, format: str, tmp_path: Path) -> None:
    model, values = network(front), sounds(8)
    source = Source("net", model, "keras3", {})
    artifact = convert(source, Plan(parse_schemes("f32"), (format,)), tmp_path / "out").artifact
    (file,) = artifact.manifest.files
    got = answer(open_model(artifact.path(file)), file.signatures, {"x": values})["y"]
    assert sqnr_db(np.asarray(model(values)), got) > 90


@pytest.mark.parametrize("front", FRONTS)
def test_8_bit_weights_leave_the_products_of_spectra_in_float(
    front: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """19 dB, and -10 with the layer of Keras, where these are dynamic, too."""
    model, values = network(front), sounds(16)
    source = Source("net", model, "keras3", {})
    with caplog.at_level(logging.WARNING):
        artifact = convert(source, Plan(parse_schemes("w8")), tmp_path / "out").artifact
    (file,) = artifact.manifest.files
    assert "front/" in caplog.text and "stays in float: of spectra" in caplog.text  # noqa: PT018
    dense = [op for op in read_graph(artifact.path(file)).ops if op.kind == "fully_connected"]
    weights = [op.inputs[1].dtype for op in dense if op.inputs[1] is not None]
    assert weights[0] == "float32"
    assert "int8" in weights
    got = answer(open_model(artifact.path(file)), file.signatures, {"x": values})["y"]
    assert sqnr_db(np.asarray(model(values)), got) > 40


def test_a_front_can_be_kept_in_float(tmp_path: Path) -> None:
    model, values = network("log mel"), sounds(100)
    np.save(tmp_path / "x.npy", values)
    plan = Plan(parse_schemes("mixed"), calibrate=str(tmp_path / "x.npy"),
                wanted=Wanted(mixed=Mixed(keep=("front",))))  # fmt: skip
    artifact = convert(Source("net", model, "keras3", {}), plan, tmp_path / "out").artifact
    (file,) = artifact.manifest.files
    got = answer(open_model(artifact.path(file)), file.signatures, {"x": values[:16]})["y"]
    assert sqnr_db(np.asarray(model(values[:16])), got) > 30


def test_a_file_without_spectra_stays_as_it_is(tmp_path: Path) -> None:
    x = keras.Input((96,), name="x")
    content = tflite.convert(
        lower(keras.Model(x, L.Dense(96)(x)), tmp_path / "net"), parse_scheme("w8")
    )

    def real() -> bytes:
        raise AssertionError("nothing is to be made")

    assert with_float_spectra(content, real) == (content, [])
