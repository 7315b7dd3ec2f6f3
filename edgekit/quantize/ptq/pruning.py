"""Pruning: channels that answer the same whatever they are shown become part of a bias.

Weight decay leaves channels behind whose weights are as good as nothing beside the range of their
tensor, a quarter of those of the first block of MobileNetV2 1.0/224 as published. In 8 bits such a
channel has one value. It is taken out of the ops that make it, and what it always adds to the ops
that read it goes into their bias.

What is taken out is proved, not seen: with every input anywhere in the range that its 8 bits can
hold, the channel moves by less than half a step of its own tensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.quantize.graph.float_graph import FloatGraph, FloatOp
from edgekit.quantize.graph.observation import Observed
from edgekit.quantize.ptq.equalization import Group, groups
from edgekit.quantize.ptq.ranges import STEPS

Array = npt.NDArray[Any]

MULTIPLE = 8  # of channels that kernels work on at once: an odd number is no faster
_STEPS_MOVED = 0.5  # at the most, for a channel to count as constant
CEILINGS = {"none": np.inf, "relu": np.inf, "relu6": 6.0}


@dataclass(frozen=True, eq=False)
class Chain:
    """A linear op, the depthwise op behind it if there is one, and the tensors they make."""

    makers: tuple[FloatOp, ...]  # in order; all have the same channels
    tensors: tuple[int, ...]  # which bear these channels
    readers: tuple[FloatOp, ...]  # of the last of them


def prune(graph: FloatGraph, statistics: Observed) -> dict[int, Array]:
    """Take constant channels out of `graph`; return what they were, by tensor.

    Args:
        graph: its answers move by less than rounding to 8 bits would move them.
        statistics: of its activations.

    Returns:
        For each tensor that lost channels the constants `[C]`, NaN for those that are still there.
    """
    found: dict[int, Array] = {}
    for chain in chains(graph):
        gone = _constant(graph, chain, statistics)
        if not gone.any():
            continue
        for op in chain.readers:
            always = np.where(gone, statistics[op.inputs[0]].mean, 0.0)
            graph.set_constant(op.inputs[2], graph.bias(op) + _answer(graph, op, always))
            graph.set_constant(op.inputs[1], graph.weights(op)[..., ~gone])
        for op in chain.makers:
            weights = graph.weights(op)
            depthwise = op.kind == "DEPTHWISE_CONV_2D"
            kept = weights[..., ~gone] if depthwise else weights[~gone]
            graph.set_constant(op.inputs[1], kept)
            graph.set_constant(op.inputs[2], graph.bias(op)[~gone])
        for tensor in chain.tensors:
            graph.set_channels(tensor, int((~gone).sum()))
            found[tensor] = np.where(gone, statistics[tensor].mean, np.nan)
    return found


def chains(graph: FloatGraph) -> Iterator[Chain]:
    """Yield the runs of ops whose channels nothing else makes, and no depthwise op reads."""
    by_tensor = {tensor: group for group in groups(graph) for tensor in group.tensors}
    for group in {id(g): g for g in by_tensor.values()}.values():
        if len(group.producers) != 1 or not all(_mixes(graph, op) for op in group.consumers):
            continue
        (maker,) = group.producers
        before = by_tensor.get(maker.inputs[0])
        if _mixes(graph, maker):
            yield Chain((maker,), group.tensors, group.consumers)
        elif before and _only_feeds(graph, before, maker):
            tensors = (*before.tensors, *group.tensors)
            yield Chain((*before.producers, maker), tensors, group.consumers)


def _only_feeds(graph: FloatGraph, group: Group, depthwise: FloatOp) -> bool:
    made = len(group.producers) == 1 and _mixes(graph, group.producers[0])
    one_each = graph.weights(depthwise).shape[-1] == graph.shape(depthwise.inputs[0])[-1]
    return made and one_each and group.consumers == (depthwise,)


def _mixes(graph: FloatGraph, op: FloatOp) -> bool:
    """Whether an op's output channels each read all input channels."""
    if op.kind == "DEPTHWISE_CONV_2D":
        return False
    return graph.weights(op).shape[-1] == graph.shape(op.inputs[0])[-1]  # else in groups


def _constant(graph: FloatGraph, chain: Chain, statistics: Observed) -> Array:
    """Return which channels `[C]` are constant, as many as leave a whole number of MULTIPLE."""
    first = chain.makers[0]
    seen = statistics[first.inputs[0]]
    width = graph.weights(first).shape[-1]  # of which some may be gone already
    low = np.full(width, min(seen.low.min(), 0.0))
    high = np.full(width, max(seen.high.max(), 0.0))
    for op in chain.makers:
        low, high = _bounds(graph, op, low, high)
    step = min(_span(statistics, op.inputs[0]) for op in chain.readers) / STEPS
    moved = (high - low) / step if step > 0 else np.zeros_like(low)
    allowed = moved < _STEPS_MOVED
    for op in chain.readers:
        if _sees_padding(graph, op):  # beyond the border stands a zero, and not the constant
            allowed &= np.abs(statistics[op.inputs[0]].mean) < _STEPS_MOVED * step
    total = len(allowed)
    left = max(-(-(total - allowed.sum()) // MULTIPLE) * MULTIPLE, MULTIPLE)
    gone = np.zeros(total, bool)
    if left < total:
        order = np.argsort(np.where(allowed, moved, np.inf), kind="stable")
        gone[order[: total - left]] = True
    return gone


def _bounds(graph: FloatGraph, op: FloatOp, low: Array, high: Array) -> tuple[Array, Array]:
    """Return between which values each output channel stays, inputs anywhere in their own."""
    weights = graph.weights(op).astype(np.float64)
    if op.kind == "DEPTHWISE_CONV_2D":
        # What is padded is zero: every tap reads from a range that holds it.
        low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
        up, down = np.maximum(weights, 0), np.minimum(weights, 0)
        ends = [(up * a + down * b).reshape(-1, weights.shape[-1]).sum(axis=0)
                for a, b in ((low, high), (high, low))]  # fmt: skip
    else:
        up, down = np.maximum(weights, 0), np.minimum(weights, 0)
        ends = [(up * a + down * b).reshape(len(weights), -1).sum(axis=1)
                for a, b in ((low, high), (high, low))]  # fmt: skip
    floor = -np.inf if op.activation == "none" else 0.0
    ceiling = CEILINGS[op.activation]
    least, most = (np.clip(graph.bias(op) + end, floor, ceiling) for end in ends)
    return least, most


def _span(statistics: Observed, tensor: int) -> float:
    seen = statistics[tensor]
    return float(max(seen.high.max(), 0.0) - min(seen.low.min(), 0.0))


def _sees_padding(graph: FloatGraph, op: FloatOp) -> bool:
    return op.padding == "SAME" and graph.weights(op).shape[1:-1] not in ((), (1, 1))


def _answer(graph: FloatGraph, op: FloatOp, inputs: Array) -> Array:
    """Return a mixing op's answer `[O]` to inputs `[C]` that are the same everywhere."""
    weights = graph.weights(op).astype(np.float64)
    answer: Array = weights.reshape(len(weights), -1, len(inputs)).sum(axis=1) @ inputs
    return answer
