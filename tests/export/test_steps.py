"""Sums that cancel out and comparisons of large values, which integer kernels take badly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from edgekit.export.conversion import Plan, convert
from edgekit.export.mending.steps import mend_steps
from edgekit.export.source import Source
from edgekit.parity import sqnr_db
from edgekit.parity.answers import answer
from edgekit.profile.graph import read_graph
from edgekit.quantize.scheme import parse_schemes
from edgekit.runtime import open_model

K, L = keras.ops, keras.layers


def quantized(model: Any, values: np.ndarray, scheme: str, folder: Path) -> tuple[Path, Any]:
    np.save(folder / "x.npy", values)
    plan = Plan(parse_schemes(scheme), calibrate=str(folder / "x.npy"))
    artifact = convert(Source("net", model, "keras3", {}), plan, folder / "out").artifact
    (file,) = artifact.manifest.files
    path = artifact.path(file)
    return path, answer(open_model(path), file.signatures, {"x": values})["y"]


@pytest.mark.parametrize("scheme", ["w8a8", "w8a16"])
def test_a_sum_that_cancels_out_is_answered(scheme: str, tmp_path: Path) -> None:
    # Its terms' steps are 100,000 and more times its own; LiteRT took the process down with it.
    keras.utils.set_random_seed(0)
    x = keras.Input((8,), name="x")
    wide = L.Dense(8)(x) * 3e6
    kept = L.Dense(8)(x)
    lost = L.Add()([wide, kept - wide])
    model = keras.Model(x, L.Add(name="y")([lost, kept]))
    values = np.random.default_rng(0).normal(size=(100, 8)).astype(np.float32)
    path, got = quantized(model, values, scheme, tmp_path)
    kinds = [op.kind for op in read_graph(path).ops]
    assert kinds.count("add") == 2
    assert "quantize" in kinds
    # What cancelled is rounding alone; the other half of the answer is there.
    assert np.corrcoef(got.ravel(), np.asarray(model(values)).ravel())[0, 1] > 0.5
    content = path.read_bytes()
    assert mend_steps(content) == content


@pytest.mark.parametrize("highest", [200.0, 300.0, 1e5])
@pytest.mark.parametrize("compare", [K.greater, K.less])
def test_large_values_are_compared(
    compare: Callable[..., Any], highest: float, tmp_path: Path
) -> None:
    # From steps of 1 on, that is from 255 on in 8 bits, the integer kernel errs by 4 dB.
    x = keras.Input((8,), name="x")
    other = L.Dense(8, use_bias=False, kernel_initializer="identity")(x[:, ::-1])
    model = keras.Model(x, L.Identity(name="y")(K.where(compare(x, other), x, other * 0.5)))
    values = np.random.default_rng(0).uniform(0, highest, (100, 8)).astype(np.float32)
    path, got = quantized(model, values, "w8a8", tmp_path)
    assert sqnr_db(np.asarray(model(values)), got) > 20
    (comparison,) = [op for op in read_graph(path).ops if op.kind in ("greater", "less")]
    assert {t.dtype for t in comparison.inputs} == {"float32" if highest > 255 else "int8"}


def test_a_division_is_done_in_float(tmp_path: Path) -> None:
    # LiteRT's integer kernel answers its lowest value for a dividend one step below zero, of which
    # there is one in each example, and TensorFlow's refuses a divisor that is byte 0: mid-range.
    x = keras.Input((256,), name="x")
    model = keras.Model(x, L.Identity(name="y")(x / (K.abs(x) + 1.0)))
    values = np.tile(np.linspace(-1, 1, 256, dtype=np.float32), (20, 1))
    path, got = quantized(model, values, "w8a8", tmp_path)
    expected = values / (np.abs(values) + 1)
    np.testing.assert_allclose(got, expected, atol=0.01)
    (division,) = [op for op in read_graph(path).ops if op.kind == "div"]
    assert {t.dtype for t in (*division.inputs, *division.outputs)} == {"float32"}


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "choice": lambda x: K.where(x > 0, x, x * 0.1),
    "choice by a bound": L.Activation("soft_shrink"),
    "codes": lambda x: K.one_hot(K.argmax(x, axis=-1), 8) + x,
    "padding by a value": lambda x: K.pad(x, ((0, 0), (1, 2), (0, 0)), constant_values=1.0),
    "division": lambda x: x / (K.abs(x) + 1.0),
    "square root": lambda x: K.sqrt(K.abs(x) + 0.1),
    "running sum": lambda x: K.cumsum(x, axis=1),
    "sorted": lambda x: K.sort(x, axis=-1),
    "logarithms of shares": L.Activation("log_softmax"),
    "mean of what is no padding": lambda x: K.sum(x, 1) / K.sum(K.sigmoid(x), 1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(("scheme", "least"), [("w8a8", 22), ("w8a16", 34)])
def test_what_integers_lack_is_answered(
    name: str, scheme: str, least: float, tmp_path: Path
) -> None:
    keras.utils.set_random_seed(0)
    x = keras.Input((12, 8), name="x")
    model = keras.Model(x, L.Dense(4, name="y")(FUNCTIONS[name](L.Dense(8)(x))))
    values = np.random.default_rng(0).normal(size=(100, 12, 8)).astype(np.float32)
    path, got = quantized(model, values, scheme, tmp_path)
    assert sqnr_db(np.asarray(model(values)), got) > least
    dense = [op for op in read_graph(path).ops if op.kind == "fully_connected"]
    assert {op.inputs[0].dtype for op in dense} == {"int8" if scheme == "w8a8" else "int16"}
