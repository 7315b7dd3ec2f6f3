"""Truth values written as the numbers 1 and 0, of which activations of 16 bits can be made.

TensorFlow's quantizer lacks what makes numbers of truth values beside them. What is asked of ids,
as whether they are padding, is looked up in a table as long as the one that embeds them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from edgekit.export.rewriting.functions import inputs_of

_SHAPING = ("Identity", "Reshape", "Transpose", "ExpandDims", "Squeeze", "BroadcastTo", "Slice",
            "StridedSlice", "Tile", "Unpack")  # fmt: skip
_COMPARISONS: dict[str, Callable[..., Any]] = {
    "Equal": np.equal, "NotEqual": np.not_equal, "Less": np.less, "LessEqual": np.less_equal,
    "Greater": np.greater, "GreaterEqual": np.greater_equal,
}  # fmt: skip
_LOGIC = {"LogicalAnd": "Mul", "LogicalOr": "Maximum", "LogicalNot": "Sub"}


class Truths:
    """The truth values of a function, which gets nodes that make numbers of them."""

    def __init__(self, function: Any, tables: Mapping[str, int], fixed: Collection[str]) -> None:
        """Take a function, of what it is given how many rows tables have, and what is constant."""
        self._function, self._fixed = function, fixed
        self._nodes = {node.name: node for node in function.node_def}
        self._made: dict[str, str | None] = {}
        self._copies: set[str] = set()
        self._rows: dict[str, int] = {}  # by what is looked up
        for node in function.node_def:
            if node.op == "ResourceGather" and node.input[0] in tables:
                ids, rows = self._origin(node.input[1]), tables[node.input[0]]
                self._rows[ids] = min(rows, self._rows.get(ids, rows))

    def number(self, value: str) -> str | None:
        """Return what the number of a truth value is called; None where it cannot be made."""
        if value not in self._made:
            self._made[value] = self._number(value)
        return self._made[value]

    def _number(self, value: str) -> str | None:
        if self._is_constant(value):
            return self._add("Cast", value, SrcT=tf.bool, DstT=tf.float32) + ":y:0"
        node = self._node(value)
        if node is None:
            return None
        if node.op in _COMPARISONS:
            return self._looked_up(node)
        if node.op in _SHAPING:
            return self._copied(node, value)
        if node.op not in _LOGIC:
            return None
        terms = [self.number(name) for name in inputs_of(node)]
        if None in terms:
            return None
        given = [self._constant(np.float32(1)), *terms] if node.op == "LogicalNot" else terms
        return self._add(_LOGIC[node.op], *given, T=tf.float32) + ":z:0"

    def _looked_up(self, node: Any) -> str | None:
        """Return a table of the answers for all ids, looked up."""
        ids, other = inputs_of(node)
        rows, limit = self._rows.get(self._origin(ids)), self._node(other)
        if rows is None or limit is None or limit.op != "Const":
            return None
        answers = _COMPARISONS[node.op](
            np.arange(rows), tf.make_ndarray(limit.attr["value"].tensor)
        )
        table, axis = self._constant(answers.astype(np.float32)), self._constant(np.int32(0))
        kind = tf.as_dtype(node.attr["T"].type)
        if answers.shape != (rows,):
            return None
        made = self._add("GatherV2", table, ids, axis, Tparams=tf.float32, Tindices=kind,
                         Taxis=tf.int32, batch_dims=0)  # fmt: skip
        return f"{made}:output:0"

    def _copied(self, node: Any, value: str) -> str | None:
        number = self.number(node.input[0])
        if number is None:
            return None
        name: str = f"{node.name}/number"
        if name not in self._copies:  # of which it may be another answer
            self._copies.add(name)
            made = self._function.node_def.add()
            made.CopyFrom(node)
            made.name, made.input[0] = name, number
            made.attr["T"].type = tf.float32.as_datatype_enum
        return name + value.removeprefix(node.name)

    def _constant(self, value: Any) -> str:
        made = self._add("Const", dtype=tf.as_dtype(value.dtype))
        tensor = tf.make_tensor_proto(value)
        self._function.node_def[-1].attr["value"].tensor.CopyFrom(tensor)
        return f"{made}:output:0"

    def _add(self, kind: str, *inputs: str | None, **attributes: Any) -> str:
        name = f"truths/{kind}{len(self._function.node_def)}"
        made = self._function.node_def.add(op=kind, name=name, input=inputs)
        for attribute, value in attributes.items():
            if isinstance(value, int):
                made.attr[attribute].i = value
            else:
                made.attr[attribute].type = value.as_datatype_enum
        return name

    def _node(self, value: str) -> Any:
        return self._nodes.get(value.lstrip("^").partition(":")[0])

    def _origin(self, value: str) -> str:
        """Return the ids that a value is, in whichever type."""
        while (node := self._node(value)) is not None and node.op in ("Cast", "Identity"):
            value = node.input[0]
        return value

    def _is_constant(self, value: str) -> bool:
        """Whether a value is made of constants alone, so that the converter computes it."""
        names, seen = [value], {value}
        while names:
            node = self._node(name := names.pop())
            if node is None and name not in self._fixed:
                return False
            more = [name for name in (node.input if node else ()) if name not in seen]
            names += more
            seen |= set(more)
        return True
