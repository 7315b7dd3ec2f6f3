"""Layer normalizations of Keras 3 are traced as differences from the mean, to the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras.src.ops import nn

from edgekit.export.tracing.lowering import lower

L = keras.layers
SHAPE = (5, 6, 4)
VALUES = np.random.default_rng(0).normal(100, 1, (1, *SHAPE)).astype(np.float32)


def lowered(layer: Any, folder: Path, values: np.ndarray = VALUES) -> tuple[set[str], np.ndarray]:
    """Return the ops of a network of one layer, whose weights are no identity, and its answer."""
    fed = keras.Input(values.shape[1:], name="x")
    model = keras.Model(fed, layer(fed))
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in model.get_weights()])
    network = lower(model, folder / "net")
    (answer,) = network({"x": values}).values()
    return {op.type for op in network.function.graph.get_operations()}, answer


@pytest.mark.parametrize("axis", [-1, 1, (1, 2), (2, 3), (-2, -1)], ids=str)
def test_by_hand(axis: int | tuple[int, ...], tmp_path: Path) -> None:
    layer = L.LayerNormalization(axis=axis, epsilon=1e-2)
    ops, answer = lowered(layer, tmp_path)
    assert "SquaredDifference" not in ops
    axes = (axis,) if isinstance(axis, int) else axis
    x = VALUES.astype(np.float64)
    difference = x - x.mean(axes, keepdims=True)
    sizes = [size if a in [b % 4 for b in axes] else 1 for a, size in enumerate(x.shape)]
    gamma, beta = (w.reshape(sizes) for w in layer.get_weights())
    expected = difference / np.sqrt(x.var(axes, keepdims=True) + 1e-2) * gamma + beta
    np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "settings",
    [{"center": False}, {"scale": False}, {"center": False, "scale": False}, {"dtype": "float16"},
     {"dtype": "mixed_bfloat16"}],
    ids=str,
)  # fmt: skip
def test_as_keras_does(settings: dict[str, Any], tmp_path: Path) -> None:
    own, layer = nn._layer_normalization, L.LayerNormalization(**settings)
    values = VALUES - 100
    _, answer = lowered(layer, tmp_path, values)
    assert nn._layer_normalization is own
    rough = 1e-2 if "dtype" in settings else 1e-5
    np.testing.assert_allclose(answer, np.asarray(layer(values), np.float32), atol=rough)


@pytest.mark.filterwarnings("ignore:.*rms_scaling")
def test_the_deviation_alone(tmp_path: Path) -> None:
    layer = L.LayerNormalization(rms_scaling=True)
    _, answer = lowered(layer, tmp_path)
    np.testing.assert_allclose(answer, layer(VALUES), rtol=1e-4)


def test_a_keras_that_normalizes_in_its_layers_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(nn, "_layer_normalization")
    fed = keras.Input((3,), name="x")
    lower(keras.Model(fed, L.Dense(2)(fed)), tmp_path / "net")
    assert not hasattr(nn, "_layer_normalization")
