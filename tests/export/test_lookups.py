"""An embedding is one lookup in files, and the layer what it was."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from edgekit.export.lowering import lower


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
