"""Ops that TensorFlow's quantizer lacks or spoils, written with others, of the same values.

Of activations of 16 bits it lacks some: a layer normalization negates, MobileNetV3 multiplies by a
hard swish, which the converter joins to one op; either was enough to have no file. Of 8 bits it
gives some ranges that leave little of what is around them.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import convert_to_constants

from edgekit.export.rewriting.functions import Body, SavedFunctions, answer_of, saved_name
from edgekit.export.rewriting.integer_forms import (
    WRITTEN,
    chosen,
    hard_swish,
    lessened,
    summed,
    unbounded,
)
from edgekit.export.rewriting.truths import Truths
from edgekit.export.tracing.lowering import Lowered

_WRITTEN_IN_8_BITS = ("Neg", "Selu", "Softplus", "Square")
_CALLS = re.compile(r"^.*PartitionedCall[^/]*/")  # before the names of what is called


def with_integer_ops(network: Lowered, folder: Path, traced: Any = None, bits: int = 16) -> Lowered:
    """Return the network as activations of `bits` can be made of it, saved in the free `folder`.

    It is the network itself where nothing has to be replaced. Of one that was saved again, `traced`
    is the function that it was traced as, which tells what its variables are.
    """
    saved, traced = SavedFunctions(network), traced or network.function
    given = _tables(traced), _constants(traced)
    sums = any(node.op == "Sum" for function in saved.all for node in function.node_def)
    terms = _terms(traced) if sums and bits == 16 else {}
    forms: list[_Forms] = [
        _In8Bits(function, Truths(function, *given))
        if bits == 8
        else _In16Bits(function, Truths(function, *given), terms)
        for function in saved.all
    ]
    changed = [form.replace() for form in forms]
    return saved.save(folder) if any(changed) else network


class _Forms(ABC):
    """What nodes of a function are replaced by."""

    def __init__(self, function: Any, truths: Truths) -> None:
        self.function, self.truths = function, truths
        self.nodes = [n for n in function.node_def if "T" not in n.attr or _is_float(n)]
        self.makers = {f"{node.name}:{answer_of(node)}:0": node for node in self.nodes}

    @abstractmethod
    def form(self, body: Body) -> str | None:
        """Return what the new form of a node is called, None where it stays."""

    def replace(self) -> bool:
        """Replace in the function what has to be, and return whether anything had."""
        made = {}
        for node in self.nodes:
            if own := self.form(Body(self.function, node)):
                made[f"{node.name}:{answer_of(node)}:0"] = own
        for node in self.function.node_def:
            node.input[:] = [_last(name, made) for name in node.input]
        for name, value in self.function.ret.items():
            self.function.ret[name] = _last(value, made)
        return bool(made)


class _In8Bits(_Forms):
    """What the converter and its quantizer spoil or leave in float.

    A SELU has exp(x) of all x, and a softplus, in steps of its largest value.
    """

    def form(self, body: Body) -> str | None:
        node = body.node
        if node.op in _WRITTEN_IN_8_BITS and not _is_in_gelu(node, self.nodes):
            return WRITTEN[node.op](body)
        return unbounded(body, self.makers) if node.op in ("Minimum", "Maximum") else None


class _In16Bits(_Forms):
    """What the quantizer lacks."""

    def __init__(self, function: Any, truths: Truths, terms: Mapping[str, int]) -> None:
        super().__init__(function, truths)
        self.terms = terms

    def form(self, body: Body) -> str | None:
        node = body.node
        if node.op in WRITTEN and node.op != "Softplus":
            return None if _is_in_gelu(node, self.nodes) else WRITTEN[node.op](body)
        if node.op in ("Minimum", "Maximum"):
            without = unbounded(body, self.makers)
            return without or (lessened(body, self.makers) if node.op == "Minimum" else None)
        if node.op == "Sum" and node.name in self.terms:
            return summed(body, self.terms[node.name])
        if node.op == "SelectV2" and (share := self.truths.number(node.input[0])):
            return chosen(body, share)
        if node.op == "Cast" and _numbers_truths(node):
            return self.truths.number(node.input[0])
        return hard_swish(body, self.makers) if node.op == "Mul" else None


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
