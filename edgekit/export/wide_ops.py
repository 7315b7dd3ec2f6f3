"""Ops that TensorFlow's quantizer lacks beside 16-bit activations, written with those it has.

A layer normalization negates, MobileNetV3 multiplies by a hard swish, which the converter joins to
one op: either was enough to have no w8a16 file. The values are those of the ops replaced.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

from edgekit.export.lowering import Lowered
from edgekit.export.rewriting import SavedFunctions
from edgekit.export.wide_forms import (
    WRITTEN,
    Body,
    answer_of,
    chosen,
    hard_swish,
    is_constant,
)


def with_wide_ops(network: Lowered, folder: Path) -> Lowered:
    """Return the network as it can be quantized to 16-bit activations, saved in the free `folder`.

    It is the network itself where nothing has to be replaced.
    """
    saved = SavedFunctions(network)
    changed = [_replaced(function) for function in saved.all]
    return saved.save(folder) if any(changed) else network


def _replaced(function: Any) -> bool:
    """Replace in a function what has to be, and return whether anything had."""
    nodes = [node for node in function.node_def if "T" not in node.attr or _is_float(node)]
    makers = {f"{node.name}:{answer_of(node)}:0": node for node in nodes}
    made: dict[str, str] = {}
    for node in nodes:
        body = Body(function, node)
        if node.op in WRITTEN and not _is_in_gelu(node, nodes):
            answer, write = WRITTEN[node.op]
            made[f"{node.name}:{answer}:0"] = write(body)
        elif node.op == "SelectV2" and is_constant(node.input[0], function):
            made[f"{node.name}:output:0"] = chosen(body)
        elif node.op == "Mul" and (swish := hard_swish(body, makers)):
            made[f"{node.name}:z:0"] = swish
    for node in function.node_def:
        node.input[:] = [made.get(name, name) for name in node.input]
    for name, value in function.ret.items():
        function.ret[name] = made.get(value, value)
    return bool(made)


def _is_in_gelu(node: Any, nodes: list[Any]) -> bool:
    """Whether a Neg belongs to erfc(-x c), by which the converter knows an exact GELU."""
    near = {node.name}
    for _ in range(2):
        readers = [n for n in nodes if near & {name.partition(":")[0] for name in n.input}]
        if any(reader.op == "Erfc" for reader in readers):
            return True
        near = {reader.name for reader in readers if reader.op in ("Mul", "RealDiv")}
    return False


def _is_float(node: Any) -> bool:
    kind = node.attr["T"].type  # 0 where it is a list of several
    return bool(kind and tf.as_dtype(kind).is_floating)
