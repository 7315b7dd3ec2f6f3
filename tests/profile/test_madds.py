"""Counts against hand arithmetic, from files that hold one op."""

from __future__ import annotations

from pathlib import Path

import pytest
from ai_edge_litert import schema_py_generated as schema

from edgekit.errors import InputError
from edgekit.profile.cost.madds import RULES, rule, total_madds
from edgekit.profile.cost.summary import by_kind, summarize
from edgekit.profile.graph import Graph, Op, Tensor, read_graph


def convolution(net) -> int:
    """3x3, stride 2, SAME: 9x9x5 to 5x5x7."""
    x, w = net.input(1, 9, 9, 5), net.constant(7, 3, 3, 5)
    net.op("CONV_2D", [x, w, net.constant(7)], [net.tensor(1, 5, 5, 7)])
    return 5 * 5 * 7 * 3 * 3 * 5


def dilated(net) -> int:
    """3x3, dilation 2, VALID: the holes cost nothing."""
    x, w = net.input(2, 9, 9, 5), net.constant(7, 3, 3, 5)
    net.op("CONV_2D", [x, w, -1], [net.tensor(2, 5, 5, 7)])
    return 2 * 5 * 5 * 7 * 3 * 3 * 5


def grouped(net) -> int:
    """4 groups: each of 12 filters sees 2 of 8 channels."""
    x, w = net.input(1, 6, 6, 8), net.constant(12, 1, 1, 2)
    net.op("CONV_2D", [x, w, -1], [net.tensor(1, 6, 6, 12)])
    return 6 * 6 * 12 * 2


def depthwise(net) -> int:
    """Multiplier 2: 5 channels become 10, each from one."""
    x, w = net.input(1, 8, 8, 5), net.constant(1, 3, 3, 10)
    net.op("DEPTHWISE_CONV_2D", [x, w, net.constant(10)], [net.tensor(1, 8, 8, 10)])
    return 8 * 8 * 10 * 3 * 3


def transposed(net) -> int:
    """3x3 from 4x4x6 to 8x8x5: every input element meets 3*3*5 weights."""
    size = net.constant(values=[1, 8, 8, 5], dtype="int32")
    w, x = net.constant(5, 3, 3, 6), net.input(1, 4, 4, 6)
    net.op("TRANSPOSE_CONV", [size, w, x], [net.tensor(1, 8, 8, 5)])
    return 4 * 4 * 6 * 3 * 3 * 5


def fully_connected(net) -> int:
    """A batch of 3 rows of 10 to 4."""
    x, w = net.input(3, 10), net.constant(4, 10)
    net.op("FULLY_CONNECTED", [x, w, net.constant(4)], [net.tensor(3, 4)])
    return 3 * 10 * 4


def batch_matmul(net) -> int:
    a, b = net.input(2, 3, 4, 5, name="a"), net.input(2, 3, 5, 6, name="b")
    net.op("BATCH_MATMUL", [a, b], [net.tensor(2, 3, 4, 6)], schema.BatchMatMulOptionsT())
    return 2 * 3 * 4 * 6 * 5


def batch_matmul_transposed(net) -> int:
    """adj_x: `[5, 4]` stands for `[4, 5]`."""
    a, b = net.input(2, 5, 4, name="a"), net.input(2, 5, 6, name="b")
    options = schema.BatchMatMulOptionsT(adjX=True)
    net.op("BATCH_MATMUL", [a, b], [net.tensor(2, 4, 6)], options)
    return 2 * 4 * 6 * 5


def lstm(net) -> int:
    """7 steps of a batch of 2; 4 gates of 6 units see 3 inputs and 6 states."""
    x = net.input(2, 7, 3)
    weights = [net.constant(6, 3) for _ in range(4)] + [net.constant(6, 6) for _ in range(4)]
    biases = [net.constant(6) for _ in range(4)]
    states = [net.tensor(2, 6), net.tensor(2, 6)]
    inputs = [x, *weights, -1, -1, -1, *biases, -1, -1, *states]
    net.op("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [net.tensor(2, 7, 6)])
    return 2 * 7 * 4 * 6 * (3 + 6)


def basic_lstm(net) -> int:
    """The cell of the oldest files: one matrix for four gates."""
    x, last, state = net.input(2, 3), net.tensor(2, 6), net.tensor(2, 6)
    inputs = [x, last, net.constant(24, 9), net.constant(24), state]
    net.op("LSTM", inputs, [net.tensor(2, 6)])
    return 2 * 24 * 9


def convolution_3d(net) -> int:
    x, w = net.input(1, 4, 6, 6, 3), net.constant(2, 3, 3, 3, 5)
    net.op("CONV_3D", [x, w], [net.tensor(1, 3, 4, 4, 5)])
    return 3 * 4 * 4 * 2 * 3 * 3 * 3 * 5


def spectrum(net) -> int:
    """30 rows of 256: a complex transform of each has 128 products of 4 in each of 8 rounds."""
    sides = net.constant(values=[1, 256], dtype="int32")
    net.op("RFFT2D", [net.input(30, 1, 256), sides], [net.tensor(30, 1, 129)])
    return 30 * (128 * 4 * 8) // 2


def spectrum_of_a_map(net) -> int:
    """16 rows of 8, half of 4 products of 4 in 3 rounds; 5 columns of 16, 8 of 4 in 4 rounds."""
    sides = net.constant(values=[16, 8], dtype="int32")
    net.op("RFFT2D", [net.input(1, 16, 8), sides], [net.tensor(1, 16, 5)])
    return 16 * (4 * 4 * 3) // 2 + 5 * 8 * 4 * 4


def elementwise(net) -> int:
    net.op("ADD", [net.input(1, 8), net.constant(8)], [net.tensor(1, 8)])
    return 0


CASES = [convolution, dilated, grouped, depthwise, transposed, fully_connected, batch_matmul,
         batch_matmul_transposed, lstm, basic_lstm, convolution_3d, spectrum,
         spectrum_of_a_map, elementwise]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_count_is_that_of_the_hand(case, net, tmp_path: Path) -> None:
    expected = case(net)
    assert total_madds(read_graph(net.write(tmp_path / "m.tflite"))) == expected


def test_parameters_are_weights_and_biases_not_shapes(net, tmp_path: Path) -> None:
    transposed(net)
    summary = summarize(read_graph(net.write(tmp_path / "m.tflite")))
    assert summary.params == 5 * 3 * 3 * 6
    assert summary.weight_bytes == 4 * 5 * 3 * 3 * 6 + 4 * 4
    assert summary.activation_bytes == 4 * (4 * 4 * 6 + 8 * 8 * 5)


def test_shared_weights_count_once_as_parameters_and_twice_as_madds(net, tmp_path: Path) -> None:
    x, w = net.input(1, 10), net.constant(10, 10)
    y = net.tensor(1, 10)
    net.op("FULLY_CONNECTED", [x, w, -1], [y])
    net.op("FULLY_CONNECTED", [y, w, -1], [net.tensor(1, 10)])
    graph = read_graph(net.write(tmp_path / "m.tflite"))
    summary = summarize(graph)
    assert (summary.madds, summary.params) == (200, 100)
    (row,) = by_kind(graph)
    assert (row.ops, row.madds, row.params) == (2, 200, 100)


def test_float16_weights_are_stored_weights(net, tmp_path: Path) -> None:
    """What DEQUANTIZE makes of them is constant: neither an activation nor a second parameter."""
    x, half, full = net.input(1, 10), net.constant(4, 10, dtype="float16"), net.tensor(4, 10)
    net.op("DEQUANTIZE", [half], [full])
    net.op("FULLY_CONNECTED", [x, full, -1], [net.tensor(1, 4)])
    graph = read_graph(net.write(tmp_path / "m.tflite"))
    summary = summarize(graph)
    assert (summary.madds, summary.params, summary.weight_bytes) == (40, 40, 80)
    assert summary.activation_bytes == 4 * (10 + 4)
    assert {row.name: row.params for row in by_kind(graph)} == {
        "FULLY_CONNECTED": 40,
        "DEQUANTIZE": 0,
    }


def test_op_without_a_rule_is_named_and_never_zero(net, tmp_path: Path) -> None:
    x, y = net.input(1, 10), net.tensor(1, 10)
    net.op("CUSTOM", [x], [y], custom="Mystery")
    net.op("SKIP_GRAM", [y], [net.tensor(1, 10)])
    path = net.write(tmp_path / "m.tflite")
    with pytest.raises(InputError, match="no MAdd rule for Mystery, SKIP_GRAM"):
        summarize(read_graph(path))
    summary = summarize(read_graph(path), allow_unknown=True)
    assert summary.unknown == ("Mystery", "SKIP_GRAM")
    assert [row.madds for row in by_kind(read_graph(path))] == [None, None]


def test_unknown_size_is_an_error_not_a_zero() -> None:
    x, w, y = (
        Tensor(0, "x", (1, 4, 4, 2), "float32"),
        Tensor(1, "w", (3, 1, 1, 2), "float32", constant=True),
        Tensor(2, "y", (1, -1, 4, 3), "float32"),
    )
    graph = Graph("g", "tflite", (x,), (y,), (Op("conv", "CONV_2D", (x, w), (y,)),))
    with pytest.raises(InputError, match=r"y: size unknown.*--shape"):
        total_madds(graph)


def test_second_rule_for_a_kind_is_refused() -> None:
    before = dict(RULES)
    with pytest.raises(ValueError, match="add has two rules"):
        rule("add")(lambda op: 0)
    assert before == RULES
