"""Ops that TensorFlow's converter refuses: files answer as the network does."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from edgekit.export.conversion import Plan, convert
from edgekit.export.source import Source
from edgekit.parity import sqnr_db
from edgekit.parity.answers import answer
from edgekit.profile.graph import read_graph
from edgekit.quantize.scheme import parse_schemes
from edgekit.runtime import open_model
from edgekit.sources import load

L = tf_keras.layers
Function = Callable[[Any], Any]
ROWS, MAP, BLOCK = (12, 8), (16, 14, 3), (8, 9, 10, 3)


def patches(size: int, stride: int, rate: int, padding: str) -> Function:
    return lambda x: tf.image.extract_patches(
        x, [1, size, size, 1], [1, stride, stride, 1], [1, rate, rate, 1], padding
    )


def resized(method: str, height: int, width: int, *, antialias: bool = False) -> Function:
    return lambda x: tf.image.resize(x, (height, width), method=method, antialias=antialias)


def half_last(x: Any) -> Any:
    return (1.0 + tf.math.erf(x / math.sqrt(2.0))) * x * 0.5


def cepstra(x: Any) -> Any:
    return tf.signal.mfccs_from_log_mel_spectrograms(x)[..., :5]


FUNCTIONS: dict[str, tuple[tuple[int, ...], Function, list[str]]] = {  # fed, and a .tflite's ops
    "gelu, its half within": (
        ROWS, lambda x: x * (0.5 * (1.0 + tf.math.erf(x / tf.sqrt(2.0)))), ["gelu"],
    ),
    "gelu, its half last": (ROWS, half_last, ["gelu"]),
    "gelu of TensorFlow": (ROWS, tf.nn.gelu, ["gelu"]),
    "error function": (ROWS, tf.math.erf, []),
    "arcsine": (ROWS, lambda x: tf.asin(tf.tanh(x)), []),
    "arccosine": (ROWS, lambda x: tf.acos(tf.tanh(x)), []),
    "arctangent": (ROWS, tf.atan, ["atan2"]),
    "tangent": (ROWS, lambda x: tf.tan(tf.tanh(x)), []),
    "hyperbolic sine": (ROWS, tf.sinh, []),
    "hyperbolic cosine": (ROWS, tf.cosh, []),
    "inverse hyperbolic sine": (ROWS, tf.asinh, []),
    "inverse hyperbolic cosine": (ROWS, lambda x: tf.acosh(1.1 + tf.abs(x)), []),
    "inverse hyperbolic tangent": (ROWS, lambda x: tf.atanh(0.9 * tf.tanh(x)), []),
    "vector product": ((12, 3), lambda x: tf.linalg.cross(x, x[..., ::-1] + 1.0), []),
    "cosine transform": (ROWS, tf.signal.dct, ["fully_connected"]),
    "cepstra": (ROWS, cepstra, []),
    "patches that tile": ((16, 12, 3), patches(4, 4, 1, "VALID"), ["space_to_depth"]),
    "patches and a rest": (MAP, patches(4, 4, 1, "VALID"), ["strided_slice", "space_to_depth"]),
    "patches that overlap": (MAP, patches(3, 2, 1, "VALID"), []),
    "patches with gaps": (MAP, patches(3, 2, 2, "SAME"), []),
    "patches beyond the edge": ((15, 13, 3), patches(4, 4, 1, "SAME"), []),
    "pooling of blocks": (
        BLOCK, L.MaxPooling3D((2, 3, 2), padding="same"),
        ["reshape", "max_pool_2d", "reshape", "max_pool_2d", "reshape"],
    ),
    "means of blocks": (BLOCK, L.AveragePooling3D(2), []),
    "means of blocks beyond the edge": (
        BLOCK, L.AveragePooling3D((2, 3, 2), strides=(1, 2, 2), padding="same"), [],
    ),
    "bicubic, larger": (MAP, L.UpSampling2D(2, interpolation="bicubic"), []),
    "bicubic, smaller": (MAP, resized("bicubic", 7, 9), []),
    "area": (MAP, resized("area", 7, 9), []),
    "Lanczos": (MAP, resized("lanczos3", 20, 9), []),
    "Gaussian": (MAP, resized("gaussian", 20, 19), []),
    "without aliases": (MAP, resized("bilinear", 7, 9, antialias=True), []),
    "contrast": (MAP, lambda x: tf.image.adjust_contrast(x, 1.5), []),
}  # fmt: skip


def network(name: str) -> tf_keras.Model:
    shape, function, _ = FUNCTIONS[name]
    x = tf_keras.Input(shape, name="x")
    return tf_keras.Model(x, L.Activation("linear", name="y")(function(x)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_files_answer_as_the_network(name: str, tmp_path: Path) -> None:
    shape, _, kinds = FUNCTIONS[name]
    model = network(name)
    values = np.random.default_rng(0).normal(size=(100, *shape)).astype(np.float32)
    np.save(tmp_path / "x.npy", values)
    plan = Plan(parse_schemes("f32,w8a8"), ("tflite", "onnx"), str(tmp_path / "x.npy"))
    artifact = convert(Source("net", model, "tf_keras", {}), plan, tmp_path / "out").artifact
    assert len(artifact.manifest.files) == 4
    for file in artifact.manifest.files:
        path = artifact.path(file)
        (got,) = answer(open_model(path), file.signatures, {"x": values[:16]}).values()
        least = 100 if file.scheme == "f32" else 24
        assert sqnr_db(model(values[:16]).numpy(), got) > least, file.path
        if kinds and path.name == "net.f32.tflite":
            assert [op.kind for op in read_graph(path).ops] == kinds


@pytest.mark.parametrize("name", ["gelu, its half last", "patches that tile", "Lanczos"])
def test_the_batch_may_stay_free(name: str, tmp_path: Path) -> None:
    shape, _, _ = FUNCTIONS[name]
    model = network(name)
    plan = Plan(parse_schemes("f32"), shapes={"x": (-1, *shape)})
    artifact = convert(Source("net", model, "tf_keras", {}), plan, tmp_path / "out").artifact
    (file,) = artifact.manifest.files
    values = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    (got,) = answer(open_model(artifact.path(file)), file.signatures, {"x": values}).values()
    assert sqnr_db(model(values).numpy(), got) > 100


def test_the_error_function_to_seven_digits(tmp_path: Path) -> None:
    x = tf_keras.Input((1001,), name="x")
    model = tf_keras.Model(x, L.Activation("linear", name="y")(tf.math.erf(x)))
    source = Source("net", model, "tf_keras", {})
    artifact = convert(source, Plan(parse_schemes("f32")), tmp_path / "out").artifact
    (file,) = artifact.manifest.files
    values = np.linspace(-5, 5, 1001, dtype=np.float32)
    got = answer(open_model(artifact.path(file)), file.signatures, {"x": values[None]})["y"]
    expected = np.array([math.erf(v) for v in values.astype(float)])
    np.testing.assert_allclose(got[0], expected, atol=4e-7)


@pytest.mark.parametrize("name", ["gelu, its half within", "patches that tile", "Lanczos"])
def test_a_saved_model_too(name: str, tmp_path: Path) -> None:
    shape, _, kinds = FUNCTIONS[name]
    model = network(name)
    model.export(str(tmp_path / "saved"))
    plan = Plan(parse_schemes("f32"))
    artifact = convert(load(str(tmp_path / "saved")), plan, tmp_path / "out").artifact
    (file,) = artifact.manifest.files
    values = np.random.default_rng(0).normal(size=(4, *shape)).astype(np.float32)
    (got,) = answer(open_model(artifact.path(file)), file.signatures, {"x": values}).values()
    assert sqnr_db(model(values).numpy(), got) > 100
    assert not kinds or [op.kind for op in read_graph(artifact.path(file)).ops] == kinds


def test_keras_3_and_shared_layers(tmp_path: Path) -> None:
    """Two calls of a nested network, and pooling that follows learned weights."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    y = fed = keras.Input((8, 8, 8, 2))
    y = layers.MaxPooling3D(2)(layers.Conv3D(3, 3, padding="same", activation="gelu")(y))
    inner = keras.Model(fed, layers.UpSampling3D(2)(y))
    one, other = keras.Input((8, 8, 8, 2), name="one"), keras.Input((8, 8, 8, 2), name="other")
    model = keras.Model([one, other], layers.Subtract(name="y")([inner(one), inner(other)]))
    source = Source("net", model, "keras3", {})
    artifact = convert(source, Plan(parse_schemes("f32")), tmp_path / "out").artifact
    (file,) = artifact.manifest.files
    rng = np.random.default_rng(0)
    values = {n: rng.normal(size=(2, 8, 8, 8, 2)).astype(np.float32) for n in ("one", "other")}
    got = answer(open_model(artifact.path(file)), file.signatures, values)["y"]
    assert sqnr_db(np.asarray(model([*values.values()])), got) > 100
