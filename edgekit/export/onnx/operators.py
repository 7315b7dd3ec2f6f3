"""Ops of TensorFlow and of .tflite that tf2onnx does not know, written with those of ONNX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tf2onnx import utils
from tf2onnx.onnx_opset.common import BroadcastOp
from tf2onnx.onnx_opset.nn import BiasAdd
from tf2onnx.onnx_opset.signal import RFFTOp

from edgekit.export.onnx.products import write_product
from edgekit.export.onnx.recurrent import write_recurrent


def _erfc(graph: Any, node: Any, name: str, _: Any) -> None:
    """Write erfc(x) as 1 - erf(x).

    Keras 3's exact GELU takes erfc(-c x): as 1 + erf(x / (1 / c)) ONNX Runtime makes it one op.
    """
    product, node.type = node.inputs[0], "Erf"
    minus, factor = product.inputs if product.type == "Mul" else (product, product)
    if minus.type != "Neg" or not factor.is_const():
        difference = _subtract(graph, node, name)
        difference.input[:] = reversed(difference.input)
        return
    new, number = _Graph(graph, name), factor.get_tensor_value(as_list=False)
    divided = new.op("Div", minus.input[0], new.constant(1 / number, number.dtype))
    graph.copy_shape(node.output[0], divided)
    graph.copy_dtype(node.output[0], divided)
    node.input[0] = divided
    sum_ = graph.insert_new_node_on_output("Add", node.output[0], name=utils.make_name(name))
    sum_.input.append(new.constant(1, number.dtype))


def _added(graph: Any, node: Any, name: str, _: Any) -> None:
    """Write a sum, with a number as a row of one.

    Where a convolution is read before a number without axes, as in Keras' hard sigmoid, the
    optimizer of tf2onnx fails, and leaves every transposition of the network where it is.
    """
    node.type = "Add"
    ranks = [len(graph.get_shape(read) or ()) for read in node.input]
    for place, maker in enumerate(node.inputs):
        if maker.is_const() and max(ranks) > ranks[place] == 0:
            row = maker.get_tensor_value(as_list=False).reshape(1)
            made = _Graph(graph, name).constant(row, row.dtype)
            graph.replace_input(node, node.input[place], made, place)
    BroadcastOp.version_6(graph, node)


def _biased(graph: Any, node: Any, name: str, _: Any) -> None:
    """Write a sum along channels; of computed ones tf2onnx forgets that they may come first.

    Keras 3 takes sums with `[1, C, 1]` for such.
    """
    rank = len(graph.get_shape(node.input[0]) or ())
    if node.get_attr_str("data_format") == "NCHW" and not node.inputs[1].is_const() and rank > 2:
        new = _Graph(graph, name)
        behind = new.constant([*range(1, rank - 1)], np.int64)
        graph.replace_input(node, node.input[1], new.op("Unsqueeze", node.input[1], behind), 1)
        node.set_attr("data_format", "NHWC")
    BiasAdd.version_7(graph, node)


def _expm1(graph: Any, node: Any, name: str, _: Any) -> None:
    """Write exp(x) - 1, which Keras 3's CELU takes."""
    node.type = "Exp"
    _subtract(graph, node, name)


def _log1p(graph: Any, node: Any, name: str, _: Any) -> None:
    """Write log(x + 1)."""
    one = graph.make_const(utils.make_name(name), np.array(1, _kind(graph, node)))
    node.type = "Log"
    more = graph.make_node("Add", [node.input[0], one.output[0]], name=utils.make_name(name))
    graph.copy_shape(node.output[0], more.output[0])
    graph.copy_dtype(node.output[0], more.output[0])
    node.input[0] = more.output[0]


def _subtract(graph: Any, node: Any, name: str) -> Any:
    """Return a new op behind a node that takes 1 from its answer."""
    dtype = utils.map_onnx_to_numpy_type(graph.get_dtype(node.output[0]))
    one = graph.make_const(utils.make_name(name), np.array(1, dtype))
    difference = graph.insert_new_node_on_output("Sub", node.output[0], name=utils.make_name(name))
    difference.input[:] = [node.output[0], one.output[0]]
    return difference


class _Graph:
    """New ops and constants of a graph, whose names begin alike."""

    def __init__(self, graph: Any, name: str) -> None:
        self.graph, self.name = graph, name

    def constant(self, value: Any, dtype: Any = None) -> str:
        """Add a constant and return what others call it."""
        made = self.graph.make_const(utils.make_name(self.name), np.array(value, dtype))
        return str(made.output[0])

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add an op and return what others call its answer."""
        name = utils.make_name(self.name)
        made = self.graph.make_node(kind, [*inputs], attr=attributes, name=name)
        return str(made.output[0])

    def put(self, node: Any, kind: str, *inputs: str, **attributes: Any) -> None:
        """Let an op answer in the place of a node."""
        shapes, dtypes = node.output_shapes, node.output_dtypes
        self.graph.remove_node(node.name)
        self.graph.make_node(kind, [*inputs], attr=attributes, name=node.name, outputs=node.output,
                             shapes=shapes, dtypes=dtypes)  # fmt: skip


def _gelu(graph: Any, node: Any, name: str, _: Any) -> None:
    """Write the GELU of .tflite, which has an approximate form (Hendrycks and Gimpel 2016, 2)."""
    x, kind, new = node.input[0], _kind(graph, node), _Graph(graph, name)
    if node.get_attr_value("approximate"):
        cube = new.op("Mul", new.op("Mul", x, x), new.op("Mul", x, new.constant(0.044715, kind)))
        sum_ = new.op("Add", x, cube)
        step = new.op("Tanh", new.op("Mul", sum_, new.constant(np.sqrt(2 / np.pi), kind)))
    else:
        step = new.op("Erf", new.op("Div", x, new.constant(np.sqrt(2), kind)))
    doubled = new.op("Add", step, new.constant(1, kind))
    new.put(node, "Mul", x, new.op("Mul", doubled, new.constant(0.5, kind)))


def _bucketize(graph: Any, node: Any, name: str, _: Any) -> None:
    """Write how many boundaries a number has reached, as Keras' Discretization takes."""
    new, last = _Graph(graph, name), np.array([-1], np.int64)
    bounds = new.constant(node.get_attr("boundaries").floats, _kind(graph, node))
    reached = new.op(
        "GreaterOrEqual", new.op("Unsqueeze", node.input[0], new.constant(last)), bounds
    )
    counted = new.op("Cast", reached, to=node.output_dtypes[0])
    new.put(node, "ReduceSum", counted, new.constant(last), keepdims=0)


def _kind(graph: Any, node: Any) -> Any:
    return utils.map_onnx_to_numpy_type(graph.get_dtype(node.input[0]))


def _spectrum(graph: Any, node: Any, name: str, _: Any) -> None:
    """Write the parts of a spectrum as products with matrices; tf2onnx knows its size alone."""
    parts = graph.find_output_consumers(node.output[0])
    if any(part.type not in _WAVES for part in parts) or not node.inputs[1].is_const():
        RFFTOp.version_13(graph, node)
        return
    given, length = graph.get_shape(node.input[0])[-1], int(node.inputs[1].get_tensor_value()[0])
    angles = 2 * np.pi / length * np.outer(np.arange(given), np.arange(length // 2 + 1))
    whole = np.arange(given)[:, np.newaxis] < length  # what is longer is cut
    for part in parts:
        matrix = (_WAVES[part.type](angles) * whole).astype(np.float32)
        weights = graph.make_const(utils.make_name(name), matrix).output[0]
        part.type, part.input[:], part.skip_conversion = "MatMul", [node.input[0], weights], True
    graph.remove_node(node.name)


_WAVES: dict[str, Callable[[Any], Any]] = {"Real": np.cos, "Imag": lambda angles: -np.sin(angles)}
# As tf2onnx takes them: functions with their arguments.
HANDLERS: dict[str, Any] = {
    "Add": (_added, []), "AddV2": (_added, []), "BiasAdd": (_biased, []),
    "Bucketize": (_bucketize, []), "CudnnRNNV3": (write_recurrent, []),
    "Einsum": (write_product, []), "Erfc": (_erfc, []), "Expm1": (_expm1, []),
    "Log1p": (_log1p, []), "RFFT": (_spectrum, []), "TFL_BUCKETIZE": (_bucketize, []),
    "TFL_GELU": (_gelu, []),
}  # fmt: skip
