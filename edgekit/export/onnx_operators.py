"""Ops of TensorFlow and of .tflite that tf2onnx does not know, written with those of ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np
from tf2onnx import utils


def _erfc(graph: Any, node: Any, name: str, _: Any) -> None:
    """Write erfc(x), which Keras 3's exact GELU takes, as 1 - erf(x)."""
    node.type = "Erf"
    difference = _subtract(graph, node, name)
    difference.input[:] = reversed(difference.input)


def _expm1(graph: Any, node: Any, name: str, _: Any) -> None:
    """Write exp(x) - 1, which Keras 3's CELU takes."""
    node.type = "Exp"
    _subtract(graph, node, name)


def _log1p(graph: Any, node: Any, name: str, _: Any) -> None:
    """Write log(x + 1)."""
    dtype = utils.map_onnx_to_numpy_type(graph.get_dtype(node.input[0]))
    one = graph.make_const(utils.make_name(name), np.array(1, dtype))
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


def _gelu(graph: Any, node: Any, name: str, _: Any) -> None:
    """Write the GELU of .tflite, which has an approximate form (Hendrycks and Gimpel 2016, 2)."""
    x, dtype = node.input[0], utils.map_onnx_to_numpy_type(graph.get_dtype(node.input[0]))

    def constant(value: float) -> str:
        return str(graph.make_const(utils.make_name(name), np.array(value, dtype)).output[0])

    def made(kind: str, *inputs: str) -> str:
        return str(graph.make_node(kind, [*inputs], name=utils.make_name(name)).output[0])

    if node.get_attr_value("approximate"):
        cube = made("Mul", made("Mul", x, x), made("Mul", x, constant(0.044715)))
        step = made("Tanh", made("Mul", made("Add", x, cube), constant(np.sqrt(2 / np.pi))))
    else:
        step = made("Erf", made("Div", x, constant(np.sqrt(2))))
    share = made("Mul", made("Add", step, constant(1)), constant(0.5))
    shapes, dtypes = node.output_shapes, node.output_dtypes
    graph.remove_node(node.name)
    graph.make_node(
        "Mul", [x, share], outputs=node.output, name=node.name, shapes=shapes, dtypes=dtypes
    )


# As tf2onnx takes them: functions with their arguments.
HANDLERS: dict[str, Any] = {
    "Erfc": (_erfc, []), "Expm1": (_expm1, []), "Log1p": (_log1p, []), "TFL_GELU": (_gelu, []),
}  # fmt: skip
