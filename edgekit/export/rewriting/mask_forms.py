"""Where masks are in a traced network: the far numbers that keep scores out of a softmax."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import tensorflow as tf

from edgekit.export.rewriting.functions import inputs_of, saved_name

Array = npt.NDArray[Any]

FAR = 1e4  # beyond which a number is no score: a mask
_SHAPING = ("Identity", "Reshape", "Transpose", "ExpandDims", "Squeeze", "Cast", "BroadcastTo")
_CHOICES = ("SelectV2", "Select")
_TERMS = {  # by op: which input may be far, and which is the scores then
    "SelectV2": ((1, 2), (2, 1)), "Select": ((1, 2), (2, 1)),
    "AddV2": ((1, 0), (0, 1)), "Add": ((1, 0), (0, 1)), "BiasAdd": ((1, 0),),
    "Sub": ((1, 0),),
}  # fmt: skip


@dataclass(frozen=True)
class Far:
    """Who reads a far number, and as which input."""

    reader: str
    index: int
    sign: int  # of what is far: -1 or 1; 0 of a factor, by which something is multiplied first

    def of(self, value: Array) -> Array:
        """Return which numbers of a constant are far ones."""
        return (abs(value) if self.sign == 0 else self.sign * value) > FAR


@dataclass(frozen=True)
class Mask:
    """Where a far number meets scores."""

    scores: str  # the node that makes them
    masked: str  # the node behind which they are masked
    far: Far
    added: bool  # to the scores, or subtracted; else it stands in their place


class Nodes:
    """The nodes of a function, by name, and what they read."""

    def __init__(self, function: Any, captured: Mapping[str, Array]) -> None:
        self.function, self.captured = function, captured
        self.by_name = {node.name: node for node in function.node_def}

    def read(self, node: Any, index: int) -> Any:
        """Return the node whose answer is an input; None of an argument of the function."""
        return self.by_name.get(inputs_of(node)[index].partition(":")[0])

    def behind(self, node: Any) -> Any:
        """Return the first node, backwards, that does more than to shape."""
        while node is not None and node.op in _SHAPING:
            node = self.read(node, 0)
        return node

    def far(self, node: Any, index: int, sign: int) -> Far | None:
        """Return who reads the far number of a sign that an input is, if it is one."""
        made = self.read(node, index)
        while made is not None and made.op in (*_SHAPING, "Fill"):
            node, index = made, 1 if made.op == "Fill" else 0
            made = self.read(node, index)
        found, value = Far(node.name, index, sign), self.value(node, index)
        is_far = value is not None and value.dtype.kind == "f" and found.of(value).any()
        return found if is_far else None

    def value(self, node: Any, index: int) -> Array | None:
        """Return an input that is constant, in the function or captured by it."""
        made = self.read(node, index)
        if made is None:
            return self.captured.get(inputs_of(node)[index])
        return tf.make_ndarray(made.attr["value"].tensor) if made.op == "Const" else None

    def far_sum(self, node: Any, index: int, sign: int) -> Far | None:
        """Return who reads the far number in a term, or in a sum that is chosen."""
        term = self.behind(self.read(node, index))
        if term is None:
            return None
        inputs: tuple[tuple[int, int], ...] = ()
        if node.op in _CHOICES:
            either = ((0, -1), (1, -1))
            inputs = {"Sub": ((1, 1),), "Add": either, "AddV2": either}.get(term.op, ())
        elif term.op == "Mul":
            inputs = ((0, 0), (1, 0))
        elif term.op in _CHOICES:
            inputs = ((1, sign), (2, sign))
        found = [self.far(term, own, of) for own, of in inputs]
        return next(filter(None, found), None)


def masks_of(nodes: Nodes) -> Iterator[Mask]:
    """Yield what masks the scores of each softmax."""
    for softmax in [node for node in nodes.by_name.values() if node.op == "Softmax"]:
        masked = nodes.behind(nodes.read(softmax, 0))
        for index, other in _TERMS.get(masked.op if masked is not None else "", ()):
            scores = nodes.read(masked, other)
            sign, added = 1 if masked.op == "Sub" else -1, masked.op not in _CHOICES
            far = nodes.far(masked, index, sign)
            if far is None:  # not a number itself
                far, added = nodes.far_sum(masked, index, sign), True
            if far and scores is not None:
                yield Mask(scores.name, masked.name, far, added)


def captured_by(function: Any) -> dict[str, Array]:
    """Return the constants that a function captures, by what a saved one calls them."""
    return {
        saved_name(inner): outer.numpy()
        for outer, inner in function.graph.captures
        if outer.dtype.is_floating
    }
