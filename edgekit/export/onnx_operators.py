"""TensorFlow ops that tf2onnx does not know, written with those of ONNX."""

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


def _subtract(graph: Any, node: Any, name: str) -> Any:
    """Return a new op behind a node that takes 1 from its answer."""
    dtype = utils.map_onnx_to_numpy_type(graph.get_dtype(node.output[0]))
    one = graph.make_const(utils.make_name(name), np.array(1, dtype))
    difference = graph.insert_new_node_on_output("Sub", node.output[0], name=utils.make_name(name))
    difference.input[:] = [node.output[0], one.output[0]]
    return difference


# As tf2onnx takes them: functions with their arguments.
HANDLERS: dict[str, Any] = {"Erfc": (_erfc, []), "Expm1": (_expm1, [])}
