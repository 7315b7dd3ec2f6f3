"""Boxes `[..., 4]` (top, left, bottom, right): overlap, and non-maximum suppression."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

CANDIDATES = 400  # pairs of anchor and class that suppression looks at, the best
_CHUNK = 64  # candidates that are compared at once


def area(boxes: Array) -> Array:
    """Return the areas `[...]`; of a box whose ends are crossed, 0."""
    sides = np.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    found: Array = sides[..., 0] * sides[..., 1]
    return found


def intersection(one: Array, other: Array) -> Array:
    """Return the shared area of each box of `[N, 4]` with each of `[M, 4]`, `[N, M]`."""
    first = np.maximum(one[:, np.newaxis, :2], other[np.newaxis, :, :2])
    last = np.minimum(one[:, np.newaxis, 2:], other[np.newaxis, :, 2:])
    return area(np.concatenate([first, last], axis=-1))


def overlap(one: Array, other: Array) -> Array:
    """Return intersection over union of each of `[N, 4]` with each of `[M, 4]`, `[N, M]`."""
    both = intersection(one, other)
    union: Array = area(one)[:, np.newaxis] + area(other) - both
    found: Array = np.divide(both, union, out=np.zeros_like(both), where=union > 0)
    return found


def best_pairs(scores: Array, count: int, least: float) -> tuple[Array, Array]:
    """Return anchors and classes of the best of scores `[A, K]` above `least`, best first.

    At most `count`; of equal ones the first anchor's, then the first class's.
    """
    flat = scores.reshape(-1)
    if flat.size > count:
        # Each anchor's best is a pair: so many of them, so many pairs reach the count-th at least.
        best = scores.max(axis=1)
        if len(best) > count:
            floor = np.partition(best, len(best) - count)[len(best) - count]
            least = max(least, float(np.nextafter(floor, -np.inf, dtype=flat.dtype)))
    chosen = np.flatnonzero(flat > least)
    chosen = chosen[np.argsort(-flat[chosen], kind="stable")[:count]]
    return np.divmod(chosen, scores.shape[1])


def suppress(boxes: Array, classes: Array, limit: float, count: int) -> Array:
    """Return which of boxes `[N, 4]`, best first, stay: greedily, each class by itself.

    A box goes that overlaps a better one of its class that stays, by more than `limit` in
    intersection over union.

    Args:
        boxes: to choose from.
        classes: of each.
        limit: of the overlap.
        count: at most so many stay.
    """
    if not len(boxes):
        return np.zeros(0, np.int64)
    # Classes are laid out beside each other, so that boxes of two never overlap.
    apart = classes * (boxes.max() - boxes.min() + 1)
    edges = np.ascontiguousarray((boxes.astype(np.float64) + apart[:, np.newaxis]).T)
    sizes = area(boxes)
    kept: list[int] = []
    for first in range(0, len(boxes), _CHUNK):
        part = np.arange(first, min(first + _CHUNK, len(boxes)))
        rivals = np.concatenate([np.array(kept, np.int64), part])
        over = _over(edges[:, part], sizes[part], edges[:, rivals], sizes[rivals], limit)
        gone, within = over[:, : len(kept)].any(axis=1), over[:, len(kept) :]
        for number in range(len(part)):
            if gone[number]:
                continue
            kept.append(first + number)
            if len(kept) == count:
                return np.array(kept, np.int64)
            gone |= within[number]
    return np.array(kept, np.int64)


def _over(one: Array, size: Array, other: Array, other_size: Array, limit: float) -> Array:
    """Whether boxes, edges `[4, N]` and `[4, M]`, overlap by more than `limit`: `[N, M]`."""
    top, left = (np.maximum(one[i][:, np.newaxis], other[i]) for i in (0, 1))
    high, wide = (np.minimum(one[i][:, np.newaxis], other[i]) for i in (2, 3))
    high -= top
    wide -= left
    both = np.maximum(high, 0, out=high) * np.maximum(wide, 0, out=wide)
    found: Array = both > limit * (size[:, np.newaxis] + other_size - both)
    return found
