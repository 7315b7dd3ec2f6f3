"""Networks that Keras 3 quantized itself: files of what their 8-bit weights mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from edgekit.artifact import open_artifact
from edgekit.cli import run
from edgekit.runtime import open_model
from edgekit.sources import load

LAYERS = keras.layers
RNG = np.random.default_rng(0)


def dense() -> tuple[Any, Any]:
    x = keras.Input((20,), name="x")
    y = LAYERS.Dense(32, activation="relu")(x)
    nested = keras.Sequential([keras.Input((32,)), LAYERS.Dense(8), LAYERS.LayerNormalization()])
    return keras.Model(x, LAYERS.Dense(4, name="y")(nested(y))), RNG.normal(size=(32, 20))


def words() -> tuple[Any, Any]:
    x = keras.Input((12,), dtype="int32", name="x")
    y = LAYERS.EinsumDense("abc,cde->abde", (12, 2, 5), bias_axes="de")(LAYERS.Embedding(50, 16)(x))
    y = LAYERS.GlobalAveragePooling1D()(LAYERS.Reshape((12, 10))(y))
    return keras.Model(x, LAYERS.Dense(3, name="y")(y)), RNG.integers(0, 50, (32, 12))


def picture() -> tuple[Any, Any]:
    x = keras.Input((8, 8, 3), name="x")
    y = LAYERS.Flatten()(LAYERS.Conv2D(4, 3, activation="relu")(x))
    return keras.Model(x, LAYERS.Dense(3, name="y")(y)), RNG.uniform(size=(32, 8, 8, 3))


@pytest.mark.parametrize("build", [dense, words, picture])
def test_files_have_the_weights_of_the_integers(
    build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the float network, whose weights lie half a step off, and Keras' own integers."""
    monkeypatch.chdir(tmp_path)
    model, examples = build()
    for variable in model.variables:
        if variable.path.endswith("bias"):
            variable.assign(RNG.normal(size=variable.shape))
    examples = examples.astype(model.input.dtype)
    before = np.asarray(model(examples))
    model.quantize("int8")
    model.save("net.keras")
    own = np.asarray(model(examples))
    for layer in model._flatten_layers():
        if getattr(layer, "inputs_quantizer", None) is not None:
            layer.inputs_quantizer = None
    expected = np.asarray(model(examples))
    np.save("examples.npy", examples)
    assert run(["convert", "net.keras", "-o", "files", "--to", "tflite,onnx", "-q", "--scheme",
                "f32,w8,w8a8", "--calibrate", "examples.npy"]) == 0  # fmt: skip
    artifact = open_artifact(tmp_path / "files")
    size = np.abs(expected).max()
    for file in artifact.manifest.files:
        found = _answers(artifact.path(file), examples)
        least = 1e-5 if file.scheme == "f32" else 0.05
        np.testing.assert_allclose(found, expected, atol=least * size)
    assert 1e-4 * size < np.abs(expected - before).max()
    assert np.abs(own - expected).max() < 0.05 * size


def _answers(path: Path, examples: Any) -> Any:
    session = open_model(path)
    signature = session.signatures["serving_default"]
    (spec,), (output,) = signature.inputs, signature.outputs
    given = examples.transpose(0, 3, 1, 2) if path.suffix == ".onnx" and examples.ndim == 4 else (
        examples)  # fmt: skip
    return np.concatenate(
        [output.dequantize(session({spec.name: spec.quantize(one[None])})[output.name])
         for one in given]
    )  # fmt: skip


def test_what_no_file_does_is_said(tmp_path: Path) -> None:
    model, _ = dense()
    model.quantize("int8")
    model.save(tmp_path / "net.keras")
    (remark,) = load(str(tmp_path / "net.keras")).remarks
    assert "net: quantized by Keras: its 8-bit weights are taken" in remark


def test_other_networks_stay_as_they_are(tmp_path: Path) -> None:
    dense()[0].save(tmp_path / "net.keras")
    assert not load(str(tmp_path / "net.keras")).remarks
