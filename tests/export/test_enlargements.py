"""What Keras 3 repeats is resized in files, by one op, to the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
from ai_edge_litert.interpreter import Interpreter

from edgekit.export import tflite
from edgekit.export.onnx import convert
from edgekit.export.tracing.lowering import lower
from edgekit.quantize.scheme import parse_scheme
from edgekit.runtime import open_model

L = keras.layers


@pytest.mark.parametrize(
    ("layer", "shape", "axes"),
    [
        (L.UpSampling2D(2), (5, 3, 4), {1: 2, 2: 2}),
        (L.UpSampling2D((3, 1)), (5, 3, 4), {1: 3}),
        (L.UpSampling2D(41), (2, 1, 3), {1: 41, 2: 41}),  # where a product in float32 falls short
        (L.UpSampling2D(2, data_format="channels_first"), (4, 5, 3), {2: 2, 3: 2}),
        (L.UpSampling1D(3), (5, 4), {1: 3}),
    ],
    ids=["twice", "rows", "41 times", "channels first", "series"],
)
def test_repeated_as_numpy_does(
    layer: Any, shape: tuple[int, ...], axes: dict[int, int], tmp_path: Path
) -> None:
    fed = keras.Input(shape, name="x")
    network = lower(keras.Model(fed, layer(fed)), tmp_path / "net")
    assert "call" not in vars(layer)
    given = np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)
    expected = given
    for axis, factor in axes.items():
        expected = np.repeat(expected, factor, axis)
    scheme = parse_scheme("f32")
    (tmp_path / "x.tflite").write_bytes(tflite.convert(network, scheme))
    interpreter = Interpreter(str(tmp_path / "x.tflite"))
    interpreter.allocate_tensors()
    kinds = [op["op_name"] for op in interpreter._get_ops_details()]
    assert kinds.count("RESIZE_NEAREST_NEIGHBOR") == 1
    assert "TILE" not in kinds
    (tmp_path / "x.onnx").write_bytes(convert(network, scheme))
    nodes = onnx.load(tmp_path / "x.onnx").graph.node
    assert [node.op_type for node in nodes].count("Resize") == 1
    for path, turned in ((tmp_path / "x.tflite", False), (tmp_path / "x.onnx", len(shape) == 3)):
        fed_to = given.transpose(0, 3, 1, 2) if turned else given
        (answer,) = open_model(path)({"x": fed_to}).values()
        np.testing.assert_array_equal(answer, expected)


def test_truths_are_repeated_as_keras_does(tmp_path: Path) -> None:
    fed = keras.Input((3, 2, 1), dtype="bool", name="x")
    model = keras.Model(fed, keras.ops.cast(L.UpSampling2D((1, 2))(fed), "float32"))
    given = np.array([[0, 1], [1, 0], [1, 1]], bool).reshape(1, 3, 2, 1)
    (answer,) = lower(model, tmp_path / "net")({"x": given}).values()
    np.testing.assert_array_equal(answer, np.repeat(given, 2, 2))


def test_integers_stay_integers(tmp_path: Path) -> None:
    """A network of two convolutions and what lies between: no op of it in float."""
    fed = keras.Input((6, 6, 3), name="x")
    x = L.Conv2D(4, 3, padding="same", activation="relu")(fed)
    network = lower(keras.Model(fed, L.Conv2D(2, 3)(L.UpSampling2D()(x))), tmp_path / "net")
    rng = np.random.default_rng(0)
    given = [{"x": rng.normal(size=(1, 6, 6, 3)).astype(np.float32)} for _ in range(8)]
    content = convert(network, parse_scheme("w8a8"), samples=lambda: iter(given))
    graph = onnx.load_from_string(content).graph
    makers = {name: node for node in graph.node for name in node.output}
    (resize,) = [node for node in graph.node if node.op_type == "Resize"]
    (reader,) = [node for node in graph.node if resize.output[0] in node.input]
    assert makers[resize.input[0]].op_type == "DequantizeLinear"
    assert reader.op_type == "QuantizeLinear"
