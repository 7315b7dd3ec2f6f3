"""Splitting: channels made twice, half a step apart, so that together they have half the step.

Rounding x and x + D/2 to steps of D and taking the mean of what is left is rounding x to steps of
D/2: a ninth bit, for the channels that the answers depend on most. The copies take the places that
pruning freed, so that the work is no more than it was. Channels are made twice and the weights of
what reads them divided between both as in Zhao et al., arXiv:1901.09504, section 3.3, there against
outliers.

Where an activation cuts x off, both copies are the same and the mean is a quarter of a step away;
so what a channel gains is tried, not assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from edgekit.quantize.float_graph import FloatGraph, FloatOp, Range
from edgekit.quantize.pruning import CEILINGS, Chain, chains
from edgekit.quantize.ranges import fake_quantize, grid
from edgekit.quantize.replay import Values, behind, run_op, steps
from edgekit.quantize.sensitivity import noise, scores
from edgekit.quantize.weight_steps import rows_of, shaped

Array = npt.NDArray[np.float64]
FindSteps = Callable[[Array], Array]

_JUDGED = 16  # examples, spread over all


def split(
    graph: FloatGraph,
    examples: Values,
    free: Mapping[int, int],
    ranges: Callable[[int, npt.NDArray[np.float32]], Range],
    find_steps: FindSteps,
) -> dict[int, npt.NDArray[np.int64]]:
    """Change `graph`, whose answers stay the same; return which channels were copied, by tensor.

    Args:
        graph: the float network.
        examples: `[N, ...]` by input tensor.
        free: how many channels more each tensor may have.
        ranges: of an activation, by tensor and values, in which it will be rounded.
        find_steps: of weights `[O, K]`, how they will be rounded; those on a grid stay on it.
    """
    judged = graph.ending_at(scores(graph))
    found: dict[int, npt.NDArray[np.int64]] = {}
    for chain in chains(graph):
        room = min((free.get(tensor, 0) for tensor in chain.tensors), default=0)
        if not room:
            continue
        spans = _spans(judged, examples, chain, ranges)
        gains = _gains(judged, examples, chain.makers[0], spans)
        chosen = np.argsort(-gains, kind="stable")[:room]
        chosen = np.sort(chosen[gains[chosen] > 0])
        if len(chosen):
            _copy(graph, chain, chosen, [grid(s)[0] for s in spans], find_steps)
            found |= dict.fromkeys(chain.tensors, chosen)
    return found


def _spans(
    graph: FloatGraph, examples: Values, chain: Chain,
    ranges: Callable[[int, npt.NDArray[np.float32]], Range],
) -> list[Range]:  # fmt: skip
    """Return the range of what each maker of a chain answers."""
    live, found = dict(examples), []
    wanted = {op.outputs[0] for op in chain.makers}
    for number, op, dead in steps(graph):
        live.update(run_op(graph, number, live))
        found += [ranges(t, live[t]) for t in op.outputs if t in wanted]
        if len(found) == len(wanted):
            break
        for tensor in dead:
            live.pop(tensor, None)
    return found


def _gains(graph: FloatGraph, examples: Values, maker: FloatOp, spans: list[Range]) -> Array:
    """Return how much less noise in the answers each channel brings once it is made twice."""
    tensor, range_ = maker.outputs[0], spans[0]
    count = len(next(iter(examples.values())))
    live: Values = {t: v[:: max(1, count // _JUDGED)] for t, v in examples.items()}
    number = next(n for n, op in enumerate(graph.ops) if tensor in op.outputs)
    for earlier, _, dead in steps(graph):
        live.update(run_op(graph, earlier, live))
        if earlier == number:
            break
        for unread in dead:
            live.pop(unread, None)
    finish, exact = behind(graph, number), live[tensor]
    answers = finish(live)
    half = grid(range_)[0] / 2
    moved = np.clip(exact + half, *_ends(maker))
    if maker.activation != "none":
        moved = np.where(exact > 0, moved, 0)
    once = fake_quantize(exact, range_)
    twice = (once + fake_quantize(moved, range_) - half) / 2

    def cost(channel: int, rounded: npt.NDArray[np.float32]) -> float:
        changed = exact.copy()
        changed[..., channel] = rounded[..., channel]
        return noise(answers, finish({**live, tensor: changed}))

    return np.array([cost(c, once) - cost(c, twice) for c in range(exact.shape[-1])])


def _ends(op: FloatOp) -> tuple[float, float]:
    return (-np.inf if op.activation == "none" else 0.0), CEILINGS[op.activation]


def _copy(
    graph: FloatGraph, chain: Chain, chosen: npt.NDArray[np.int64], sizes: list[float],
    find_steps: FindSteps,
) -> None:  # fmt: skip
    """Make channels twice, the copies behind the others, in steps of `sizes`, one a maker."""
    before = 0.0  # how much higher the copies of what a maker reads are
    for op, size in zip(chain.makers, sizes, strict=True):
        weights, bias = graph.weights(op), graph.bias(op)
        copies = bias[chosen] + (size / 2 if op is chain.makers[0] else 0.0)
        if op.kind == "DEPTHWISE_CONV_2D":
            taps = weights[..., chosen]
            copies -= before * taps.reshape(-1, len(chosen)).sum(axis=0)
            graph.set_constant(op.inputs[1], np.concatenate([weights, taps], axis=-1))
        else:
            graph.set_constant(op.inputs[1], np.concatenate([weights, weights[chosen]]))
        graph.set_constant(op.inputs[2], np.concatenate([bias, copies]))
        before = size / 2 if op is chain.makers[0] else 0.0
    for tensor in chain.tensors:
        graph.set_channels(tensor, graph.shape(tensor)[-1] + len(chosen))
    for op in chain.readers:
        weights = graph.weights(op)
        grid_steps = shaped(graph, op, np.repeat(find_steps(rows_of(graph, op))[:, np.newaxis],
                                                 weights[0].size, axis=1))[..., chosen]  # fmt: skip
        whole = weights[..., chosen]
        second = np.rint(whole / 2 / grid_steps) * grid_steps
        weights[..., chosen] = whole - second
        graph.set_constant(op.inputs[1], np.concatenate([weights, second], axis=-1))
        taken = second.reshape(len(second), -1).sum(axis=1) * before
        graph.set_constant(op.inputs[2], graph.bias(op) - taken)
