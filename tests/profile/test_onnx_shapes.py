"""Shapes behind computed shapes: what ONNX Runtime finds when it runs, we find without running."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import InputError
from edgekit.profile.cost.madds import count_madds
from edgekit.profile.graph.onnx import read_onnx

WIDTH = 6


def computed(count: str = "ReduceProd") -> Any:
    """Return a product of matrices whose height the graph computes from its input's shape."""
    weights = np.arange(WIDTH * 4, dtype=np.float32).reshape(1, WIDTH, 4)
    stored = {"first": np.array([0]), "two": np.array([2]), "width": np.array([WIDTH])}
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Slice", ["shape", "first", "two"], ["leading"]),
        helper.make_node(count, ["leading"], ["height"], keepdims=1),
        helper.make_node("Concat", ["height", "width"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["flat"]),
        helper.make_node("Unsqueeze", ["flat", "first"], ["batched"]),
        helper.make_node("MatMul", ["batched", "weights"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, 5, WIDTH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(v, n) for n, v in {**stored, "weights": weights}.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def test_a_computed_shape_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "computed.onnx"
    onnx.save(computed(), path)
    graph = read_onnx(path, {})
    product = graph.ops[-1]
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, {"x": np.zeros((3, 5, WIDTH), np.float32)})
    assert product.outputs[0].shape == answer.shape == (1, 15, 4)
    assert graph.outputs[0].shape == (1, 15, 4)
    assert count_madds(product) == 15 * WIDTH * 4
    assert [op.native for op in graph.ops][:3] == ["Shape", "Slice", "ReduceProd"]  # none is lost


def test_what_cannot_be_followed_stays_unknown(tmp_path: Path) -> None:
    """And is never counted as zero: the reader of such a size is told."""
    path = tmp_path / "unknown.onnx"
    onnx.save(computed("ReduceLogSumExp"), path)
    product = read_onnx(path, {}).ops[-1]
    assert product.outputs[0].shape != (1, 15, 4)
    with pytest.raises(InputError, match="size unknown"):
        count_madds(product)


def test_a_network_with_attention_has_one_number(tmp_path: Path) -> None:
    """Keras's MultiHeadAttention, as tf2onnx writes it: by hand from its sizes."""
    keras = pytest.importorskip("tf_keras")
    from edgekit.export.onnx import convert
    from edgekit.export.tracing.lowering import lower
    from edgekit.quantize.scheme import parse_scheme

    tokens, width, heads, size = 10, 8, 2, 3
    x = keras.Input((tokens, width))
    network = keras.Model(x, keras.layers.MultiHeadAttention(heads, size)(x, x))
    path = tmp_path / "attention.onnx"
    path.write_bytes(convert(lower(network, tmp_path / "lowered"), parse_scheme("f32")))
    madds = sum(count_madds(op) or 0 for op in read_onnx(path, {}).ops)
    projections = 4 * tokens * width * heads * size
    attention = 2 * heads * tokens * tokens * size
    assert madds == projections + attention
