"""What is folded leaves every answer as it is, by ONNX Runtime without its own foldings."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.export.onnx.affine import fold_affine
from edgekit.export.onnx.graph import drop_unused, shapes_of
from edgekit.export.onnx.padding import fold_padding

RNG = np.random.default_rng(0)


def weights(*shape: int) -> np.ndarray:
    return RNG.uniform(0.5, 1.5, shape).astype(np.float32)


def model(shape, nodes, constants, outputs=("y",)) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes, "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)


def answers(made: onnx.ModelProto, x: np.ndarray) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(made.SerializeToString(), options)
    return session.run(None, {"x": x})


def folded(made: onnx.ModelProto) -> list[str]:
    """Fold, check that the answers are the same, and return which ops are left."""
    shape = [d.dim_value for d in made.graph.input[0].type.tensor_type.shape.dim]
    x = RNG.normal(size=shape).astype(np.float32)
    expected = answers(made, x)
    fold_affine(made.graph, {name: len(sizes) for name, sizes in shapes_of(made).items()})
    fold_padding(made.graph)
    drop_unused(made.graph)
    for one, other in zip(answers(made, x), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    return [node.op_type for node in made.graph.node]


def scaled(value: str, *shape: int) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    """A multiplication and an addition behind `value`."""
    nodes = [
        helper.make_node("Mul", [value, "scale"], ["scaled"]),
        helper.make_node("Add", ["shift", "scaled"], ["y"]),
    ]
    return nodes, {"scale": weights(*shape), "shift": weights(*shape)}


CASES = {
    "depthwise": ("Conv", (1, 4, 6, 6), [(4, 1, 3, 3)], {"group": 4}, (1, 4, 1, 1)),
    "with a bias": ("Conv", (1, 4, 6, 6), [(5, 4, 3, 3), (5,)], {}, (5, 1, 1)),
    "one number": ("Conv", (1, 4, 6, 6), [(5, 4, 3, 3)], {}, ()),
    "transposed": ("ConvTranspose", (1, 4, 6, 6), [(4, 5, 3, 3)], {"strides": [2, 2]}, (5, 1, 1)),
    "dense of rows": ("MatMul", (3, 4), [(4, 5)], {}, (5,)),
    "dense with a bias": ("Gemm", (3, 4), [(4, 5), (5,)], {}, (1, 5)),
    "dense by columns": ("Gemm", (3, 4), [(5, 4), (1, 5)], {"transB": 1}, (5,)),
}


@pytest.mark.parametrize("case", CASES)
def test_scale_and_shift_go_into_the_op(case: str) -> None:
    kind, shape, stored, attributes, sizes = CASES[case]
    names = [f"w{number}" for number in range(len(stored))]
    after, constants = scaled("made", *sizes)
    constants |= {name: weights(*one) for name, one in zip(names, stored, strict=True)}
    nodes = [helper.make_node(kind, ["x", *names], ["made"], **attributes), *after]
    assert folded(model(shape, nodes, constants)) == ["Gemm" if kind == "MatMul" else kind]


def test_a_scale_goes_through_a_squeeze_behind_the_channels() -> None:
    after, constants = scaled("row", 1, 5, 1)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["made"]),
        helper.make_node("Squeeze", ["made", "axes"], ["row"]),
        *after,
    ]
    constants |= {"w": weights(5, 4, 1, 3), "axes": np.array([2])}
    assert folded(model((1, 4, 1, 8), nodes, constants)) == ["Conv", "Squeeze"]


def test_a_dense_op_over_maps_keeps_its_addition() -> None:
    after, constants = scaled("made", 5)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["made"]), *after]
    assert folded(model((1, 3, 4), nodes, constants | {"w": weights(4, 5)})) == ["MatMul", "Add"]


@pytest.mark.parametrize(
    ("sizes", "outputs", "attributes"),
    [
        ((4, 4, 4), ("y",), {}),  # another number in each place
        ((1, 1, 4), ("y",), {}),  # over columns
        ((4, 1, 1), ("made", "y"), {}),  # whose unscaled value is an answer
        ((4, 1, 1), ("y",), {"group": 2, "transposed": True}),
    ],
)
def test_what_is_no_scale_of_channels_stays(sizes, outputs, attributes) -> None:
    attributes = dict(attributes)
    kind = "ConvTranspose" if attributes.pop("transposed", False) else "Conv"
    shape = (4, 2, 3, 3) if kind == "ConvTranspose" else (4, 4, 3, 3)
    after, constants = scaled("made", *sizes)
    nodes = [helper.make_node(kind, ["x", "w"], ["made"], **attributes), *after]
    left = folded(model((1, 4, 6, 6), nodes, constants | {"w": weights(*shape)}, outputs))
    assert left == [kind, "Mul", "Add"]


def test_one_channel_that_becomes_several_stays() -> None:
    after, constants = scaled("made", 1, 5, 1, 1)
    nodes = [helper.make_node("Conv", ["x", "w"], ["made"]), *after]
    left = folded(model((1, 4, 6, 6), nodes, constants | {"w": weights(1, 4, 3, 3)}))
    assert left == ["Conv", "Mul", "Add"]


def padded(ends: list[int], fill: float = 0.0, **attributes) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Pad", ["x", "ends", "fill"], ["wide"]),
        helper.make_node("Conv", ["wide", "w"], ["y"], **attributes),
    ]
    constants = {"ends": np.array(ends), "fill": np.float32(fill), "w": weights(5, 4, 3, 3)}
    return model((1, 4, 6, 6), nodes, constants)


@pytest.mark.parametrize("own", [{}, {"pads": [1, 0, 2, 1]}, {"auto_pad": "VALID"}])
def test_a_convolution_pads_by_itself(own) -> None:
    assert folded(padded([0, 0, 0, 1, 0, 0, 2, 1], **own)) == ["Conv"]


@pytest.mark.parametrize(
    ("ends", "fill", "own"),
    [
        ([0, 0, 1, 1, 0, 0, 1, 1], 1.0, {}),  # not with zeros
        ([0, 0, -1, 1, 0, 0, 1, 1], 0.0, {}),  # which cuts
        ([0, 0, 1, 1, 0, 0, 1, 1], 0.0, {"auto_pad": "SAME_UPPER"}),
    ],
)
def test_another_padding_stays(ends, fill, own) -> None:
    assert folded(padded(ends, fill, **own)) == ["Pad", "Conv"]


@pytest.mark.parametrize(("again", "left"), [(0.02, 0), (0.03, 1)])
def test_a_padding_between_integers_of_one_scale_goes(again: float, left: int) -> None:
    made = padded([0, 0, 1, 1, 0, 0, 1, 1])
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
        helper.make_node("Pad", ["xd", "ends", "fill"], ["wide"]),
        helper.make_node("QuantizeLinear", ["wide", "t", "z"], ["wq"]),
        helper.make_node("DequantizeLinear", ["wq", "t", "z"], ["wd"]),
        helper.make_node("Conv", ["wd", "w"], ["y"]),
    ]
    constants = {t.name: numpy_helper.to_array(t) for t in made.graph.initializer}
    constants |= {"s": np.float32(0.02), "t": np.float32(again), "z": np.uint8(128)}
    assert folded(model((1, 4, 6, 6), nodes, constants)).count("Pad") == left
