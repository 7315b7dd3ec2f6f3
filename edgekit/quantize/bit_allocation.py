"""Bit allocation: what to leave in more than 8 bits first, by the noise that it frees for its cost.

Rounding an activation costs nothing only where both its maker and its readers are in float, so that
what it takes to free a tensor is ops. Weights of an op in float are held in 8 bits still, until
they are freed too.
"""

from __future__ import annotations

from collections.abc import Iterable

from edgekit.quantize.graph.float_graph import FloatGraph
from edgekit.quantize.ptq.post_training import Kept
from edgekit.quantize.ptq.sensitivity import Sensitivity

Part = tuple[str, int]  # of a network: a "tensor", or the "weights" of an op
# What is not in 8 bits: an "op", perhaps its "weights", and perhaps these "exact", not in 16 bits.
Left = frozenset[tuple[str, int]]


def items(kind: str, ops: Iterable[int]) -> Left:
    """Return one kind of several ops."""
    return frozenset((kind, made) for made in ops)


def made_of(left: Left, kind: str) -> Kept:
    """Return the ops of one kind."""
    return frozenset(made for own, made in left if own == kind)


def order(graph: FloatGraph, sensitivity: Sensitivity, left: Left) -> list[Left]:
    """Return growing sets of what stays in float, from `left` to all that brings noise.

    The last has all weights of these as they are.
    """
    needed: dict[Part, Left] = {
        ("tensor", tensor): items(
            "op", (op.outputs[0] for op in graph.ops if tensor in (*op.inputs, *op.outputs))
        )
        for tensor in sensitivity.tensors
    }
    needed |= {("weights", made): frozenset({("op", made), ("weights", made)})
               for made in sensitivity.weights}  # fmt: skip
    noise: dict[Part, float] = {("tensor", t): n for t, n in sensitivity.tensors.items()}
    noise |= {("weights", made): n for made, n in sensitivity.weights.items()}
    cost = _costs(graph)
    sets = [left]
    while missing := {
        part: needed[part] - sets[-1]
        for part in noise
        if noise[part] > 0 and needed[part] - sets[-1]
    }:
        freed = {
            part: sum(noise[other] for other in missing if missing[other] <= joining)
            / sum(cost[item] for item in joining)
            for part, joining in missing.items()
        }
        sets.append(sets[-1] | missing[max(freed, key=lambda part: freed[part])])
    linear = {op.outputs[0] for op in graph.ops if op.linear} & made_of(sets[-1], "op")
    return [*sets, sets[-1] | items("weights", linear) | items("exact", linear)]


def _costs(graph: FloatGraph) -> dict[tuple[str, int], float]:
    """Return what it costs to leave something in float: an op 1, all weights as much as all ops."""
    sizes = {op.outputs[0]: graph.weights(op).size for op in graph.ops if op.linear}
    each = len(graph.ops) / max(sum(sizes.values()), 1)
    weights = {("weights", made): size * each for made, size in sizes.items()}
    return {("op", op.outputs[0]): 1.0 for op in graph.ops} | weights
