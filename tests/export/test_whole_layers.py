"""Recurrent layers as ONNX's own ops: what Keras answers, in float and with 8-bit weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras as keras3
import numpy as np
import onnx
import pytest
import tf_keras

from edgekit.export.conversion import Plan
from edgekit.export.conversion import convert as run
from edgekit.export.onnx import convert
from edgekit.export.source import Source
from edgekit.export.tracing.lowering import lower
from edgekit.parity import sqnr_db
from edgekit.parity.answers import answer
from edgekit.quantize.scheme import parse_scheme, parse_schemes
from edgekit.runtime import open_model

STEPS, DEPTH, UNITS = 6, 4, 5
SEQUENCES = np.random.default_rng(0).normal(size=(40, 1, STEPS, DEPTH)).astype(np.float32)
WHOLE = {"GRU", "LSTM", "RNN"}
# What a layer is made with, and how often ONNX's op takes its place.
LAYERS = {
    "LSTM": (lambda k, x: k.LSTM(UNITS)(x), 1),
    "GRU": (lambda k, x: k.GRU(UNITS, return_sequences=True)(x), 1),
    "plain": (lambda k, x: k.SimpleRNN(UNITS, return_sequences=True)(x), 1),
    "plain, ReLU": (lambda k, x: k.SimpleRNN(UNITS, activation="relu")(x), 1),
    "no bias": (lambda k, x: k.LSTM(UNITS, use_bias=False)(x), 1),
    "backwards": (lambda k, x: k.GRU(UNITS, go_backwards=True, return_sequences=True)(x), 1),
    "both ways": (lambda k, x: k.Bidirectional(k.LSTM(UNITS, return_sequences=True))(x), 2),
    "its states": (lambda k, x: k.Concatenate()(k.LSTM(UNITS, return_state=True)(x)), 1),
    "stacked": (lambda k, x: k.GRU(3)(k.LSTM(UNITS, return_sequences=True)(x)), 2),
    "encoder and decoder": (lambda k, x: k.GRU(UNITS)(x, initial_state=k.GRU(UNITS)(x)), 2),
    "another activation": (lambda k, x: k.LSTM(UNITS, activation="relu")(x), 0),
    "reset before": (lambda k, x: k.GRU(UNITS, reset_after=False)(x), 0),
    "masked": (lambda k, x: k.LSTM(UNITS)(k.Masking()(x)), 0),
    "a cell": (lambda k, x: k.RNN(k.LSTMCell(UNITS))(x), 0),
}  # fmt: skip


def network(keras: Any, kind: str, steps: int = STEPS) -> tuple[Any, int]:
    keras.utils.set_random_seed(1)
    make, count = LAYERS[kind]
    fed = keras.layers.Input((steps, DEPTH), name="x")
    model = keras.Model(fed, keras.layers.Dense(3, name="y")(make(keras.layers, fed)))
    rng = np.random.default_rng(2)
    model.set_weights([w + rng.normal(0, 0.2, w.shape) for w in model.get_weights()])
    return model, count


def opened(content: bytes, folder: Path) -> tuple[list[str], Any]:
    (folder / "net.onnx").write_bytes(content)
    kinds = [node.op_type for node in onnx.load(folder / "net.onnx").graph.node]
    return kinds, open_model(folder / "net.onnx")


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("keras", [tf_keras, keras3], ids=["keras2", "keras3"])
def test_float_is_keras_own(keras: Any, kind: str, tmp_path: Path) -> None:
    model, count = network(keras, kind)
    content = convert(lower(model, tmp_path / "net"), parse_scheme("f32"))
    kinds, ask = opened(content, tmp_path)
    assert sum(each in WHOLE for each in kinds) == count
    for given in SEQUENCES[:4]:
        np.testing.assert_allclose(ask({"x": given})["y"], model(given), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "plain"])
def test_more_steps_than_are_written_out(kind: str, tmp_path: Path) -> None:
    model, count = network(keras3, kind, 300)
    kinds, ask = opened(convert(lower(model, tmp_path / "net"), parse_scheme("f32")), tmp_path)
    assert (sum(each in WHOLE for each in kinds), "Loop" in kinds) == (count, False)
    given = np.random.default_rng(3).normal(size=(1, 300, DEPTH)).astype(np.float32)
    np.testing.assert_allclose(ask({"x": given})["y"], model(given), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "plain", "backwards", "both ways"])
def test_a_free_batch(kind: str, tmp_path: Path) -> None:
    model, count = network(keras3, kind)
    lowered = lower(model, tmp_path / "net", {"x": (-1, STEPS, DEPTH)})
    kinds, ask = opened(convert(lowered, parse_scheme("f32")), tmp_path)
    assert sum(each in WHOLE for each in kinds) == count
    given = SEQUENCES[:7, 0]
    np.testing.assert_allclose(ask({"x": given})["y"], model(given), rtol=1e-4, atol=1e-6)


def test_weights_in_8_bits(tmp_path: Path) -> None:
    """A layer in float reads weights that were rounded by hand; what is behind is in integers."""
    model, _ = network(keras3, "LSTM")
    samples = [{"x": each} for each in SEQUENCES]
    lowered = lower(model, tmp_path / "net")
    content = convert(lowered, parse_scheme("w8a8"), samples=lambda: iter(samples))
    kinds, ask = opened(content, tmp_path)
    assert kinds.count("LSTM") == 1
    assert "QuantizeLinear" in kinds
    rounded = []
    for weights in model.layers[1].get_weights()[:2]:
        scale = np.abs(weights).max(0) / 127
        rounded.append(np.rint(weights / scale) * scale)
    model.layers[1].set_weights([*rounded, model.layers[1].get_weights()[2]])
    expected = np.concatenate([np.asarray(model(each)) for each in SEQUENCES])
    got = np.concatenate([ask({"x": each})["y"] for each in SEQUENCES])
    # Three times in 255 steps: what the dense op reads, its weights, its answers.
    assert np.abs(got - expected).max() < 3 * np.ptp(expected) / 255


def answered(model: Any, scheme: str, values: np.ndarray, folder: Path) -> tuple[list[str], float]:
    """Return the ops of a model's .onnx and its SQNR in decibels."""
    np.savez(folder / "x.npz", x=values)
    plan = Plan(parse_schemes(scheme), ("onnx",), calibrate=str(folder / "x.npz"))
    artifact = run(Source("net", model, "keras3", {}), plan, folder / "out").artifact
    (file,) = artifact.manifest.files
    path = artifact.path(file)
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    got = answer(open_model(path), file.signatures, {"x": values})["y"]
    return kinds, sqnr_db(np.asarray(model(values)), got)


def test_masks_that_integers_bear_come_first(tmp_path: Path) -> None:
    """What was rewritten for 8 bits is not in a layer that is traced anew."""
    keras3.utils.set_random_seed(0)
    layers = keras3.layers
    x = fed = keras3.Input((STEPS, 8), name="x")
    x = layers.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True)
    model = keras3.Model(fed, layers.Dense(3, name="y")(layers.LSTM(UNITS)(x + fed)))
    values = np.random.default_rng(0).normal(size=(100, STEPS, 8)).astype(np.float32)
    kinds, ratio = answered(model, "w8a8", values, tmp_path)
    assert "LSTM" not in kinds
    assert ratio > 25


def test_what_onnx_lacks_too_is_written(tmp_path: Path) -> None:
    layers = keras3.layers
    x = fed = keras3.Input((4, 4, 3), name="x")
    x = keras3.ops.image.extract_patches(x, 2)
    model = keras3.Model(fed, layers.LSTM(UNITS, name="y")(layers.Reshape((4, 12))(x)))
    values = np.random.default_rng(0).normal(size=(4, 4, 4, 3)).astype(np.float32)
    _, ratio = answered(model, "f32", values, tmp_path)
    assert ratio > 100
