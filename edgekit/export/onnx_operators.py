"""TensorFlow ops that tf2onnx does not know, written with those of ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np
from tf2onnx import utils


def _erfc(graph: Any, node: Any, name: str, _: Any) -> None:
    """Write erfc(x), which Keras 3's exact GELU takes, as 1 - erf(x)."""
    dtype = utils.map_onnx_to_numpy_type(graph.get_dtype(node.output[0]))
    one = graph.make_const(utils.make_name(name), np.array(1, dtype))
    node.type = "Erf"
    difference = graph.insert_new_node_on_output("Sub", node.output[0], name=utils.make_name(name))
    difference.input[:] = [one.output[0], node.output[0]]


HANDLERS: dict[str, Any] = {"Erfc": (_erfc, [])}  # as tf2onnx takes them: with its arguments
