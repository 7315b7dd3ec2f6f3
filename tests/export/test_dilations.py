"""A dilated convolution over a row is one op in files, and the layer what it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tf_keras

from edgekit.export.conversion import Plan, convert
from edgekit.export.tracing.lowering import lower
from edgekit.profile.graph import read_graph
from edgekit.quantize.scheme import parse_schemes
from edgekit.sources.function import source_of

LAYINGS = {"SpaceToBatchND", "BatchToSpaceND"}


def kinds_of(lowered: Any) -> list[str]:
    return [op.type for op in lowered.function.graph.get_operations()]


@pytest.mark.parametrize("padding", ["causal", "same", "valid"])
@pytest.mark.parametrize("version", [tf_keras, keras], ids=["tf_keras", "keras"])
def test_the_same_answers(version: Any, padding: str, tmp_path: Path) -> None:
    rows = version.layers.Input((17, 3), batch_size=1, name="x")
    layer = version.layers.Conv1D(4, 3, dilation_rate=4, padding=padding, activation="tanh")
    network = version.Model(rows, layer(rows))
    network.set_weights([np.random.default_rng(1).normal(size=w.shape) for w in network.weights])
    lowered = lower(network, tmp_path / "net")
    assert not LAYINGS & {*kinds_of(lowered)}
    given = np.random.default_rng(0).normal(size=(1, 17, 3)).astype(np.float32)
    (got,) = lowered({"x": given}).values()
    np.testing.assert_allclose(got, np.asarray(network(given)), rtol=1e-5, atol=1e-6)
    assert "call" not in vars(layer)


def test_by_hand(tmp_path: Path) -> None:
    """Causal, two taps three steps apart: y[t] = 2 x[t] + 10 x[t - 3], and 1 is added."""
    rows = keras.layers.Input((5, 1), batch_size=1, name="x")
    layer = keras.layers.Conv1D(1, 2, dilation_rate=3, padding="causal")
    network = keras.Model(rows, layer(rows))
    layer.set_weights([np.array([10.0, 2]).reshape(2, 1, 1), np.array([1.0])])
    given = np.arange(1, 6, dtype=np.float32).reshape(1, 5, 1)
    (got,) = lower(network, tmp_path / "net")({"x": given}).values()
    assert got.ravel().tolist() == [3, 5, 7, 19, 31]


def test_a_gate_and_a_filter_of_one_row(tmp_path: Path) -> None:
    """Both read the same value, which TensorFlow's converter leaves laid out as a batch."""
    rows = keras.layers.Input((32, 8), name="x")
    gate, filtered = (
        keras.layers.Conv1D(8, 2, dilation_rate=4, padding="causal", activation=name)(rows)
        for name in ("sigmoid", "tanh")
    )
    network = keras.Model(rows, keras.layers.Multiply()([gate, filtered]))
    examples = np.random.default_rng(0).normal(size=(20, 32, 8)).astype(np.float32)
    plan = Plan(parse_schemes("f32,w8a8"), calibrate={"x": examples})
    artifact = convert(source_of(network, "gated"), plan, tmp_path / "out").artifact
    for file in artifact.manifest.files:
        kinds = {op.kind for op in read_graph(artifact.path(file)).ops}
        assert not {"space_to_batch_nd", "batch_to_space_nd"} & kinds
        assert file.parity["passed"]


def test_several_groups_are_left_alone(tmp_path: Path) -> None:
    rows = keras.layers.Input((9, 4), batch_size=1, name="x")
    network = keras.Model(rows, keras.layers.Conv1D(4, 3, dilation_rate=2, groups=2)(rows))
    given = np.random.default_rng(0).normal(size=(1, 9, 4)).astype(np.float32)
    (got,) = lower(network, tmp_path / "net")({"x": given}).values()
    np.testing.assert_allclose(got, np.asarray(network(given)), rtol=1e-5, atol=1e-6)
