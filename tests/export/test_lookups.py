"""An embedding is one lookup in files, and the layer what it was."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from edgekit.export.conversion import Plan, convert
from edgekit.export.source import Source
from edgekit.export.tracing.lowering import lower
from edgekit.parity.answers import answer
from edgekit.quantize.scheme import parse_schemes
from edgekit.runtime import open_model


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_one_op_looks_up(dtype: str, tmp_path: Path) -> None:
    fed = keras.Input((5,), dtype=dtype, name="ids")
    layer = keras.layers.Embedding(7, 3)
    model = keras.Model(fed, keras.layers.Flatten(name="y")(layer(fed)))
    lowered = lower(model, tmp_path / "net")
    ops = [op.type for op in lowered.function.graph.get_operations()]
    assert ops.count("ResourceGather") == 1
    assert not {"Less", "SelectV2", "AddV2", "GatherV2"} & {*ops}
    ids = np.array([[0, 6, 3, 3, 1]], dtype)
    expected = layer.embeddings.numpy()[ids[0].astype(int)].reshape(1, -1)
    np.testing.assert_array_equal(lowered({"ids": ids})["y"], expected)
    assert "call" not in vars(layer)


def test_a_layer_of_ones_own_is_left_alone(tmp_path: Path) -> None:
    class Own(keras.layers.Embedding):
        def call(self, inputs):
            return 2 * super().call(inputs)

    fed = keras.Input((2,), dtype="int32", name="ids")
    layer = Own(7, 3)
    model = keras.Model(fed, keras.layers.Flatten(name="y")(layer(fed)))
    ids = np.array([[4, 2]], np.int32)
    expected = 2 * layer.embeddings.numpy()[ids[0]].reshape(1, -1)
    np.testing.assert_array_equal(lower(model, tmp_path / "net")({"ids": ids})["y"], expected)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_the_place_of_an_extreme_is_one_op(
    name: str, axis: int | None, keepdims: bool, tmp_path: Path
) -> None:
    own = getattr(keras.src.backend.numpy, name)
    fed = keras.Input(batch_shape=(1, 4, 5), name="x")
    place = getattr(keras.ops, name)(fed, axis=axis, keepdims=keepdims)
    model = keras.Model(fed, keras.ops.cast(place, "float32"))
    lowered = lower(model, tmp_path / "net", {"x": (1, 4, 5)})
    kinds = {op.type for op in lowered.function.graph.get_operations()}
    assert not {"BitwiseAnd", "Bitcast", "SelectV2"} & kinds
    values = np.random.default_rng(0).normal(size=(1, 4, 5)).astype(np.float32)
    (got,) = lowered({"x": values}).values()
    np.testing.assert_array_equal(got, getattr(np, name)(values, axis=axis, keepdims=keepdims))
    assert getattr(keras.src.backend.numpy, name) is own


def test_a_map_of_labels_converts(tmp_path: Path) -> None:
    fed = keras.Input((8, 8, 3), name="x")
    labels = keras.ops.argmax(keras.layers.Conv2D(4, 3, padding="same")(fed), axis=-1)
    model = keras.Model(fed, labels)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(100, 8, 8, 3)))
    plan = Plan(parse_schemes("f32,w8a8"), ("tflite", "onnx"), str(tmp_path / "x.npy"))
    artifact = convert(Source("net", model, "keras3", {}), plan, tmp_path / "out").artifact
    assert len(artifact.manifest.files) == 4
    values = np.random.default_rng(1).normal(size=(16, 8, 8, 3)).astype(np.float32)
    for file in artifact.manifest.files:
        (got,) = answer(open_model(artifact.path(file)), file.signatures, {"x": values}).values()
        alike = (got == np.asarray(model(values))).mean()
        assert alike == 1 if file.scheme == "f32" else alike > 0.95
