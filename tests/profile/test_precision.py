"""What was really quantized: on files whose types are known by construction."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.profile.graph import Graph, Op, Tensor, read_graph
from edgekit.profile.precision import by_type, islands, precisions, types_text


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
