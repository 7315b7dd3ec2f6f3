"""Values kept apart, in 8 bits, from what TensorFlow's quantizer would give one step with them.

What is joined (concatenated, chosen, the lesser or the greater of two) is read in the steps of the
answer, and so is, back to the op that computed it, what was sliced, pooled or reshaped on the way.
Others that read it get values cut off, or steps that are coarser than their own; and a mean of
values that were cut off is no mean. A copy at the joint has the answer's steps in their place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from edgekit.export.rewriting.functions import Body, SavedFunctions, answer_of, inputs_of
from edgekit.export.rewriting.watching import Examples, Watched
from edgekit.export.tracing.lowering import Lowered

_JOINTS = {  # by op: which of its inputs it joins
    "ConcatV2": slice(0, -1), "Pack": slice(None), "Minimum": slice(2), "Maximum": slice(2),
    "Select": slice(1, 3), "SelectV2": slice(1, 3),
}  # fmt: skip
_MEANS = ("AvgPool", "ResizeBilinear")
_PASSING = (  # ops whose answer has the steps of what they read
    *_MEANS, "BatchToSpaceND", "BroadcastTo", "DepthToSpace", "ExpandDims", "GatherV2", "Identity",
    "MaxPool", "MirrorPad", "Pad", "Reshape", "ResizeNearestNeighbor", "ReverseV2", "Slice",
    "SpaceToBatchND", "SpaceToDepth", "Split", "SplitV", "Squeeze", "StridedSlice", "Tile",
    "Transpose", "Unpack",
)  # fmt: skip
_PARTS = ("Split", "SplitV", "Unpack")  # whose other answers have them, too
_FIXED = ("Const", "ReadVariableOp")
_COARSER = 2.0  # times as wide a range is what others bear: a bit
_CUT = 0.02  # of a range that may be cut off
_EXAMPLES = 16  # that tell which ranges differ so much
_HARDLY_MORE_THAN_ONE = 1 + 2**-23  # a factor of 1 the converter leaves out

Range = tuple[float, float]


@dataclass(frozen=True)
class _Joined:
    """A value on its way into a joint."""

    node: Any
    place: int
    root: str  # the value that was computed, before it was sliced, pooled, reshaped
    shared: bool  # others read that, or what it became on the way
    averaged: bool

    @property
    def answer(self) -> str:
        """The joint's own."""
        return f"{self.node.name}:{answer_of(self.node)}:0"


def with_own_steps(network: Lowered, examples: Examples, folder: Path) -> Lowered:
    """Return the network with copies at its joints, saved in the free `folder`.

    It is the network itself where the examples' ranges ask for none.
    """
    saved = SavedFunctions(network)
    joined = [(function, list(_joined(function))) for function in saved.all]
    names = {name for _, found in joined for each in found for name in (each.root, each.answer)}
    if not names:
        return network
    ranges = _ranges(Watched(network.function), names, islice(examples, _EXAMPLES))
    copies = [
        (function, each) for function, found in joined for each in _to_be_copied(found, ranges)
    ]
    for function, each in copies:
        body = Body(function, each.node)
        value = body.inputs[each.place]
        each.node.input[each.place] = body.op("Mul", value, body.constant(_HARDLY_MORE_THAN_ONE))
    return saved.save(folder) if copies else network


def _joined(function: Any) -> Iterator[_Joined]:
    """Yield what can be harmed by a joint's steps, in the order of the function's nodes."""
    makers = {node.name: node for node in function.node_def}
    readers = Counter(name for node in function.node_def for name in inputs_of(node))
    readers.update(function.ret.values())
    for node in function.node_def:
        if node.op not in _JOINTS or node.attr["T"].type != tf.float32.as_datatype_enum:
            continue
        inputs = inputs_of(node)
        for place in range(len(inputs))[_JOINTS[node.op]]:
            each = _joined_at(node, place, inputs[place], makers, readers)
            made = makers.get(each.root.partition(":")[0])
            constant = made is not None and made.op in _FIXED
            if (each.shared or each.averaged) and not constant:
                yield each


def _joined_at(
    node: Any, place: int, value: str, makers: Mapping[str, Any], readers: Mapping[str, int]
) -> _Joined:
    shared, averaged = readers[value] > 1, False
    made = makers.get(value.partition(":")[0])
    while made is not None and made.op in _PASSING:
        value = inputs_of(made)[1 if made.op == "Split" else 0]
        averaged |= made.op in _MEANS
        shared |= made.op in _PARTS or readers[value] > 1
        made = makers.get(value.partition(":")[0])
    return _Joined(node, place, value, shared, averaged)


def _ranges(watched: Watched, names: Iterable[str], examples: Examples) -> dict[str, Range]:
    """Return the least and the greatest of each value and zero, in all calls and examples."""
    calls = {name: watched.calls(name.partition(":")[0]) for name in names}
    every = {name: [watched.value(call + name) for call in calls[name]] for name in calls}
    asked = {name: values for name, values in every.items() if values and None not in values}
    found = dict.fromkeys(asked, (0.0, 0.0))
    for answers in watched.over(list(asked.values()), examples) if asked else ():
        for name, values in zip(asked, answers, strict=True):
            for value in values:
                found[name] = _both(found[name], (float(np.min(value)), float(np.max(value))))
    return found


def _to_be_copied(joined: list[_Joined], ranges: Mapping[str, Range]) -> list[_Joined]:
    """Return what needs a copy: from the last joint back, as steps are handed on."""
    steps, copied = dict(ranges), []
    for each in reversed(joined):
        if each.root not in ranges or each.answer not in ranges:
            continue
        if _harms(steps[each.answer], ranges[each.root], each):
            copied.append(each)
        else:
            steps[each.root] = _both(steps[each.root], steps[each.answer])
    return copied


def _harms(steps: Range, own: Range, each: _Joined) -> bool:
    """Whether a value that has its own range is harmed by steps for another."""
    width = own[1] - own[0]
    cut = max(steps[0] - own[0], own[1] - steps[1]) > _CUT * width
    return cut or (each.shared and steps[1] - steps[0] > _COARSER * width)


def _both(one: Range, other: Range) -> Range:
    return min(one[0], other[0]), max(one[1], other[1])
