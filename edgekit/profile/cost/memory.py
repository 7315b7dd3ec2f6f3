"""Planned activation memory.

Two figures: the peak of what is alive at once, which no planner can go below, and the arena of the
planner that TensorFlow Lite uses, greedy by size with offsets (Pisarchyk and Lee,
arXiv:2001.03288, algorithm 3). Nothing shares memory with its input, not even a reshape: what a
runtime saves by working in place comes off these figures.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.profile.graph import Graph, Tensor

ALIGNMENT_BYTES = 64  # of each tensor in TensorFlow Lite's arena


@dataclass(frozen=True)
class Lifetime:
    """A tensor's bytes and the steps at which they must be kept, both ends included."""

    index: int
    size_bytes: int
    first: int
    last: int


def lifetimes(graph: Graph) -> tuple[Lifetime, ...]:
    """Return when each activation lives, in steps of the graph's op order.

    Inputs live from before the first op, outputs until after the last. Constants and tensors of
    unknown or varying size are left out; `unplanned` names the latter.
    """
    end = len(graph.ops)
    first: dict[int, int] = {tensor.index: -1 for tensor in graph.inputs}
    last: dict[int, int] = dict(first)
    sizes: dict[int, int] = {}
    for step, op in enumerate(graph.ops):
        for tensor in (t for t in op.inputs if t is not None and not t.constant):
            # A tensor that is read before anything wrote it is a state: it lives throughout.
            last[tensor.index] = step if tensor.index in first else end
            first.setdefault(tensor.index, -1)
        for tensor in (t for t in op.outputs if not t.constant):
            first.setdefault(tensor.index, step)
            last[tensor.index] = max(last.get(tensor.index, step), step)
    for tensor in graph.outputs:
        if tensor.index in first:
            last[tensor.index] = end
    for tensor in graph.tensors:
        sizes[tensor.index] = tensor.size_bytes or 0
    return tuple(Lifetime(i, sizes[i], first[i], last[i]) for i in first if sizes.get(i))


def unplanned(graph: Graph) -> tuple[Tensor, ...]:
    """Return the activations whose size is not known before running."""
    return tuple(t for t in graph.tensors if not t.constant and t.size_bytes is None)


def peak_bytes(graph: Graph) -> int:
    """Return the largest sum of live activations at any step: an exact lower bound.

    Entry points keep memory of their own each, here and in `arena_bytes`.
    """
    if graph.entries:
        return sum(map(peak_bytes, graph.entries))
    changes = [0] * (len(graph.ops) + 3)
    for life in lifetimes(graph):
        changes[life.first + 1] += life.size_bytes
        changes[life.last + 2] -= life.size_bytes
    peak = alive = 0
    for change in changes:
        alive += change
        peak = max(peak, alive)
    return peak


def plan(
    lives: tuple[Lifetime, ...], alignment_bytes: int = ALIGNMENT_BYTES
) -> tuple[dict[int, int], int]:
    """Place tensors by decreasing size, each in the smallest gap that is free for its lifetime.

    Returns:
        The offset in bytes of each tensor, by index, and the size of the arena in bytes.
    """
    placed: list[tuple[int, Lifetime]] = []  # by offset
    offsets: dict[int, int] = {}
    arena = 0
    for life in sorted(lives, key=lambda x: (-x.size_bytes, x.first, x.index)):
        best, best_gap, end = None, None, 0
        for offset, other in placed:
            if other.first > life.last or other.last < life.first:
                continue
            gap = offset - end
            if gap >= life.size_bytes and (best_gap is None or gap < best_gap):
                best, best_gap = end, gap
            end = max(end, _align(offset + other.size_bytes, alignment_bytes))
        place = end if best is None else best
        offsets[life.index] = place
        placed.append((place, life))
        placed.sort(key=lambda item: item[0])
        arena = max(arena, place + life.size_bytes)
    return offsets, arena


def arena_bytes(graph: Graph) -> int:
    """Return the arena that the greedy-by-size planner needs."""
    if graph.entries:
        return sum(map(arena_bytes, graph.entries))
    return plan(lifetimes(graph))[1]


def _align(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment
