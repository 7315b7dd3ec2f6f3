"""Bit allocation: what to leave in more than 8 bits first, by the noise that it frees for its cost.

Rounding an activation costs nothing only where both its maker and its readers are in float, so that
what it takes to free a tensor is ops. Weights of an op in float are held in 8 bits still, until
they are freed too.
"""

from __future__ import annotations

from collections.abc import Iterable

from edgekit.quantize.float_graph import FloatGraph
from edgekit.quantize.post_training import Kept
from edgekit.quantize.sensitivity import Sensitivity

Part = tuple[str, int]  # of a network: a "tensor", or the "weights" of an op
Left = frozenset[tuple[str, int]]  # not in 8 bits: an "op", and perhaps the "weights" of that op


def items(kind: str, ops: Iterable[int]) -> Left:
    """Return one kind of several ops."""
    return frozenset((kind, made) for made in ops)


def made_of(left: Left) -> tuple[Kept, Kept]:
    """Return the ops, and those of them whose weights are not in 8 bits either."""
    kept, plain = (frozenset(made for kind, made in left if kind == k) for k in ("op", "weights"))
    return kept, plain


def order(graph: FloatGraph, sensitivity: Sensitivity, left: Left) -> list[Left]:
    """Return growing sets of what stays in float, from `left` to all that brings noise."""
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
    return sets


def _costs(graph: FloatGraph) -> dict[tuple[str, int], float]:
    """Return what it costs to leave something in float: an op 1, all weights as much as all ops."""
    sizes = {op.outputs[0]: graph.weights(op).size for op in graph.ops if op.linear}
    each = len(graph.ops) / max(sum(sizes.values()), 1)
    weights = {("weights", made): size * each for made, size in sizes.items()}
    return {("op", op.outputs[0]): 1.0 for op in graph.ops} | weights
