"""What an 8-bit .onnx leaves in float, and the roundings that nothing reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import tf_keras as keras
from onnx import numpy_helper, parser

from edgekit.export.conversion import Plan, convert
from edgekit.export.onnx.float_ops import drop_roundings, float_ops
from edgekit.quantize.scheme import parse_schemes
from edgekit.sources.function import source_of

BLOCK = """
a = Add (x, x)
n = LayerNormalization <axis = -1> (a, g, g)
d = MatMul (n, w)
e = Erf (d)
m = Mul (e, d)
p = MatMul (m, w)
y = Add (a, p)
"""
GATED = """
c = Conv (x, k)
s = GlobalAveragePool (c)
t = Tanh (s)
m = Mul (c, t)
y = Conv (m, k)
"""


def model_of(text: str, ends: str, **stored: Any) -> Any:
    """Return a model of nodes named by what they answer."""
    graph = parser.parse_graph(f"g {ends} {{ {text} }}")
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in stored.items()
    )
    for node in graph.node:
        node.name = node.output[0]
    imports = [onnx.helper.make_opsetid("", 17)]
    return onnx.helper.make_model(graph, opset_imports=imports, ir_version=8)


def answers(model: Any, **given: Any) -> Any:
    return ort.InferenceSession(model.SerializeToString()).run(None, given)[0]


def kinds(model: Any) -> list[str]:
    return [node.op_type for node in model.graph.node]


def test_what_lies_beside_a_norm_or_an_error_function_is_float() -> None:
    ones = np.ones(8, np.float32)
    model = model_of(BLOCK, "(float[1,4,8] x) => (float[1,4,8] y)", g=ones, w=np.diag(ones))
    assert sorted(float_ops(model)) == ["a", "e", "m", "n", "y"]


def test_a_gate_of_few_numbers_turns_no_map_into_floats() -> None:
    weights = np.ones((8, 8, 1, 1), np.float32)
    model = model_of(GATED, "(float[1,8,6,6] x) => (float[1,8,6,6] y)", k=weights)
    assert float_ops(model) == ["t"]


def test_a_sum_of_convolutions_stays_in_integers_unless_it_is_the_answer() -> None:
    weights, ends = np.ones((8, 8, 1, 1), np.float32), "(float[1,8,6,6] x) => (float[1,8,6,6] y)"
    between = "c = Conv (x, k) \n d = Conv (c, k) \n a = Add (c, d) \n y = Conv (a, k)"
    last = "c = Conv (x, k) \n d = Conv (c, k) \n y = Add (c, d)"
    assert float_ops(model_of(between, ends, k=weights)) == []
    assert float_ops(model_of(last, ends, k=weights)) == ["y"]


@pytest.mark.parametrize(("tokens", "expected"), [(64, ["s"]), (256, [])])
def test_small_products_of_computed_matrices_are_float(tokens: int, expected: list[str]) -> None:
    ends = f"(float[1,{tokens},64] q, float[1,64,{tokens}] k) => (float[1,{tokens},{tokens}] s)"
    assert float_ops(model_of("s = MatMul (q, k)", ends)) == expected


ROUNDED = """
xq = QuantizeLinear (x, sx, zx)
xd = DequantizeLinear (xq, sx, zx)
wd = DequantizeLinear (w, sw, zw)
m = MatMul (xd, wd)
mq = QuantizeLinear (m, sm, zx)
md = DequantizeLinear (mq, sm, zx)
f = Exp (md)
r = Reshape (f, shape)
rq = QuantizeLinear (r, sm, zx)
y = DequantizeLinear (rq, sm, zx)
"""
STEPS = {"sx": np.float32(0.5), "zx": np.uint8(128), "sw": np.float32(0.25), "zw": np.int8(0),
         "sm": np.float32(4), "shape": np.array([2, 1], np.int64),
         "w": np.array([[1, -2], [3, 4]], np.int8)}  # fmt: skip


def test_integers_are_multiplied_and_floats_are_answered() -> None:
    """By hand: (2, -1) (.25, -.5; .75, 1) is (-.25, -2), whose exponentials nothing rounds."""
    model = model_of(ROUNDED, "(float[1,2] x) => (float[2,1] y)", **STEPS)
    given = np.array([[2.1, -0.9]], np.float32)  # to steps of a half: 2 and -1
    assert answers(model, x=given).ravel().tolist() == [0.0, 0.0]  # in steps of 4
    drop_roundings(model.graph, ["f"])
    assert kinds(model) == ["QuantizeLinear", "DequantizeLinear", "DequantizeLinear", "MatMul",
                            "Exp", "Reshape"]  # fmt: skip
    np.testing.assert_allclose(answers(model, x=given).ravel(), np.exp([-0.25, -2]), rtol=1e-6)


def test_moves_before_an_answer_move_floats() -> None:
    """By hand: (2, -1) times the weights, as above, is answered column by column."""
    text = """
        xq = QuantizeLinear (x, sx, zx)
        xd = DequantizeLinear (xq, sx, zx)
        wd = DequantizeLinear (w, sw, zw)
        m = MatMul (xd, wd)
        mq = QuantizeLinear (m, sm, zx)
        md = DequantizeLinear (mq, sm, zx)
        t = Transpose <perm = [1, 0]> (md)
        tq = QuantizeLinear (t, sm, zx)
        td = DequantizeLinear (tq, sm, zx)
        r = Reshape (td, shape)
        rq = QuantizeLinear (r, sm, zx)
        y = DequantizeLinear (rq, sm, zx)
    """
    model = model_of(text, "(float[1,2] x) => (float[2,1] y)", **STEPS)
    drop_roundings(model.graph, [])
    assert kinds(model)[3:] == ["MatMul", "Transpose", "Reshape"]
    assert answers(model, x=np.array([[2, -1]], np.float32)).ravel().tolist() == [-0.25, -2]


def test_a_map_of_labels_is_read_in_integers() -> None:
    weights = np.ones((8, 8, 1, 1), np.float32)
    text = "c = Conv (x, k) \n d = Conv (c, k) \n a = Add (c, d) \n y = ArgMax <axis = 1> (a)"
    assert float_ops(model_of(text, "(float[1,8,6,6] x) => (int64[1,1,6,6] y)", k=weights)) == []


def test_a_float_reader_beside_a_product_reads_what_was_not_rounded() -> None:
    """By hand: exp(2.1) is added to what its rounding to 8 becomes by the weights."""
    text = """
        e = Exp (x)
        eq = QuantizeLinear (e, sm, zx)
        ed = DequantizeLinear (eq, sm, zx)
        wd = DequantizeLinear (w, sw, zw)
        m = MatMul (ed, wd)
        y = Add (ed, m)
    """
    model = model_of(text, "(float[1,2] x) => (float[1,2] y)", **STEPS)
    drop_roundings(model.graph, ["e", "y"])
    given = np.log(np.array([[9.0, 5.0]], np.float32))
    expected = [9 + 8 * 0.25 + 4 * 0.75, 5 + 8 * -0.5 + 4 * 1]
    np.testing.assert_allclose(answers(model, x=given)[0], expected, rtol=1e-6)


def test_what_a_convolution_answers_stays_rounded() -> None:
    text = """
        kd = DequantizeLinear (k, sw, zw)
        xq = QuantizeLinear (x, sx, zx)
        xd = DequantizeLinear (xq, sx, zx)
        c = Conv (xd, kd)
        cq = QuantizeLinear (c, sm, zx)
        cd = DequantizeLinear (cq, sm, zx)
        y = Exp (cd)
    """
    stored = {**STEPS, "k": np.ones((1, 1, 1, 1), np.int8)}
    model = model_of(text, "(float[1,1,2,2] x) => (float[1,1,2,2] y)", **stored)
    before = kinds(model)
    drop_roundings(model.graph, ["y"])
    assert kinds(model) == before


@pytest.fixture
def recurrent(tmp_path: Path) -> Path:
    """Return the w8a8 .onnx of an LSTM."""
    network = keras.Sequential([keras.layers.Input((6, 3), name="x"), keras.layers.LSTM(4)])
    rows = np.random.default_rng(0).normal(size=(20, 6, 3)).astype(np.float32)
    plan = Plan(parse_schemes("w8a8"), ("onnx",), calibrate={"x": rows})
    artifact = convert(source_of(network, "lstm"), plan, tmp_path / "out").artifact
    return artifact.path(artifact.manifest.files[0])


def test_weights_of_a_recurrent_layer_are_restored_while_loading(
    recurrent: Path, tmp_path: Path
) -> None:
    stored = {t.name: t.data_type for t in onnx.load(recurrent).graph.initializer}
    assert list(stored.values()).count(onnx.TensorProto.INT8) == 2
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(str(recurrent), options)
    loaded = onnx.load(tmp_path / "loaded.onnx")
    (layer,) = [node for node in loaded.graph.node if node.op_type == "LSTM"]
    assert {*layer.input[1:3]} <= {tensor.name for tensor in loaded.graph.initializer}
