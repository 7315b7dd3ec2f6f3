"""What lies between convolutions over rows is done on maps, with the same answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime as ort
import pytest
import tf_keras
from onnx import numpy_helper, parser

from edgekit.export.onnx import convert
from edgekit.export.onnx.graph import shapes_of
from edgekit.export.onnx.maps import keep_maps
from edgekit.export.tracing.lowering import lower
from edgekit.quantize.scheme import parse_scheme

BEHIND = """
c = Conv (x, k)
s = Squeeze (c, height)
r = Transpose <perm = [0, 2, 1]> (s)
"""
BEFORE = """
u = Unsqueeze (e, first)
v = Transpose <perm = [0, 3, 1, 2]> (u)
y = Conv (v, k)
"""
STORED = {
    "k": np.random.default_rng(0).normal(size=(3, 3, 1, 1)).astype(np.float32),
    "height": np.array([2]), "first": np.array([1]),
}  # fmt: skip
ENDS = "(float[1,3,1,5] x) => (float[1,3,1,N] y)"


def model_of(text: str, ends: str = ENDS, **stored: Any) -> Any:
    graph = parser.parse_graph(f"g {ends} {{ {text} }}")
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name)
        for name, value in {**STORED, **stored}.items()
    )
    imports = [onnx.helper.make_opsetid("", 17)]
    return onnx.helper.make_model(graph, opset_imports=imports, ir_version=8)


def answers(model: Any) -> Any:
    given = np.random.default_rng(1).normal(size=(1, 3, 1, 5)).astype(np.float32)
    return ort.InferenceSession(model.SerializeToString()).run(None, {"x": given})[0]


BETWEEN = {
    "an activation": ("e = Tanh (r)", {}),
    "a number": ("e = Mul (r, n)", {"n": np.float32(3)}),
    "a number a channel": ("e = Add (r, n)", {"n": np.array([1, 20, 300], np.float32)}),
    "a number a place": ("e = Add (n, r)", {"n": np.arange(5, dtype=np.float32).reshape(5, 1)}),
    "a number each": ("e = Sub (n, r)", {"n": np.arange(15, dtype=np.float32).reshape(1, 5, 3)}),
    "a residual": ("t = Relu (r) \n e = Add (t, r)", {}),
    "a padding": ("e = Pad (r, n)", {"n": np.array([0, 2, 0, 0, 1, 0])}),
}


@pytest.mark.parametrize("case", BETWEEN)
def test_nothing_is_turned_and_the_answers_stay(case: str) -> None:
    text, stored = BETWEEN[case]
    model = model_of(BEHIND + text + BEFORE, **stored)
    expected = answers(model)
    keep_maps(model.graph, shapes_of(model))
    kinds = [node.op_type for node in model.graph.node]
    assert not {"Squeeze", "Unsqueeze", "Transpose"} & {*kinds}
    assert kinds[0] == kinds[-1] == "Conv"
    np.testing.assert_allclose(answers(model), expected, rtol=1e-6, atol=1e-6)


def test_an_answer_between_is_still_given() -> None:
    ends = "(float[1,3,1,5] x) => (float[1,5,3] e, float[1,3,1,5] y)"
    model = model_of(BEHIND + "e = Tanh (r)" + BEFORE, ends)
    expected = answers(model)
    keep_maps(model.graph, shapes_of(model))
    np.testing.assert_allclose(answers(model), expected, rtol=1e-6)
    kinds = [node.op_type for node in model.graph.node]
    assert (kinds.count("Squeeze"), kinds.count("Unsqueeze")) == (1, 0)


def test_one_number_of_more_axes_is_left_alone() -> None:
    ends = "(float[1,3,1,5] x) => (float[1,1,5,3] y)"
    model = model_of(BEHIND + "y = Add (r, n)", ends, n=np.ones((1, 1, 1, 1), np.float32))
    expected = answers(model)
    keep_maps(model.graph, shapes_of(model))
    np.testing.assert_array_equal(answers(model), expected)


def test_numbers_of_more_axes_are_left_alone() -> None:
    ends = "(float[1,3,1,5] x) => (float[2,1,5,3] y)"
    model = model_of(BEHIND + "y = Add (r, n)", ends, n=np.ones((2, 1, 1, 1), np.float32))
    expected, before = answers(model), [node.op_type for node in model.graph.node]
    keep_maps(model.graph, shapes_of(model))
    assert [node.op_type for node in model.graph.node] == before
    np.testing.assert_array_equal(answers(model), expected)


def test_an_average_over_a_row_is_one_over_the_map() -> None:
    """By hand arithmetic too: the mean of the answers over the row's five places."""
    ends = "(float[1,3,1,5] x) => (float[1,3] y)"
    model = model_of(BEHIND + "y = ReduceMean <axes = [1], keepdims = 0> (r)", ends)
    expected = answers(model)
    keep_maps(model.graph, shapes_of(model))
    assert [node.op_type for node in model.graph.node] == ["Conv", "GlobalAveragePool", "Squeeze"]
    np.testing.assert_allclose(answers(model), expected, rtol=1e-6)
    rows = answers(model_of("y = Conv (x, k)", "(float[1,3,1,5] x) => (float[1,3,1,5] y)"))
    np.testing.assert_allclose(expected[0], rows.mean((0, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize("version", [tf_keras, keras], ids=["tf_keras", "keras"])
def test_a_residual_network_over_rows(version: Any, tmp_path: Path) -> None:
    layers = version.layers
    rows = layers.Input((16, 3), batch_size=1, name="x")
    first = layers.Conv1D(8, 3, padding="same", activation="relu")(rows)
    second = layers.Conv1D(8, 3, padding="causal", activation="gelu")(first)
    third = layers.Conv1D(8, 3, padding="same", activation="tanh")(layers.Add()([first, second]))
    network = version.Model(rows, layers.Dense(4)(layers.GlobalAveragePooling1D()(third)))
    lowered = lower(network, tmp_path / "net")
    content = convert(lowered, parse_scheme("f32"))
    kinds = [node.op_type for node in onnx.load_from_string(content).graph.node]
    # One of each for the rows that are fed; heights are dropped around the average.
    counts = {kind: kinds.count(kind) for kind in ("Transpose", "Unsqueeze", "Squeeze", "Pad")}
    assert counts == {"Transpose": 1, "Unsqueeze": 1, "Squeeze": 2, "Pad": 0}
    given = np.random.default_rng(0).normal(size=(1, 16, 3)).astype(np.float32)
    (got,) = ort.InferenceSession(content).run(None, {"x": given})
    np.testing.assert_allclose(got, np.asarray(network(given)), rtol=1e-4, atol=1e-5)
