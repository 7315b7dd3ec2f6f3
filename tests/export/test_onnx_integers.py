"""What is changed in translated files leaves every answer as it is."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.reference
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.export.onnx.integers import drop_saturated_clips, make_activations_unsigned


def clipped(scale: float, zero: int, *, read_in_float: bool = False) -> onnx.ModelProto:
    """Clip x to 0..6 and round it to uint8."""
    constants = {
        "low": np.float32(0), "high": np.float32(6), "scale": np.float32(scale),
        "zero": np.uint8(zero),
    }  # fmt: skip
    nodes = [
        helper.make_node("Clip", ["x", "low", "high"], ["bounded"]),
        helper.make_node("QuantizeLinear", ["bounded", "scale", "zero"], ["y"]),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.UINT8, [5])]
    if read_in_float:
        nodes.append(helper.make_node("Neg", ["bounded"], ["z"]))
        outputs.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [5]))
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [5])]
    weights = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    graph = helper.make_graph(nodes, "clipped", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)


def run(model: onnx.ModelProto) -> np.ndarray:
    """Answer by ONNX's own reference."""
    x = np.array([-3.0, 0.01, 2.999, 5.99, 40.0], np.float32)
    return onnx.reference.ReferenceEvaluator(model).run(None, {"x": x})[0]


@pytest.mark.parametrize(
    ("scale", "zero", "left"),
    [
        (6 / 255, 0, 0),  # the file of a ReLU6 over its whole range
        (4 / 255, 0, 0),  # a range that ends before 6
        (8 / 255, 0, 1),  # 6 is 191: what is above has to be cut
        (6 / 255, 20, 1),  # there are integers below 0
    ],
)
def test_what_saturates_needs_no_clip(scale: float, zero: int, left: int) -> None:
    model = clipped(scale, zero)
    expected = run(model)
    drop_saturated_clips(model.graph)
    assert [n.op_type for n in model.graph.node].count("Clip") == left
    np.testing.assert_array_equal(run(model), expected)


def test_a_clip_that_is_read_in_float_stays() -> None:
    model = clipped(6 / 255, 0, read_in_float=True)
    drop_saturated_clips(model.graph)
    assert model.graph.node[0].op_type == "Clip"


def signed(reader: str) -> onnx.ModelProto:
    """Round x to int8 around -20, and let an op read it that gives y."""
    constants = {"scale": np.float32(0.1), "zero": np.int8(-20)}
    second = ["q", "scale", "zero"] if reader == "DequantizeLinear" else ["q"]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node(reader, second, ["y"], **({"to": 1} if reader == "Cast" else {})),
    ]
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [5]) for n in "xy")
    weights = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    graph = helper.make_graph(nodes, "signed", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)


def test_activations_move_to_unsigned_integers_of_the_same_values() -> None:
    model = signed("DequantizeLinear")
    expected = run(model)
    make_activations_unsigned(model.graph)
    (name,) = {node.input[2] for node in model.graph.node}
    zero = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}[name]
    assert zero.dtype == np.uint8
    assert zero == 108
    np.testing.assert_array_equal(run(model), expected)


def test_integers_that_something_else_reads_stay_signed(caplog: pytest.LogCaptureFixture) -> None:
    model = signed("Cast")
    before = model.SerializeToString()
    make_activations_unsigned(model.graph)
    assert "activations stay signed, as Cast takes them in integers" in caplog.text
    assert model.SerializeToString() == before
