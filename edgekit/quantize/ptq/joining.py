"""Joining: an addition whose three tensors bear one step rounds nothing.

What two int8 tensors of one step add up to lies on that step: an addition to the same step is exact
but for what it cuts off. Tensors of different ranges would each like a step of their own, so that
those are joined whose answers gain by it: the smaller ranges are widened, or the larger one
narrowed, and one rounding of three is saved. Additions in a row may share one step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

import numpy as np

from edgekit.quantize.graph.float_graph import FloatGraph, FloatOp, Range
from edgekit.quantize.graph.replay import Values
from edgekit.quantize.ptq.ranges import fake_quantize
from edgekit.quantize.ptq.sensitivity import Effect, effects

_SHARES = (0.8, 0.9, 1.0)  # of a range, what is tried
_JUDGED = 16  # examples, spread over all
_EXACT = ("ADD", "SUB")
_FREE = (*_EXACT, "MUL")  # beside linear ops, what may answer in any step


@dataclass(frozen=True, eq=False)
class Noise:
    """What one activation brings into the answers."""

    width: float  # of its range
    rounded: float  # by the steps of that range alone
    cut: tuple[float, ...]  # by cutting it off at each of the shares of that range

    def at(self, width: float, exact: bool) -> float:
        """Return what it brings in a range of that width about the same middle."""
        share = width / self.width
        cut = np.inf if share < _SHARES[0] else np.interp(share, _SHARES, self.cut)
        return float(cut) + (0.0 if exact else self.rounded * share**2)


def join(graph: FloatGraph, examples: Values, ranges: Mapping[int, Range]) -> dict[int, Range]:
    """Return the ranges, those of the joined tensors of one width.

    Args:
        graph: the float network.
        examples: `[N, ...]` by input tensor.
        ranges: of its activations. One that is missing is not to be changed.
    """
    moving = {tensor for tensor, range_ in ranges.items() if _width(range_) > 0}
    adding = [op for op in _additions(graph) if {*op.inputs, *op.outputs} <= moving]
    tensors = {tensor for op in adding for tensor in (*op.inputs, *op.outputs)}
    if not tensors:
        return dict(ranges)
    noises = {each.tensor: _noise(each, ranges[each.tensor])
              for each in effects(graph, examples, _JUDGED, among=tensors)}  # fmt: skip
    sets = {tensor: frozenset({tensor}) for tensor in tensors}
    exact: set[int] = set()
    for op in adding:
        apart = {sets[tensor] for tensor in (*op.inputs, *op.outputs)}
        together = frozenset().union(*apart)
        now = sum(_best(each, noises, exact)[0] for each in apart)
        if _best(together, noises, {*exact, *op.outputs})[0] < now:
            exact |= {*op.outputs}
            sets |= dict.fromkeys(together, together)
    joined = {tensor: _best(each, noises, exact)[1]
              for tensor, each in sets.items() if len(each) > 1}  # fmt: skip
    return {**ranges, **{tensor: _widened(ranges[tensor], w) for tensor, w in joined.items()}}


def _additions(graph: FloatGraph) -> Iterator[FloatOp]:
    """Yield what adds two activations whose steps, and that of the sum, nothing else ties."""
    maker = {tensor: op for op in graph.ops for tensor in op.outputs}
    for op in graph.ops:
        if op.kind in _EXACT and all(
            (made := maker.get(tensor)) is not None and (made.linear or made.kind in _FREE)
            for tensor in op.inputs
        ):
            yield op


def _noise(effect: Effect, range_: Range) -> Noise:
    low, high = (np.float32(end) for end in _ends(range_))
    cut = tuple(effect.cost(np.clip(effect.judged, low * share, high * share))
                for share in _SHARES)  # fmt: skip
    both = effect.cost(fake_quantize(effect.judged, range_))
    return Noise(_width(range_), max(both - cut[-1], 0.0), cut)


def _best(
    tensors: frozenset[int], noises: Mapping[int, Noise], exact: Set[int]
) -> tuple[float, float]:
    """Return the least noise that the tensors bring in ranges of one width, and that width."""
    if len(tensors) == 1:
        (alone,) = (noises[tensor] for tensor in tensors)
        return alone.at(alone.width, exact=False), alone.width
    widths = {noises[tensor].width * share for tensor in tensors for share in _SHARES}
    return min(
        (sum(noises[t].at(width, t in exact) for t in tensors), width) for width in sorted(widths)
    )


def _ends(range_: Range) -> Range:
    """Return a range that holds zero, as steps take it."""
    return min(range_[0], 0.0), max(range_[1], 0.0)


def _width(range_: Range) -> float:
    low, high = _ends(range_)
    return high - low


def _widened(range_: Range, width: float) -> Range:
    """Return a range of that width whose ends lie about zero as they did."""
    low, high = _ends(range_)
    share = width / (high - low)
    return low * share, high * share
