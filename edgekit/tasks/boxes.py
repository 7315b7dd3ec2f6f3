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
    kept: list[int] = []
    for first in range(0, len(boxes), _CHUNK):
        part = slice(first, first + _CHUNK)
        same = classes[part, np.newaxis] == classes[np.newaxis, part]
        within = (overlap(boxes[part], boxes[part]) > limit) & same
        gone = np.zeros(len(within), bool)
        if kept:
            same = classes[part, np.newaxis] == classes[np.newaxis, kept]
            gone = ((overlap(boxes[part], boxes[kept]) > limit) & same).any(axis=1)
        for number in range(len(within)):
            if gone[number]:
                continue
            kept.append(first + number)
            if len(kept) == count:
                return np.array(kept, np.int64)
            gone |= within[number]
    return np.array(kept, np.int64)
