"""What transformers are made of as ONNX's own ops: norms, einsums and GELUs, against NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from scipy.special import erf

from edgekit.export.onnx import convert
from edgekit.export.tracing.lowering import lower
from edgekit.quantize.scheme import parse_scheme

K, L = keras.ops, keras.layers
RNG = np.random.default_rng(0)


def exported(model: Any, folder: Path, scheme: str = "f32", **fed: np.ndarray) -> tuple[Any, Any]:
    """Return the graph of a model's file and what ONNX Runtime answers."""
    lowered = lower(model, folder / "net")
    samples = [{name: value + RNG.normal(0, 0.1, value.shape).astype(np.float32)
                for name, value in fed.items()} for _ in range(16)]  # fmt: skip
    content = convert(lowered, parse_scheme(scheme), samples=lambda: iter(samples))
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    pictures = {i.name for i in session.get_inputs() if len(i.shape) == 4}
    given = {n: v.transpose(0, 3, 1, 2) if n in pictures else v for n, v in fed.items()}
    return onnx.load_from_string(content).graph, session.run(None, given)[0]


def kinds(graph: Any) -> list[str]:
    return [node.op_type for node in graph.node]


@pytest.mark.parametrize("shape", [(6,), (5, 6), (4, 5, 6)], ids=str)
@pytest.mark.parametrize("settings", [{}, {"scale": False}, {"center": False}], ids=str)
def test_a_norm_over_the_last_axis_is_one_op(
    shape: tuple[int, ...], settings: dict[str, bool], tmp_path: Path
) -> None:
    fed = keras.Input(shape, name="x")
    layer = L.LayerNormalization(epsilon=1e-2, **settings)
    model = keras.Model(fed, layer(fed))
    model.set_weights([RNG.uniform(0.5, 1.5, w.shape) for w in model.get_weights()])
    x = RNG.normal(3, 1, (1, *shape)).astype(np.float32)
    graph, answer = exported(model, tmp_path, x=x)
    if len(shape) < 3:
        assert kinds(graph) == ["LayerNormalization"]
    else:  # of a picture, whose channels come first in the file
        assert sorted(kinds(graph)) == ["LayerNormalization", "Transpose"]
    expected = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-2)
    expected = expected * (1 if layer.gamma is None else layer.gamma.numpy())
    expected = expected + (0 if layer.beta is None else layer.beta.numpy())
    np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-5)


def test_a_deviation_that_is_read_too_is_kept(tmp_path: Path) -> None:
    fed = keras.Input((5, 6), name="x")
    difference = fed - K.mean(fed, -1, keepdims=True)
    inverse = K.rsqrt(K.mean(difference * difference, -1, keepdims=True) + 1e-3)
    model = keras.Model(fed, difference * inverse + inverse)
    x = RNG.normal(3, 1, (1, 5, 6)).astype(np.float32)
    graph, answer = exported(model, tmp_path, x=x)
    assert "LayerNormalization" not in kinds(graph)
    deviation = np.sqrt(x.var(-1, keepdims=True) + 1e-3)
    expected = (x - x.mean(-1, keepdims=True) + 1) / deviation
    np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-5)


def test_a_norm_over_another_axis_is_arithmetic(tmp_path: Path) -> None:
    fed = keras.Input((5, 6), name="x")
    model = keras.Model(fed, L.LayerNormalization(axis=1, center=False, scale=False)(fed))
    x = RNG.normal(3, 1, (1, 5, 6)).astype(np.float32)
    graph, answer = exported(model, tmp_path, x=x)
    assert "LayerNormalization" not in kinds(graph)
    expected = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-3)
    np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("equation", "ops"),
    [
        ("aecd,abcd->acbe", ["Transpose", "Transpose", "MatMul"]),  # scores of Keras' attention
        ("acbe,aecd->abcd", ["Transpose", "MatMul", "Transpose"]),  # and what they weigh
        ("abc,abd->acd", ["Transpose", "MatMul"]),
        ("abc,adc->abd", ["Transpose", "MatMul"]),
        ("abc,acd->adb", ["Transpose", "Transpose", "MatMul"]),
        ("abcd,abcd->abc", None),  # a sum of two rows' products, which is no product of matrices
        ("abcd,abe->acde", None),
    ],
)
def test_an_einsum_is_a_product(equation: str, ops: list[str] | None, tmp_path: Path) -> None:
    sizes = dict(zip("abcde", (1, 3, 2, 4, 5), strict=True))
    left, right = equation.partition("->")[0].split(",")
    given = {n: RNG.normal(size=[sizes[a] for a in term]).astype(np.float32)
             for n, term in (("x", left), ("y", right))}  # fmt: skip
    fed = {name: keras.Input(value.shape[1:], name=name) for name, value in given.items()}
    model = keras.Model(fed, K.einsum(equation, fed["x"], fed["y"]))
    graph, answer = exported(model, tmp_path, **given)
    np.testing.assert_allclose(answer, np.einsum(equation, *given.values()), rtol=1e-4, atol=1e-5)
    if ops is not None:
        turned = [kind for kind in kinds(graph) if kind != "Transpose"]
        assert turned == ["MatMul"]
        if all(value.ndim == 3 for value in given.values()):
            assert kinds(graph) == ops


def test_a_gelu_is_one_op_of_onnx_runtime(tmp_path: Path) -> None:
    fed = keras.Input((6,), name="x")
    model = keras.Model(fed, K.gelu(fed, approximate=False))
    x = RNG.normal(0, 2, (1, 6)).astype(np.float32)
    _, answer = exported(model, tmp_path, x=x)
    np.testing.assert_allclose(answer, x / 2 * (1 + erf(x / np.sqrt(2))), rtol=1e-4, atol=1e-6)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    content = convert(lower(model, tmp_path / "again"), parse_scheme("f32"))
    onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    assert kinds(onnx.load(tmp_path / "optimized.onnx").graph) == ["Gelu"]


def test_attention_in_integers(tmp_path: Path) -> None:
    """Twelve products, sums and norms in 8 bits; what Keras answers to 25 dB."""
    keras.utils.set_random_seed(0)
    fed = keras.Input((8, 16), name="x")
    x = L.LayerNormalization()(fed)
    y = L.MultiHeadAttention(2, 8)(x, x)
    x = L.Add()([fed, y])
    model = keras.Model(fed, L.Dense(16, activation="gelu")(L.LayerNormalization()(x)))
    given = RNG.normal(size=(1, 8, 16)).astype(np.float32)
    graph, answer = exported(model, tmp_path, "w8a8", x=given)
    assert kinds(graph).count("LayerNormalization") == 2
    expected = np.asarray(model(given))
    noise = np.square(answer - expected).mean()
    assert 10 * np.log10(np.square(expected).mean() / noise) > 25
