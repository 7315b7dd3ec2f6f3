"""How a picture lies in a network's input: scaled to fit, at the top left, padded behind.

The scale is one for both sides, so that nothing is distorted, unless it is stretched. All
positions are those of pixels' centres; the centre of the first is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.tasks.pictures.images import Pixels, pillow

Array = npt.NDArray[Any]
Size = tuple[int, ...]  # height and width
Box = tuple[float, float, float, float]  # top, left, height, width, in pixels


@dataclass(frozen=True)
class Frame:
    """One picture's place; sizes are height and width."""

    picture: Size
    input: Size
    stretched: bool = False  # whether the picture fills the input, each side by its own scale

    @property
    def content(self) -> tuple[int, int]:
        """What of the input the picture takes, from the top left."""
        if self.stretched:
            return self.input[0], self.input[1]
        scale = min(i / p for i, p in zip(self.input, self.picture, strict=True))
        height, width = (
            min(i, max(1, round(p * scale))) for i, p in zip(self.input, self.picture, strict=True)
        )
        return height, width

    def fill(self, pixels: Pixels, fill: npt.ArrayLike, *, nearest: bool = False) -> Pixels:
        """Return the input `[H, W, ...]`: the picture, and `fill` behind it."""
        height, width = self.content
        filled = np.empty((*self.input, *pixels.shape[2:]), np.uint8)
        filled[...] = np.asarray(fill, np.uint8)
        filled[:height, :width] = scaled(pixels, (height, width), nearest=nearest)
        return filled

    def to_input(self, boxes: Array) -> Array:
        """Return boxes `[N, 4]` in pixels of the picture as shares of the input."""
        found: Array = boxes * np.tile(self._shares, 2)
        return found

    def to_picture(self, boxes: Array) -> Array:
        """Return boxes in shares of the input (top, left, bottom, right) in the picture's pixels.

        What lies beyond the picture is cut off.
        """
        found: Array = np.clip(boxes / np.tile(self._shares, 2), 0, np.tile(self.picture, 2))
        return found

    @property
    def _shares(self) -> Array:
        """Of the input's sides, for each pixel of the picture."""
        return np.divide(self.content, self.picture) / self.input

    def places(self, grid: Size, *, align_corners: bool) -> tuple[Array, Array]:
        """Return where the picture's rows and columns lie on a grid that spans the input.

        Args:
            grid: rows and columns of the network's answer.
            align_corners: whether the ends of the grid are the input's first and last pixel
                centres; if not, they are half a cell inside its edges.
        """
        rows, columns = (
            _places(*axis, align_corners)
            for axis in zip(self.picture, self.content, self.input, grid, strict=True)
        )
        return rows, columns


def _places(picture: int, content: int, input: int, grid: int, align_corners: bool) -> Array:
    in_input = (np.arange(picture) + 0.5) * content / picture - 0.5
    if align_corners:
        found = in_input * (grid - 1) / max(input - 1, 1)
    else:
        found = (in_input + 0.5) * grid / input - 0.5
    clipped: Array = np.clip(found, 0, grid - 1)
    return clipped


def scaled(pixels: Pixels, size: Size, box: Box | None = None, *, nearest: bool = False) -> Pixels:
    """Return `[H, W]` or `[H, W, C]` as `[*size, ...]`, antialiased, or of its nearest pixels.

    Args:
        pixels: of a picture or a mask.
        size: height and width.
        box: the part to take; all if not given.
        nearest: so that a mask's indices stay indices.
    """
    if pixels.shape[:2] == size and box is None:
        return pixels
    if pixels.ndim == 3 and pixels.shape[2] != 3:
        planes = [scaled(plane, size, box, nearest=nearest) for plane in np.moveaxis(pixels, 2, 0)]
        return np.stack(planes, axis=-1)
    image_module = pillow()
    method = image_module.Resampling.NEAREST if nearest else image_module.Resampling.BILINEAR
    top, left, height, width = box or (0, 0, *pixels.shape[:2])
    image = image_module.fromarray(np.ascontiguousarray(pixels))
    edges = (left, top, left + width, top + height)
    found: Pixels = np.asarray(image.resize((size[1], size[0]), method, box=edges), np.uint8)
    return found


def cut(
    pixels: Pixels, box: Box, size: Size, fill: npt.ArrayLike, *, nearest: bool = False
) -> Pixels:
    """Return what lies in `box`, `[*size, ...]`; beyond the picture's edges there is `fill`."""
    found = np.empty((*size, *pixels.shape[2:]), np.uint8)
    found[...] = np.asarray(fill, np.uint8)
    (top, high, rows), (left, wide, columns) = (
        _overlap(*axis) for axis in zip(box[:2], box[2:], pixels.shape[:2], size, strict=True)
    )
    part = (top, left, high, wide)
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    found[rows, columns] = scaled(pixels, shape, part, nearest=nearest)
    return found


def _overlap(start: float, length: float, picture: int, size: int) -> tuple[float, float, slice]:
    """Return start and length of what the picture has of the box, and where that goes.

    There is one row at least: a box that lies beside the picture shows its edge.
    """
    first = min(max(start, 0.0), picture - 1.0)
    last = max(min(start + length, float(picture)), first + 1.0)
    begin = min(max(round((first - start) * size / length), 0), size - 1)
    end = min(max(round((last - start) * size / length), begin + 1), size)
    return first, last - first, slice(begin, end)
