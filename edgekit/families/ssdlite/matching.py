"""Which anchor learns which box: the targets of training, in NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.tasks.anchors import corners, encode_boxes
from edgekit.tasks.boxes import area, intersection, overlap

Array = npt.NDArray[Any]

MATCHED = 0.5  # least intersection over union of an anchor with the box that it learns
BACKGROUND, IGNORED = -1, -2  # in place of a class


@dataclass(frozen=True, eq=False)
class Targets:
    """What each anchor shall answer."""

    classes: npt.NDArray[np.int32]  # [A], BACKGROUND or IGNORED where there is no box
    codes: npt.NDArray[np.float32]  # [A, 4], zeros where there is no box


def match(boxes: Array, classes: Array, ignore: Array, anchors: Array) -> Targets:
    """Return the targets of one picture.

    Each box first gets one anchor for itself: of all pairs the one that overlaps most, then of
    those that are left the next (Liu et al., arXiv:1512.02325, section 2.2). Of the other anchors
    each learns the box that it overlaps most, if by at least MATCHED. Anchors that overlap an
    ignored box as much, or lie in it by half, neither learn nor count as background.

    Args:
        boxes: `[M, 4]` in shares of the input.
        classes: `[M]`.
        ignore: `[M]`, which are crowds or difficult.
        anchors: `[A, 4]`.
    """
    found = np.full(len(anchors), BACKGROUND, np.int32)
    codes = np.zeros((len(anchors), 4), np.float32)
    spans = corners(anchors)
    learned, left = boxes[~ignore], boxes[ignore]
    if len(left):
        inside = intersection(spans, left) / area(spans)[:, np.newaxis]
        near = np.maximum(inside, overlap(spans, left)).max(axis=1)
        found[near >= MATCHED] = IGNORED
    if len(learned):
        shared = overlap(spans, learned)
        chosen = shared.argmax(axis=1)
        positive = shared.max(axis=1) >= MATCHED
        for anchor, box in _forced(shared):
            chosen[anchor], positive[anchor] = box, True
        found[positive] = classes[~ignore][chosen[positive]]
        codes[positive] = encode_boxes(learned[chosen[positive]], anchors[positive])
    return Targets(found, codes)


def _forced(shared: Array) -> list[tuple[int, int]]:
    """Return one anchor a box, the pairs `(anchor, box)` of most overlap first."""
    shared = shared.copy()
    pairs = []
    for _ in range(min(shared.shape)):
        anchor, box = np.unravel_index(int(shared.argmax()), shared.shape)
        pairs.append((int(anchor), int(box)))
        shared[anchor], shared[:, box] = -1, -1
    return pairs
