"""Weights are left behind, and nothing else: against onnx's own parser."""

from __future__ import annotations

import contextlib
import mmap
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edgekit.profile.graph.wire import drop_weights

DATA = ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data")


def model() -> onnx.ModelProto:
    """Large and small initializers in every kind of storage, and a stored value in a node."""
    many = list(range(20_000))
    weights = [
        numpy_helper.from_array(np.ones((100, 100), np.float32), "raw"),
        numpy_helper.from_array(np.ones((10, 10), np.float32), "short"),
        helper.make_tensor("floats", TensorProto.FLOAT, [20_000], [0.5] * 20_000),
        helper.make_tensor("ints", TensorProto.INT32, [20_000], [300] * 20_000),
        helper.make_tensor("longs", TensorProto.INT64, [20_000], [v << 20 for v in many]),
        helper.make_tensor("doubles", TensorProto.DOUBLE, [20_000], [0.1] * 20_000),
        helper.make_tensor("shape", TensorProto.INT64, [2], [1, -1]),
    ]
    stored = numpy_helper.from_array(np.ones(20_000, np.float32), "in a node")
    node = helper.make_node("Constant", [], ["y"], value=stored)
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [20_000])
    graph = helper.make_graph([node], "g", [], [output], weights, doc_string="d" * 50_000)
    return helper.make_model(graph, producer_name="p" * 50_000)


def test_only_large_contents_are_left_behind() -> None:
    expected = model()
    content = expected.SerializeToString()
    for tensor in expected.graph.initializer:
        for name in DATA if tensor.name not in ("short", "shape") else ():
            tensor.ClearField(name)
    found = onnx.load_model_from_string(drop_weights(content))
    assert found == expected
    assert len(drop_weights(content)) < 200_000 < len(content)


def test_a_mapped_file_is_read_the_same(tmp_path: Path) -> None:
    content = model().SerializeToString()
    (tmp_path / "m.onnx").write_bytes(content)
    with (tmp_path / "m.onnx").open("rb") as file, mmap.mmap(
        file.fileno(), 0, access=mmap.ACCESS_READ
    ) as data:  # fmt: skip
        assert drop_weights(data) == drop_weights(content)


def test_every_truncation_inside_is_told() -> None:
    """A cut between two fields of the model itself leaves a shorter model; any other is seen."""
    content = model().SerializeToString()
    whole = len(content) - len(helper.make_opsetid("", 1).SerializeToString()) - 20
    for end in range(100_000, whole, 997):
        with pytest.raises(ValueError, match=r"too early|no number"):
            drop_weights(content[:end])


@given(st.binary(max_size=200))
@example(b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
@example(b"\x80" * 100)
def test_bytes_from_anywhere_raise_nothing_else(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert drop_weights(data) == data  # nothing in it is large
