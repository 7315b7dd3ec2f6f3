"""Augmentation: SSD's crop with a least overlap, of other colours; laid small, and mirrored.

Every draw is a function of seed, epoch and index alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.tasks.boxes import area, intersection
from edgekit.tasks.pictures.boxed_images import SCATTERED, Truth
from edgekit.tasks.pictures.framing import Box, cut
from edgekit.tasks.pictures.images import Pixels

# Least overlap of a crop with one of the boxes; None: the whole picture (arXiv:1512.02325, 2.2).
OVERLAPS = (None, 0.1, 0.3, 0.5, 0.7, 0.9, 0.0)
CROP = (0.3, 1.0)  # of each side of the picture
ASPECTS = (0.5, 2.0)  # of a crop, width over height
_EXPANDED = 0.5  # of the pictures, where a canvas is larger than they are
_TRIES = 50
_BRIGHTNESS, _CONTRAST, _SATURATION = 32.0, 0.3, 0.3  # levels; to either side of 1


@dataclass(frozen=True)
class Augmentation:
    """What is done beside the crop and the colours."""

    canvas: float = 1.0  # the largest, per side, on which a picture is laid down small
    flip: bool = False  # left to right, every other time; a digit is another thing in the mirror


AUGMENTATIONS = {
    "none": None,
    "digits": Augmentation(),
    "photos": Augmentation(canvas=2.0, flip=True),
}


def choose_augmentation(name: str, source: str) -> Augmentation | None:
    """Return the augmentation called `name`, None for none; "auto" goes by the data.

    Drawn pictures have none: there are thousands, each drawn differently.

    Raises:
        InputError: there is no such augmentation.
    """
    if name == "auto":
        name = "none" if source == SCATTERED else "photos"
    if name not in AUGMENTATIONS:
        raise InputError(
            f"augmentation {name}: unknown for detection",
            expected="auto, photos (crop, canvas, mirror, colour), digits (crop, colour), or none",
        )
    return AUGMENTATIONS[name]


def augment(
    pixels: Pixels, truth: Truth, size: int, how: Augmentation, rng: np.random.Generator,
    fill: float,
) -> tuple[Pixels, Truth]:  # fmt: skip
    """Return the picture `[size, size, C]` and its boxes, in the pixels of that."""
    wide = how.canvas > 1 and rng.random() < _EXPANDED
    box = _expanded(rng, truth.size, how.canvas) if wide else crop_of(truth, rng)
    picture = coloured(cut(pixels, box, (size, size), fill), rng)
    found = cropped(truth, box, size)
    if how.flip and rng.random() < 0.5:
        picture, found = mirrored(picture, found)
    return picture, found


def crop_of(truth: Truth, rng: np.random.Generator) -> Box:
    """Return the part of the picture to show, drawn until it fits a least overlap.

    A crop that holds the centre of no box is drawn again; after _TRIES the picture is whole.
    """
    height, width = truth.size
    whole = (0.0, 0.0, float(height), float(width))
    least = OVERLAPS[int(rng.integers(len(OVERLAPS)))]
    if least is None:
        return whole
    for _ in range(_TRIES):
        high, wide = rng.uniform(*CROP, 2) * (height, width)
        if not ASPECTS[0] <= wide / high <= ASPECTS[1]:
            continue
        box = (rng.uniform(0, height - high), rng.uniform(0, width - wide), high, wide)
        if fits(truth, box, least):
            return box
    return whole


def fits(truth: Truth, box: Box, least: float) -> bool:
    """Whether a crop shows so much of one of the boxes whose centre it holds."""
    if not len(truth.boxes):
        return True
    top, left, high, wide = box
    spans = np.array([[top, left, top + high, left + wide]])
    shown = intersection(truth.boxes, spans)[:, 0] / area(truth.boxes)
    return bool((_central(truth, box) & (shown >= least)).any())


def cropped(truth: Truth, box: Box, size: int) -> Truth:
    """Return the boxes whose centre the crop holds, clipped to it, in pixels of `[size, size]`."""
    top, left, high, wide = box
    inside = _central(truth, box)
    origin = np.array([top, left, top, left])
    scale = size / np.array([high, wide, high, wide])
    boxes = np.clip((truth.boxes[inside] - origin) * scale, 0, size)
    there = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) > 1
    return Truth(
        boxes[there], truth.classes[inside][there], truth.ignore[inside][there], (size, size)
    )


def mirrored(pixels: Pixels, truth: Truth) -> tuple[Pixels, Truth]:
    """Return both with left and right exchanged."""
    width = truth.size[1]
    top, left, bottom, right = truth.boxes.T
    boxes = np.stack([top, width - right, bottom, width - left], axis=1)
    return pixels[:, ::-1], Truth(boxes, truth.classes, truth.ignore, truth.size)


def coloured(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Return the picture with another brightness, contrast and saturation."""
    values = pixels.astype(np.float32)
    grey = values.mean(axis=2, keepdims=True)
    values = grey + (values - grey) * (1 + _SATURATION * rng.uniform(-1, 1))
    values = values * (1 + _CONTRAST * rng.uniform(-1, 1)) + _BRIGHTNESS * rng.uniform(-1, 1)
    found: Pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return found


def _expanded(rng: np.random.Generator, size: tuple[int, int], largest: float) -> Box:
    """Return a box larger than the picture, somewhere in which that lies."""
    scale = rng.uniform(1.0, largest)
    high, wide = size[0] * scale, size[1] * scale
    return -rng.uniform(0, high - size[0]), -rng.uniform(0, wide - size[1]), high, wide


def _central(truth: Truth, box: Box) -> npt.NDArray[np.bool_]:
    top, left, high, wide = box
    centres = (truth.boxes[:, :2] + truth.boxes[:, 2:]) / 2
    inside: npt.NDArray[np.bool_] = (
        (centres >= (top, left)) & (centres < (top + high, left + wide))
    ).all(axis=1)
    return inside
