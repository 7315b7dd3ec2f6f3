"""Models of mixed precision: their files compute in float32, near what they answer themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras as keras3
import numpy as np
import pytest
import tf_keras

from edgekit.export import tflite
from edgekit.export.tracing.lowering import lower
from edgekit.profile.graph import read_graph
from edgekit.quantize.scheme import parse_scheme


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("keras", [tf_keras, keras3])
def test_layers_of_half_precision_are_traced_in_single(
    keras: Any, policy: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keras.utils.set_random_seed(0)
    half = keras.mixed_precision.Policy(policy)
    x = pictures = keras.layers.Input((6, 6, 3), name="pictures")
    x = keras.layers.Conv2D(4, 3, activation="relu", dtype=half)(x)
    x = keras.layers.GlobalAveragePooling2D(dtype=half)(x)
    model = keras.Model(pictures, keras.layers.Dense(2, dtype="float32")(x))
    network = lower(model, tmp_path / "lowered")
    assert f"computes in {half.compute_dtype}; its files do in float32" in caplog.text
    (tmp_path / "file.tflite").write_bytes(tflite.convert(network, parse_scheme("f32")))
    for op in read_graph(tmp_path / "file.tflite").ops:
        assert {t.dtype for t in (*op.inputs, *op.outputs) if t} <= {"float32", "int32"}
    given = np.random.default_rng(0).normal(size=(1, 6, 6, 3)).astype(np.float32)
    (answer,) = network({"pictures": given}).values()
    own = np.asarray(model(given, training=False), np.float64)
    np.testing.assert_allclose(answer, own, rtol=0.02, atol=0.01)
    assert model.layers[1].compute_dtype == half.compute_dtype
