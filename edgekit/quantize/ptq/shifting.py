"""Shifting: channels moved so that each lies around zero, and its range is as small as it can be.

A tensor's steps must span its widest channel, from the lowest value of any to the highest. What is
added to a channel in the bias of the op that makes it is taken back in the bias of those that read
it, as in Wei et al., arXiv:2304.09145, section 4.1; additions add the shifts as well. That holds
where nothing bends in between, as in the bottlenecks of MobileNetV2: no activation, and readers
that see no padding, whose zeros would not be shifted.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgekit.quantize.graph.float_graph import FloatGraph, FloatOp
from edgekit.quantize.graph.observation import Observed
from edgekit.quantize.ptq.equalization import Group, groups

Array = npt.NDArray[np.float64]

_ROUNDS = 12  # of weighing
# Of what tensors reached: less is left of those that are constant, and no kernel bears such steps.
_LEAST = 2.0**-12
_ADDING = ("ADD", "MEAN")  # a mean over places keeps a shift, an addition adds two


def shift(graph: FloatGraph, statistics: Observed) -> dict[int, Array]:
    """Change the biases of `graph`; return what was added to the channels `[C]` of each tensor.

    Args:
        graph: its answers stay the same.
        statistics: of its activations.
    """
    found: dict[int, Array] = {}
    for group in groups(graph):
        parts = _parts(graph, group)
        if parts is None:
            continue
        own = _least_reach(parts, group, statistics)
        total = dict(zip(group.tensors, parts @ own, strict=True))
        for op, added in zip(group.producers, own, strict=True):
            graph.set_constant(op.inputs[2], graph.bias(op) + added)
        for op in group.consumers:
            weights = graph.weights(op).astype(np.float64)
            taken = weights.reshape(len(weights), -1) @ total[op.inputs[0]]
            graph.set_constant(op.inputs[2], graph.bias(op) - taken)
        found |= total
    return found


def _parts(graph: FloatGraph, group: Group) -> Array | None:
    """Return how often each producer's answer is in each tensor, `[tensors, producers]`.

    None where a shift does not get through.
    """
    made_by = {tensor: op for op in graph.ops for tensor in op.outputs}
    makers = [made_by[tensor] for tensor in group.tensors]
    lets_through = all(
        op.activation == "none" and (op.linear or op.kind in _ADDING) for op in makers
    )
    if not lets_through or not all(_everywhere_alike(graph, op) for op in group.consumers):
        return None
    rows: dict[int, Array] = {}
    for op in sorted(makers, key=graph.ops.index):
        if op.linear:
            rows[op.outputs[0]] = np.array([1.0 if op is p else 0.0 for p in group.producers])
        else:
            rows[op.outputs[0]] = np.sum([rows[t] for t in op.inputs if t in rows], axis=0)
    return np.stack([rows[tensor] for tensor in group.tensors])


def _everywhere_alike(graph: FloatGraph, op: FloatOp) -> bool:
    """Whether an op reads all channels at one place: a shift then is the same everywhere."""
    shape = graph.weights(op).shape
    at_one_place = op.kind == "FULLY_CONNECTED" or (op.kind == "CONV_2D" and shape[1:3] == (1, 1))
    return at_one_place and shape[-1] == graph.shape(op.inputs[0])[-1]


def _least_reach(parts: Array, group: Group, statistics: Observed) -> Array:
    """Return the shifts `[producers, C]` that make the widest of each channel's tensors narrowest.

    From the least squares to the centres, what still reaches farthest is weighed more each time:
    Lawson's way to the least maximum. A channel that gains nothing stays where it is, and so do
    tensors that would be next to nothing.
    """
    low, high = (
        np.stack([getattr(statistics[t], side) for t in group.tensors]).astype(np.float64)
        for side in ("low", "high")
    )
    best = np.zeros((parts.shape[1], low.shape[1]))
    least = np.maximum(-low, high).max(axis=0)
    weights = np.ones_like(low)
    for _ in range(_ROUNDS):
        root = np.sqrt(weights).T[..., np.newaxis]  # [C, tensors, 1]
        wanted = root * ((-low - high) / 2).T[..., np.newaxis]
        tried = (np.linalg.pinv(root * parts) @ wanted)[..., 0].T
        reach = np.maximum(-low - parts @ tried, high + parts @ tried)
        farthest = reach.max(axis=0)
        best = np.where(farthest < least, tried, best)
        least = np.minimum(farthest, least)
        weights *= np.square(reach / np.where(farthest > 0, farthest, 1))
    constant = least.max() < _LEAST * max(-low.min(), high.max())
    return np.zeros_like(best) if constant else best
