"""What was really quantized: on files whose types are known by construction."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.profile.cost.precision import by_type, islands, precisions, types_text
from edgekit.profile.graph import Graph, Op, Tensor, read_graph


def tensor(index: int, dtype: str, constant: bool = False) -> Tensor:
    return Tensor(index, f"t{index}", (1, 4), dtype, constant, constant)


def conv(weights: Tensor, reads: Tensor, writes: Tensor, layer: str = "") -> Op:
    return Op("conv", "CONV_2D", (reads, weights), (writes,), layer, {"weights": (1,)})


def graph(*ops: Op, inputs: tuple[Tensor, ...] = (), outputs: tuple[Tensor, ...] = ()) -> Graph:
    return Graph("main", "tflite", inputs, outputs, ops)


def test_integer_float_and_dynamic() -> None:
    ints = [tensor(i, "int8") for i in range(2)]
    floats = [tensor(i, "float32") for i in range(2, 4)]
    w8, w32, w16 = (
        tensor(10, "int8", True),
        tensor(11, "float32", True),
        tensor(12, "float16", True),
    )
    ops = [conv(w8, *ints), *(conv(weights, *floats) for weights in (w8, w32, w16))]
    found = precisions(graph(*ops))
    assert [op.computes for op in found] == ["integer", "dynamic", "float", "float"]
    assert [op.weights for op in found] == ["int8", "int8", "float32", "float16"]


@pytest.mark.parametrize("held", ["float16", "int8"])
def test_weights_are_named_as_they_are_stored(held: str) -> None:
    stored, unpacked = tensor(0, held, True), tensor(1, "float32", True)
    reads, writes = tensor(2, "float32"), tensor(3, "float32")
    restore = Op("dequantize", "DEQUANTIZE", (stored,), (unpacked,))
    told = graph(restore, conv(unpacked, reads, writes), conv(tensor(4, "float32", True), writes,
                                                              tensor(5, "float32")))  # fmt: skip
    found, other = precisions(told)
    assert (found.weights, found.reads, found.computes) == (held, "float32", "float")
    assert other.weights == "float32"
    assert types_text(told) == (
        f"2 of 2 ops float; weights in float ops held as {held} in 1, float32 in 1"
    )


def chain() -> Graph:
    """int8 conv a, float convs b and c, int8 conv d, float conv e of another branch."""
    a, b, c = tensor(1, "int8"), tensor(2, "float32"), tensor(3, "float32")
    back, d, loose, e = (tensor(4, "int8"), tensor(5, "int8"), tensor(6, "float32"),
                         tensor(7, "float32"))  # fmt: skip
    w8, w32 = tensor(10, "int8", True), tensor(11, "float32", True)
    out, again = tensor(8, "float32"), tensor(9, "float32")
    return graph(
        conv(w8, tensor(0, "int8"), a, "a"),
        Op("dequantize", "DEQUANTIZE", (a,), (out,)),
        conv(w32, out, b, "b"),
        conv(w32, b, c, "c"),
        Op("quantize", "QUANTIZE", (c,), (back,)),
        conv(w8, back, d, "d"),
        Op("dequantize", "DEQUANTIZE", (d,), (again,)),
        conv(w32, loose, e, "e"),
    )


def test_islands_are_connected_float_ops() -> None:
    assert [[op.layer for op in group] for group in islands(chain())] == [["b", "c"], ["e"]]
    assert types_text(chain()) == (
        "3 of 5 ops float, 2 of 5 ops integer; in float: b to c (2 ops); e"
    )


def test_two_branches_that_meet_are_one_island() -> None:
    w = tensor(10, "float32", True)
    one, other, both, integer = (tensor(1, "float32"), tensor(2, "float32"), tensor(3, "float32"),
                                 tensor(4, "int8"))  # fmt: skip
    ops = (
        conv(w, tensor(0, "float32"), one, "one"),
        conv(w, tensor(0, "float32"), other, "other"),
        Op("add", "ADD", (one, other), (both,), "both"),
        conv(tensor(11, "int8", True), integer, tensor(5, "int8"), "far"),
    )
    assert [[op.layer for op in group] for group in islands(graph(*ops))] == [
        ["one", "other", "both"]
    ]


def test_an_integer_only_file_has_no_islands_nor_has_a_float_one() -> None:
    w8 = tensor(10, "int8", True)
    assert islands(graph(conv(w8, tensor(0, "int8"), tensor(1, "int8")))) == []
    assert islands(graph(conv(w8, tensor(0, "float32"), tensor(1, "float32")))) == []


def test_onnx_ops_between_their_conversions() -> None:
    """QuantizeLinear and DequantizeLinear around a convolution and its activation."""
    fed, fed_float = tensor(0, "uint8"), tensor(1, "float32")
    stored, weights = tensor(2, "int8", True), tensor(3, "float32", True)
    answer, clipped, out = tensor(4, "float32"), tensor(5, "float32"), tensor(6, "uint8")
    ops = (
        Op("dequantize_linear", "DequantizeLinear", (fed,), (fed_float,)),
        Op("dequantize_linear", "DequantizeLinear", (stored,), (weights,)),
        conv(weights, fed_float, answer),
        Op("clip", "Clip", (answer,), (clipped,)),
        Op("quantize_linear", "QuantizeLinear", (clipped,), (out,)),
    )
    first, second = precisions(replace(graph(*ops), format="onnx"))
    assert (first.weights, first.reads, first.writes) == ("int8", "uint8", "uint8")
    assert first.computes == "integer"
    assert second.kind == "clip"
    # Where another op reads the convolution's float answer, it has to compute in float.
    second_reader = Op("add", "Add", (answer,), (tensor(7, "float32"),))
    assert precisions(graph(*ops, second_reader))[0].computes == "float"


def test_an_op_between_the_conversions_of_a_tflite_is_float() -> None:
    """As `--keep` leaves one: the types are as they are stored, no runtime joins them."""
    fed, restored = tensor(0, "int8"), tensor(1, "float32")
    answer, out, last = tensor(2, "float32"), tensor(3, "int8"), tensor(4, "int8")
    ops = (
        Op("dequantize", "DEQUANTIZE", (fed,), (restored,)),
        conv(tensor(10, "float32", True), restored, answer, "kept"),
        Op("quantize", "QUANTIZE", (answer,), (out,)),
        conv(tensor(11, "int8", True), out, last, "behind"),
    )
    kept, behind = precisions(graph(*ops))
    assert (kept.reads, kept.writes, kept.computes) == ("float32", "float32", "float")
    assert behind.computes == "integer"
    assert types_text(graph(*ops)).endswith("in float: kept")


def test_many_places_in_float_are_told_in_one_line() -> None:
    """Equal ones once, of the others the first."""
    w32, w8 = tensor(500, "float32", True), tensor(501, "int8", True)
    names = ["step"] * 3 + [f"dense_{number}" for number in range(9)]
    apart = [conv(w32, tensor(2 * n, "float32"), tensor(2 * n + 1, "float32"), name)
             for n, name in enumerate(names)]  # fmt: skip
    told = types_text(graph(conv(w8, tensor(300, "int8"), tensor(301, "int8")), *apart))
    assert "in float: step (3 times); dense_0; dense_1;" in told
    assert told.endswith("dense_5; and 3 other places")


def joined(
    op: str,
    inputs: int = 1,
    stored: tuple[object, ...] = (),
    rounded: bool = True,
    **attributes: object,
) -> onnx.ModelProto:
    """An op between conversions of uint8, with stored values behind what is fed."""
    constants = {"s": np.float32(0.02), "z": np.uint8(0), "zw": np.int8(0)}
    fed = [f"x{number}" for number in range(inputs)]
    nodes = [helper.make_node("DequantizeLinear", [x, "s", "z"], [f"{x}_real"]) for x in fed]
    names = [f"{x}_real" for x in fed]
    for number, value in enumerate(stored):
        name = f"c{number}"
        constants[name] = np.asarray(value)
        if constants[name].dtype == np.int8:
            nodes.append(helper.make_node("DequantizeLinear", [name, "s", "zw"], [f"{name}_real"]))
            name += "_real"
        names.append(name)
    nodes.append(helper.make_node(op, names, ["y"], **attributes))
    ends = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    if rounded:
        nodes.append(helper.make_node("QuantizeLinear", ["y", "s", "z"], ["out"]))
        ends = [helper.make_tensor_value_info("out", TensorProto.UINT8, None)]
    made = helper.make_graph(
        nodes, "joined",
        [helper.make_tensor_value_info(x, TensorProto.UINT8, [1, 8, 8, 8]) for x in fed],
        ends,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


SQUARE = {"kernel_shape": [2, 2]}
EMPTY, TWICE = np.zeros(0, np.float32), np.array([1, 1, 2, 2], np.float32)
KERNEL = np.ones((8, 8, 3, 3), np.int8)
NORM = (np.ones(8, np.int8), np.ones(8, np.int8), np.ones(8, np.int8), np.ones(8, np.float32))
BETWEEN = {
    "Conv": joined("Conv", stored=(KERNEL,)),
    "ConvTranspose": joined("ConvTranspose", stored=(KERNEL,)),
    "MatMul": joined("MatMul", stored=(np.ones((8, 8), np.int8),)),
    "MatMul of two": joined("MatMul", 2),
    "MatMul that answers in float": joined("MatMul", 2, rounded=False),
    "Conv that answers in float": joined("Conv", stored=(KERNEL,), rounded=False),
    "Add": joined("Add", 2),
    "Mul": joined("Mul", 2),
    "Sub": joined("Sub", 2),
    "Div": joined("Div", 2),
    "Max": joined("Max", 2),
    "Concat": joined("Concat", 2, axis=1),
    "AveragePool": joined("AveragePool", **SQUARE),
    "MaxPool": joined("MaxPool", **SQUARE),
    "GlobalAveragePool": joined("GlobalAveragePool"),
    "GlobalMaxPool": joined("GlobalMaxPool"),
    "ReduceMean": joined("ReduceMean", axes=[2, 3]),
    "ReduceMax": joined("ReduceMax", axes=[2, 3]),
    "LeakyRelu": joined("LeakyRelu"),
    "Sigmoid": joined("Sigmoid"),
    "Softmax": joined("Softmax"),
    "Tanh": joined("Tanh"),
    "HardSigmoid": joined("HardSigmoid"),
    "Elu": joined("Elu"),
    "Neg": joined("Neg"),
    "Sqrt": joined("Sqrt"),
    "Flatten": joined("Flatten"),
    "Transpose": joined("Transpose", perm=[0, 2, 3, 1]),
    "Squeeze": joined("Squeeze", stored=(np.array([0]),)),
    "Unsqueeze": joined("Unsqueeze", stored=(np.array([0]),)),
    "Tile": joined("Tile", stored=(np.array([1, 1, 2, 1]),)),
    "Gather": joined("Gather", stored=(np.array([0]),)),
    "Pad": joined("Pad", stored=(np.array([0, 0, 1, 1, 0, 0, 1, 1]),)),
    "DepthToSpace": joined("DepthToSpace", blocksize=2),
    "SpaceToDepth": joined("SpaceToDepth", blocksize=2),
    "Resize to the nearest": joined("Resize", stored=(EMPTY, TWICE), mode="nearest"),
    "Resize between": joined("Resize", stored=(EMPTY, TWICE), mode="linear"),
    "BatchNormalization": joined("BatchNormalization", stored=NORM),
    "InstanceNormalization": joined("InstanceNormalization", stored=NORM[:2]),
}


@pytest.mark.parametrize("case", BETWEEN)
def test_onnx_ops_are_integer_where_onnx_runtime_makes_them_so(case: str, tmp_path: Path) -> None:
    """What is left of the conversions in the graph that it runs says so."""
    file, run = tmp_path / "file.onnx", tmp_path / "run.onnx"
    onnx.save(BETWEEN[case], file)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = str(run), 4
    onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    left = {node.op_type for node in onnx.load(run).graph.node}
    expected = "float" if "DequantizeLinear" in left else "integer"
    assert [op.computes for op in precisions(read_graph(file))] == [expected]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("tf2_mobilenet_v2_1.0_224_ptq.tflite", {"integer": 66}),
        ("mobilenet_v1_0.25_224_1_default_1.tflite", {"float": 31}),
        ("coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite", {"integer": 63, "float": 1}),
    ],
)
def test_published_files(shared_data: Path, file: str, expected: dict[str, int]) -> None:
    assert dict(by_type(read_graph(shared_data / "tflite" / file))) == expected
