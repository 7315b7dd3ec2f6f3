"""ONNX files translated from integer .tflite ones, written as ONNX Runtime is fastest with.

On an x86 its kernels multiply unsigned activations by signed weights: signed activations take half
as long again. And a ReLU6 whose answers are rounded to 0..255 with a step of 6 / 255 changes
nothing, since what lies outside saturates at the same two integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, numpy_helper

# What may read an activation in integers: it computes nothing with them.
_MOVE = ("DequantizeLinear", "Squeeze", "Unsqueeze", "Reshape", "Flatten", "Transpose")


def drop_saturated_clips(graph: Any) -> None:
    """Remove each Clip whose every reader rounds to integers that end where the clip does."""
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    answers = {value.name for value in graph.output}
    for node in [node for node in graph.node if node.op_type == "Clip"]:
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
    weights = {name for name, t in constants.items() if t.data_type == TensorProto.INT8}
    signed = [
        n for n in graph.node
        if n.op_type in ("QuantizeLinear", "DequantizeLinear") and len(n.input) > 2
        and n.input[0] not in weights and n.input[2] in weights
    ]  # fmt: skip
    integers = {n.output[0] for n in signed if n.op_type == "QuantizeLinear"}
    for node in graph.node:
        if node.op_type in _MOVE[1:] and node.input[0] in integers:
            integers.add(node.output[0])
    readers = [n for n in graph.node if integers & set(n.input)]
    answers = {value.name for value in graph.output}
    if integers & answers or any(n.op_type not in _MOVE for n in readers):
        return
    for node in signed:
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
    whole = len(clip.input) == 3 and len(reader.input) == 3 and all(known)
    if reader.op_type != "QuantizeLinear" or reader.input[0] != value or not whole:
        return False
    low, high = (constants[name].astype(np.float64) for name in clip.input[1:])
    scale, zero = (constants[name] for name in reader.input[1:])
    limits, zero = np.iinfo(zero.dtype), zero.astype(np.float64)
    least, greatest = (np.round(end / scale) + zero for end in (low, high))
    return bool((least <= limits.min).all() and (greatest >= limits.max).all())
