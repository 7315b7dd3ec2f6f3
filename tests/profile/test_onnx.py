"""ONNX nodes against hand arithmetic, made by onnx's own builders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.errors import InputError
from edgekit.profile.cost.summary import summarize
from edgekit.profile.graph import read_graph

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402


def save(
    path: Path, nodes: list[Any], inputs: dict[str, list[Any]], weights: dict[str, Any]
) -> Path:
    """Write a model whose output is that of the last node, with the shape left open."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(w), n) for n, w in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    path.write_bytes(model.SerializeToString())
    return path


def zeros(*shape: int, dtype: str = "float32") -> Any:
    return np.zeros(shape, dtype)


NODE = helper.make_node
CASES = {
    "conv": (
        [NODE("Conv", ["x", "w"], ["y"], strides=[2, 2], pads=[1, 1, 1, 1])],
        {"x": [1, 5, 9, 9]}, {"w": zeros(7, 5, 3, 3)}, 5 * 5 * 7 * 9 * 5,
    ),
    "grouped": (
        [NODE("Conv", ["x", "w"], ["y"], group=4)],
        {"x": [1, 8, 6, 6]}, {"w": zeros(12, 2, 1, 1)}, 36 * 12 * 2,
    ),
    "transposed": (
        [NODE("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2])],
        {"x": [1, 6, 4, 4]}, {"w": zeros(6, 5, 3, 3)}, 16 * 6 * 9 * 5,
    ),
    "gemm": (
        [NODE("Gemm", ["x", "w", "b"], ["y"], transA=1, transB=1)],
        {"x": [10, 3]}, {"w": zeros(4, 10), "b": zeros(4)}, 3 * 10 * 4,
    ),
    "matmul": (
        [NODE("MatMul", ["x", "z"], ["y"])],
        {"x": [2, 3, 4, 5], "z": [2, 3, 5, 6]}, {}, 2 * 3 * 4 * 6 * 5,
    ),
    "gru": (  # 7 steps of a batch of 2; 3 gates of 6 units in both directions
        [NODE("GRU", ["x", "w", "r"], ["y"], hidden_size=6, direction="bidirectional")],
        {"x": [7, 2, 3]}, {"w": zeros(2, 18, 3), "r": zeros(2, 18, 6)}, 14 * 2 * 18 * 9,
    ),
    "einsum": (
        [NODE("Einsum", ["x", "z"], ["y"], equation="bik,bkj->bij")],
        {"x": [2, 4, 5], "z": [2, 5, 6]}, {}, 2 * 4 * 5 * 6,
    ),
    "free batch": (
        [NODE("MatMul", ["x", "w"], ["y"])],
        {"x": ["n", 10]}, {"w": zeros(10, 4)}, 40,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_count_is_that_of_the_hand(case: str, tmp_path: Path) -> None:
    nodes, inputs, weights, expected = CASES[case]
    graph = read_graph(save(tmp_path / "m.onnx", nodes, inputs, weights))
    summary = summarize(graph)
    assert summary.madds == expected
    assert summary.params == sum(w.size for w in weights.values())


def test_quantized_weights_are_weights_and_scales_are_not(tmp_path: Path) -> None:
    """QDQ: 8-bit weights behind DequantizeLinear, which costs nothing and holds no activation."""
    scale = {"s": np.float32(0.1), "z": np.int8(0)}
    weights = {"w": zeros(4, 3, 3, 3, dtype="int8"), "b": zeros(4, dtype="int32"),
               "sb": np.float32(0.01), "zb": np.int32(0), **scale}  # fmt: skip
    nodes = [
        NODE("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        NODE("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
        NODE("DequantizeLinear", ["w", "s", "z"], ["wd"]),
        NODE("DequantizeLinear", ["b", "sb", "zb"], ["bd"]),
        NODE("Conv", ["xd", "wd", "bd"], ["y"]),
    ]
    summary = summarize(read_graph(save(tmp_path / "m.onnx", nodes, {"x": [1, 3, 8, 8]}, weights)))
    assert summary.madds == 6 * 6 * 4 * 27
    assert summary.params == 4 * 27 + 4
    assert summary.weight_bytes == 4 * 27 + 4 * 4 + (4 + 1) + (4 + 4)
    assert summary.activation_bytes == 192 * 4 + 192 + 192 * 4 + 144 * 4


def test_settings_are_no_parameters(tmp_path: Path) -> None:
    nodes = [NODE("Clip", ["x", "low", "high"], ["y"])]
    limits = {"low": np.float32(0), "high": np.float32(6)}
    summary = summarize(read_graph(save(tmp_path / "m.onnx", nodes, {"x": [1, 8]}, limits)))
    assert (summary.madds, summary.params, summary.weight_bytes) == (0, 0, 8)


def test_control_flow_is_named(tmp_path: Path) -> None:
    branch = helper.make_graph(
        [NODE("Relu", ["x"], ["r"])],
        "b",
        [],
        [helper.make_tensor_value_info("r", TensorProto.FLOAT, None)],
    )
    nodes = [NODE("If", ["c"], ["y"], then_branch=branch, else_branch=branch)]
    path = save(tmp_path / "m.onnx", nodes, {"x": [1, 8]}, {"c": np.array(True)})
    with pytest.raises(InputError, match="no MAdd rule for If"):
        summarize(read_graph(path))
    assert summarize(read_graph(path), allow_unknown=True).unknown == ("If",)


def test_external_weights_are_refused(tmp_path: Path) -> None:
    path = save(
        tmp_path / "m.onnx",
        [NODE("MatMul", ["x", "w"], ["y"])],
        {"x": [1, 1000]},
        {"w": zeros(1000, 1000)},
    )
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.bin")
    with pytest.raises(InputError, match="weights in other files are not opened"):
        read_graph(path)
