"""Splitting: channels made twice, half a step apart, so that together they have half the step.

Rounding x - D/4 and x + D/4 to steps of D and taking the mean of what is left is rounding x to
steps of D/2: a ninth bit, for the channels that the answers depend on most. Where an activation
cuts x off, both are cut off, and nothing is to be taken back. Channels are made twice and the
weights of what reads them divided between both as in Zhao et al., arXiv:1901.09504, section 3.3,
there against outliers.

Copies cost multiply-adds: those that pruning freed, for channels of the same tensors, and as many
more as are granted, for any. They go where a multiply-add takes the most noise out of the answers,
MULTIPLE channels at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.quantize.graph.float_graph import FloatGraph, FloatOp, Range
from edgekit.quantize.graph.linear import rows_of, shaped
from edgekit.quantize.graph.replay import Values
from edgekit.quantize.ptq.pruning import CEILINGS, MULTIPLE, Chain, chains
from edgekit.quantize.ptq.ranges import fake_quantize, grid
from edgekit.quantize.ptq.sensitivity import Effect, effects

Array = npt.NDArray[np.float64]
Channels = npt.NDArray[np.int64]
FindSteps = Callable[[Array], Array]
FindRange = Callable[[int, npt.NDArray[np.float32]], Range]

_UNITS = 4096  # in which multiply-adds are counted where they are dealt out
_JUDGED = 3  # examples, spread over all: the places of a map are as many more


@dataclass(frozen=True, eq=False)
class Gain:
    """What making channels of one tensor twice brings."""

    noise: Array  # that the answers lose, [C]
    shift: Array  # from one to the other, [C]: half a step, or 0 where that would not help


@dataclass(frozen=True, eq=False)
class Block:
    """Channels of one chain to be made twice together."""

    chain: Chain
    channels: Channels
    noise: float  # that the answers lose
    madds: int


def split(
    graph: FloatGraph,
    examples: Values,
    madds: int,
    ranges: FindRange,
    find_steps: FindSteps,
    *,
    among: Container[int] | None = None,
) -> dict[int, Channels]:
    """Change `graph`, whose answers stay all but the same; return the copied channels, by tensor.

    Args:
        graph: the float network.
        examples: `[N, ...]` by input tensor.
        madds: how many multiply-adds more it may have.
        ranges: of an activation, by tensor and values, in which it will be rounded.
        find_steps: of weights `[O, K]`, how they will be rounded; those on a grid stay on it.
        among: tensors whose channels may be copied; all if not given, which takes minutes.
    """
    known = [chain for chain in chains(graph) if madds > 0
             and (among is None or chain.tensors[0] in among)]  # fmt: skip
    if not known:
        return {}
    limit, found = multiply_adds(graph) + madds, dict[int, Channels]()
    gains = _gains(graph, examples, {op.outputs[0] for c in known for op in c.makers}, ranges)
    chosen = affordable([b for chain in known for b in _blocks(graph, chain, gains)], madds)
    for chain in known:
        blocks = [block.channels for block in chosen if block.chain is chain]
        # Copies that the ops around it have by now make its own dearer than they were.
        left = limit - multiply_adds(graph)
        while blocks and _price(graph, chain) * sum(map(len, blocks)) > left:
            blocks.pop()
        if blocks:
            channels = np.sort(np.concatenate(blocks))
            shifts = [gains[op.outputs[0]].shift[channels] for op in chain.makers]
            _copy(graph, chain, channels, shifts, find_steps)
            found |= dict.fromkeys(chain.tensors, channels)
    return found


def multiply_adds(graph: FloatGraph) -> int:
    """Return how many multiply-adds the linear ops take whose weights are stored."""
    return sum(_madds(graph, op) for op in graph.ops if graph.changeable(op))


def _madds(graph: FloatGraph, op: FloatOp) -> int:
    return int(np.prod(graph.shape(op.outputs[0])[1:-1]) * graph.weights(op).size)


def _price(graph: FloatGraph, chain: Chain) -> int:
    """Return how many multiply-adds one more channel of a chain takes."""
    width = graph.shape(chain.tensors[0])[-1]
    return sum(_madds(graph, op) for op in (*chain.makers, *chain.readers)) // width


def _gains(
    graph: FloatGraph, examples: Values, wanted: set[int], ranges: FindRange
) -> dict[int, Gain]:  # fmt: skip
    """Return what each channel of the wanted tensors brings, as seen on a few examples."""
    return {
        each.tensor: _gain(each, ranges(each.tensor, each.values))
        for each in effects(graph, examples, _JUDGED, among=wanted)
    }


def _gain(effect: Effect, range_: Range) -> Gain:
    """Return what each channel of an activation brings.

    Means are left out, since the biases behind will take them back.
    """
    exact = effect.judged
    quarter = grid(range_)[0] / 4
    floor = -np.inf if effect.op.activation == "none" else 0.0
    ceiling = CEILINGS[effect.op.activation]
    bent = (exact <= floor) | (exact >= ceiling)  # by far, as it seems: both copies are as one
    lower, upper = (np.where(bent, exact, np.clip(exact + by, floor, ceiling))
                    for by in (-quarter, quarter))  # fmt: skip
    once = fake_quantize(exact, range_)
    twice = (fake_quantize(lower, range_) + fake_quantize(upper, range_)) / 2
    axes = tuple(range(exact.ndim - 1))
    once, twice = (rounded - (rounded - exact).mean(axis=axes) for rounded in (once, twice))
    left, error = (np.square(rounded - exact).sum(axis=axes) for rounded in (twice, once))
    share = 1 - left / np.maximum(error, 1e-30)
    lost = np.zeros(len(share))
    for channel in np.flatnonzero(share > 0):
        changed = exact.copy()
        changed[..., channel] = once[..., channel]
        lost[channel] = effect.cost(changed) * share[channel]
    return Gain(lost, np.where(lost > 0, 2 * quarter, 0.0))


def _blocks(graph: FloatGraph, chain: Chain, gains: dict[int, Gain]) -> Iterator[Block]:
    """Yield what of a chain may be made twice, best first, as many channels as it still has."""
    lost = np.sum([gains[op.outputs[0]].noise for op in chain.makers], axis=0)
    order = np.argsort(-lost, kind="stable")
    each = _price(graph, chain)
    size = min(MULTIPLE, len(order))
    for first in range(0, len(order) - size + 1, size):
        channels = order[first : first + size]
        if lost[channels].all():
            yield Block(chain, channels, float(lost[channels].sum()), each * size)


def affordable(blocks: list[Block], madds: int) -> list[Block]:
    """Return those of the blocks that together bring most for so many multiply-adds at most."""
    unit = madds / _UNITS
    best = np.zeros(_UNITS + 1)  # that can be had for so many units
    taken = []
    for block in blocks:
        price = math.ceil(block.madds / unit)
        with_it = np.full(_UNITS + 1, -1.0)
        if price <= _UNITS:
            with_it[price:] = best[: _UNITS + 1 - price] + block.noise
        taken.append(with_it > best)
        best = np.maximum(best, with_it)
    chosen: list[Block] = []
    left = _UNITS
    for block, takes in zip(reversed(blocks), reversed(taken), strict=True):
        if takes[left]:
            chosen.insert(0, block)
            left -= math.ceil(block.madds / unit)
    return chosen


def _copy(
    graph: FloatGraph, chain: Chain, chosen: Channels, shifts: list[Array], find_steps: FindSteps
) -> None:
    """Make channels twice, the copies behind the others and `shifts` [K] higher, one a maker."""
    before = np.zeros(len(chosen))  # from one to the other of what a maker reads
    for op, shift in zip(chain.makers, shifts, strict=True):
        weights, bias = graph.weights(op), graph.bias(op)
        apart = shift / 2
        if op.kind == "DEPTHWISE_CONV_2D":
            taps = weights[..., chosen]
            apart = apart - before / 2 * taps.reshape(-1, len(chosen)).sum(axis=0)
            graph.set_constant(op.inputs[1], np.concatenate([weights, taps], axis=-1))
        else:
            graph.set_constant(op.inputs[1], np.concatenate([weights, weights[chosen]]))
        copies = bias[chosen] + apart
        bias[chosen] -= apart
        graph.set_constant(op.inputs[2], np.concatenate([bias, copies]))
        before = shift
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
        more = (2 * second - whole).reshape(len(second), -1, len(chosen)).sum(axis=1)
        graph.set_constant(op.inputs[2], graph.bias(op) - more @ before / 2)
