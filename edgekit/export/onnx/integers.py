"""ONNX files translated from integer .tflite ones, written as ONNX Runtime is fastest with.

On an x86 its integer kernels multiply unsigned activations by signed weights; with signed ones it
leaves convolutions and dense ops in float, which takes half as long again. And a ReLU6 whose
answers are rounded to 0..255 with a step of 6 / 255 changes nothing, since what lies outside
saturates at the same two integers; nor does a ReLU where 0 is the least integer.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from onnx import TensorProto, numpy_helper

_log = logging.getLogger("edgekit")

# What may read an activation in integers: it computes nothing with them.
_MOVE = ("Squeeze", "Unsqueeze", "Reshape", "Flatten", "Transpose", "Split", "Slice", "Gather")


def drop_saturated_clips(graph: Any) -> None:
    """Remove each Clip or Relu whose every reader rounds to integers that end where it does."""
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    answers = {value.name for value in graph.output}
    for node in [node for node in graph.node if node.op_type in ("Clip", "Relu")]:
        before, after = node.input[0], node.output[0]
        readers = [user for user in graph.node if after in user.input]
        if after in answers or not readers:
            continue
        if all(_saturates(reader, after, node, constants) for reader in readers):
            for reader in readers:
                reader.input[0] = before
            graph.node.remove(node)


def make_activations_unsigned(graph: Any) -> None:
    """Move each 8-bit activation from -128..127 to 0..255, zero points with it: the same values.

    Left as they are: weights, and a graph in which an activation passes some other op in integers.
    """
    constants = {t.name: t for t in graph.initializer}
    signed = {name for name, t in constants.items() if t.data_type == TensorProto.INT8}
    rounds = [n for n in graph.node if n.op_type == "QuantizeLinear" and signed & {*n.input[2:]}]
    integers = {n.output[0] for n in rounds}
    for node in graph.node:
        if node.op_type in _MOVE and node.input[0] in integers:
            integers |= {*node.output}
    readers = [n for n in graph.node if integers & {*n.input}]
    restores = [n for n in readers if n.op_type == "DequantizeLinear"]
    bound = {n.op_type for n in readers}.difference(_MOVE, ["DequantizeLinear"])
    if bound := bound | ({"an output"} if integers & {v.name for v in graph.output} else set()):
        _log.warning("ONNX: activations stay signed, as %s takes them in integers: ONNX Runtime "
                     "computes convolutions and dense ops in float on an x86",
                     ", ".join(sorted(bound)))  # fmt: skip
        return
    for node in (*rounds, *restores):
        old = numpy_helper.to_array(constants[node.input[2]])
        name = f"{node.input[2]}/unsigned"
        if name not in constants:
            unsigned = (old.astype(np.int16) + 128).astype(np.uint8)
            constants[name] = numpy_helper.from_array(unsigned, name)
            graph.initializer.append(constants[name])
        node.input[2] = name
    del graph.value_info[:]  # which would tell of the types before


def _saturates(reader: Any, value: str, clip: Any, constants: dict[str, Any]) -> bool:
    """Whether both ends of the clip become the least and the greatest integer, one step each."""
    known = [name in constants for name in (*clip.input[1:], *reader.input[1:])]
    whole = len(clip.input) in (1, 3) and len(reader.input) == 3 and all(known)
    if reader.op_type != "QuantizeLinear" or reader.input[0] != value or not whole:
        return False
    ends = [constants[name].astype(np.float64) for name in clip.input[1:]]
    low, high = ends or (np.float64(0), np.float64(np.inf))  # a Relu has none
    scale, zero = (constants[name] for name in reader.input[1:])
    limits, zero = np.iinfo(zero.dtype), zero.astype(np.float64)
    least, greatest = (np.round(end / scale) + zero for end in (low, high))
    return bool((least <= limits.min).all() and (greatest >= limits.max).all())
