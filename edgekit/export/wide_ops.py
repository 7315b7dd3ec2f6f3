"""Ops that TensorFlow's quantizer lacks or spoils, written with others, of the same values.

Of activations of 16 bits it lacks some: a layer normalization negates, MobileNetV3 multiplies by a
hard swish, which the converter joins to one op; either was enough to have no file. Of 8 bits it
gives some ranges that leave little of what is around them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import convert_to_constants

from edgekit.export.lowering import Lowered
from edgekit.export.rewriting import SavedFunctions, saved_name
from edgekit.export.truths import Truths
from edgekit.export.wide_forms import (
    WRITTEN,
    Body,
    answer_of,
    apart,
    chosen,
    hard_swish,
    summed,
    unbounded,
)

# What the converter writes by exp(x) for all x, in steps of its largest value; and what the
# quantizer gives the range of its answer to what it reads.
_IN_8_BITS = ("Selu", "Minimum", "Maximum", "SelectV2")

_CALLS = re.compile(r"^.*PartitionedCall[^/]*/")  # before the names of what is called


def with_wide_ops(network: Lowered, folder: Path, traced: Any = None, bits: int = 16) -> Lowered:
    """Return the network as activations of `bits` can be made of it, saved in the free `folder`.

    It is the network itself where nothing has to be replaced. Of one that was saved again, `traced`
    is the function that it was traced as, which tells what its variables are.
    """
    saved, traced = SavedFunctions(network), traced or network.function
    given, kinds = (_tables(traced), _constants(traced)), _IN_8_BITS if bits == 8 else None
    sums = bits == 16 and any(node.op == "Sum" for f in saved.all for node in f.node_def)
    terms = _terms(traced) if sums else {}
    changed = [_replaced(f, Truths(f, *given), terms, kinds) for f in saved.all]
    return saved.save(folder) if any(changed) else network


def _replaced(
    function: Any, truths: Truths, terms: Mapping[str, int], kinds: Collection[str] | None
) -> bool:
    """Replace in a function what has to be, of `kinds` alone; return whether anything had."""
    nodes = [node for node in function.node_def if "T" not in node.attr or _is_float(node)]
    makers = {f"{node.name}:{answer_of(node)}:0": node for node in nodes}
    readers = Counter([name for node in function.node_def for name in node.input])
    readers.update(function.ret.values())
    made: dict[str, str] = {}
    for node in nodes:
        if kinds is not None and node.op not in kinds:
            continue
        body = Body(function, node)
        if node.op in WRITTEN and not _is_in_gelu(node, nodes):
            answer, write = WRITTEN[node.op]
            made[f"{node.name}:{answer}:0"] = write(body)
        elif node.op in ("Minimum", "Maximum") and (let := unbounded(body, makers)):
            made[f"{node.name}:z:0"] = let
        elif kinds and node.op in kinds:
            of_values = node.op != "SelectV2" or truths.number(node.input[0]) is None
            if of_values and (own := apart(body, makers, readers)):  # else by padding: steps alike
                made[f"{node.name}:{answer_of(node)}:0"] = own
        elif node.op == "Sum" and node.name in terms:
            made[f"{node.name}:output:0"] = summed(body, terms[node.name])
        elif node.op == "SelectV2" and (share := truths.number(node.input[0])):
            made[f"{node.name}:output:0"] = chosen(body, share)
        elif (
            node.op == "Cast" and _numbers_truths(node) and (share := truths.number(node.input[0]))
        ):
            made[f"{node.name}:y:0"] = share
        elif node.op == "Mul" and (swish := hard_swish(body, makers)):
            made[f"{node.name}:z:0"] = swish
    for node in function.node_def:
        node.input[:] = [_last(name, made) for name in node.input]
    for name, value in function.ret.items():
        function.ret[name] = _last(value, made)
    return bool(made)


def _last(name: str, made: Mapping[str, str]) -> str:
    """Return what stands for a value: what replaced it may have been replaced."""
    while name in made:
        name = made[name]
    return name


def _tables(function: Any) -> dict[str, int]:
    """Return how many rows the variables of a function have, by what a saved one calls them."""
    rows = {id(v.handle): v.shape[0] for v in function.graph.variables if v.shape.rank}
    return {
        saved_name(inner): rows[id(outer)]
        for outer, inner in function.graph.captures
        if id(outer) in rows
    }


def _constants(function: Any) -> set[str]:
    captures = function.graph.captures
    return {saved_name(inner) for outer, inner in captures if outer.dtype != tf.resource}


def _terms(function: Any) -> dict[str, int]:
    """Return how many terms each sum of a function, and of those that it calls, has, by name."""
    graph = function.graph
    if any("PartitionedCall" in operation.type for operation in graph.get_operations()):
        graph = convert_to_constants.convert_variables_to_constants_v2(function).graph
    found: dict[str, int] = {}
    for operation in graph.get_operations():
        if operation.type == "Sum":
            sizes = [t.shape.num_elements() for t in (operation.inputs[0], *operation.outputs)]
            if all(sizes):
                found[_CALLS.sub("", operation.name)] = sizes[0] // sizes[1]
    return found


def _numbers_truths(node: Any) -> bool:
    to = tf.as_dtype(node.attr["DstT"].type)
    return node.attr["SrcT"].type == tf.bool.as_datatype_enum and bool(to == tf.float32)


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
