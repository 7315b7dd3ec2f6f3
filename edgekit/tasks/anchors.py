"""The anchors of a single-shot detector, and the code that says how a box differs from its own.

Boxes are `[..., 4]`: top, left, bottom, right. Anchors are `[A, 4]`: centre down, centre across,
height, width. Both in shares of the input's height and width. The layout is that of
tensorflow/models' SSD (object_detection/anchor_generators/multiple_grid_anchor_generator.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

CODE_SCALES = (10.0, 10.0, 5.0, 5.0)  # of centre down, centre across, height, width
RATIOS = (1.0, 2.0, 1 / 2, 3.0, 1 / 3)  # width over height, at the scale of a map
REDUCED = ((0.1, 1.0), (None, 2.0), (None, 1 / 2))  # scale (None: the map's own) and ratio
_LARGEST_CODE = 20.0  # e^(20 / 5) anchors high: beyond, exp would overflow and mean nothing


@dataclass(frozen=True)
class Layout:
    """Where the anchors lie."""

    maps: tuple[int, ...]  # height and width of each map, finest first
    min_scale: float = 0.2  # side of a square anchor of the first map, as a share of the input's
    max_scale: float = 0.95  # of the last map
    reduce_lowest: bool = True  # the first map has the three REDUCED anchors a place, not six

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Layout:
        """Return the layout that a manifest's "anchors" describe."""
        return cls(
            tuple(params["maps"]), params["min_scale"], params["max_scale"],
            params.get("reduce_lowest", True),  # which files of before this choice have
        )  # fmt: skip

    @property
    def per_place(self) -> tuple[int, ...]:
        """Anchors at each place of each map: 6, on the first 3 unless it is not reduced."""
        full = len(RATIOS) + 1
        lowest = len(REDUCED) if self.reduce_lowest else full
        return (lowest, *[full] * (len(self.maps) - 1))

    @property
    def count(self) -> int:
        """All anchors."""
        return sum(side**2 * n for side, n in zip(self.maps, self.per_place, strict=True))

    @property
    def scales(self) -> tuple[float, ...]:
        """The scale of each map, evenly from the smallest to the largest, and 1 behind."""
        return (*np.linspace(self.min_scale, self.max_scale, len(self.maps)).tolist(), 1.0)


def make_anchors(layout: Layout) -> npt.NDArray[np.float32]:
    """Return the anchors `[A, 4]`, map by map, row by row, place by place.

    A map has one shape for each of RATIOS at its own scale, and a square of the geometric mean of
    its scale and the next map's; a reduced first map has a square of scale 0.1 and two others.
    """
    found = []
    for number, side in enumerate(layout.maps):
        shapes = _shapes(layout, number)
        centres = (np.arange(side) + 0.5) / side
        down, across = np.meshgrid(centres, centres, indexing="ij")
        places = np.stack([down, across], axis=-1).reshape(-1, 1, 2)
        spread = np.broadcast_to(places, (side**2, len(shapes), 2))
        sizes = np.broadcast_to(shapes, (side**2, len(shapes), 2))
        found.append(np.concatenate([spread, sizes], axis=-1).reshape(-1, 4))
    anchors: npt.NDArray[np.float32] = np.concatenate(found).astype(np.float32)
    return anchors


def _shapes(layout: Layout, number: int) -> Array:
    """Return height and width of a map's anchors, `[n, 2]`."""
    scale, following = layout.scales[number : number + 2]
    if number == 0 and layout.reduce_lowest:
        pairs = [(own or scale, ratio) for own, ratio in REDUCED]
    else:
        pairs = [(scale, ratio) for ratio in RATIOS]
        pairs.append((float(np.sqrt(scale * following)), 1.0))
    return np.array([(s / np.sqrt(ratio), s * np.sqrt(ratio)) for s, ratio in pairs])


def corners(anchors: Array) -> Array:
    """Return anchors as boxes."""
    half = anchors[..., 2:] / 2
    return np.concatenate([anchors[..., :2] - half, anchors[..., :2] + half], axis=-1)


def encode_boxes(boxes: Array, anchors: Array) -> npt.NDArray[np.float32]:
    """Return the codes `[..., 4]` of boxes against their anchors.

    10 (centre - anchor's) / its size, down and across; 5 log(size / its size) (Ren et al.,
    arXiv:1506.01497, equation 2, with the scales of the published configurations).
    """
    size = np.maximum(boxes[..., 2:] - boxes[..., :2], 1e-8)
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    place = (centre - anchors[..., :2]) / anchors[..., 2:]
    codes = np.concatenate([place, np.log(size / anchors[..., 2:])], axis=-1)
    scaled: npt.NDArray[np.float32] = (codes * CODE_SCALES).astype(np.float32)
    return scaled


def decode_boxes(codes: Array, anchors: Array) -> Array:
    """Return the boxes that codes `[..., 4]` mean, as `encode_boxes` made them."""
    parts = codes / np.asarray(CODE_SCALES, np.float32)
    centre = parts[..., :2] * anchors[..., 2:] + anchors[..., :2]
    limit = _LARGEST_CODE / CODE_SCALES[2]
    half = np.exp(np.minimum(parts[..., 2:], limit)) * anchors[..., 2:] / 2
    return np.concatenate([centre - half, centre + half], axis=-1)
