"""Augmentation: each picture with its mask at another scale, cropped, mirrored every other time.

Every draw is a function of seed, epoch and index alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.tasks.pictures.framing import Box, Frame, Size, cut
from edgekit.tasks.pictures.images import Pixels
from edgekit.tasks.pictures.masks import VOID

SCALES = (0.5, 2.0)  # of the size at which the network will see the picture (arXiv:1706.05587)
_DRAWS = 4  # scale, place down and across, mirror


def augments(name: str) -> bool:
    """Return whether pictures are augmented: "auto" or "photos" do, "none" does not.

    Raises:
        InputError: there is no such augmentation.
    """
    if name not in ("auto", "photos", "none"):
        raise InputError(
            f"augmentation {name}: unknown for segmentation",
            expected="auto or photos (scale, crop, mirror), or none",
        )
    return name != "none"


def draw(count: int, seed: int, epoch: int) -> npt.NDArray[np.float32]:
    """Return numbers from 0 to 1, `[N, 4]`, one row a picture."""
    generator = np.random.default_rng([seed, epoch, 1])
    return generator.uniform(0, 1, (count, _DRAWS)).astype(np.float32)


def box_of(picture: Size, size: int, drawn: npt.NDArray[np.float32]) -> Box:
    """Return the part of a picture `[H, W]` that is shown at `[size, size]`, in its own pixels.

    At scale 1 the picture fits as it will when the network answers it. What is larger than the crop
    is cropped anywhere, what is smaller lies anywhere in it.
    """
    low, high = SCALES
    content = Frame(picture, (size, size)).content
    scale = (low + (high - low) * float(drawn[0])) * max(content) / max(picture)
    side = size / scale
    top, left = (
        (length - side) * float(share) for length, share in zip(picture, drawn[1:3], strict=True)
    )
    return top, left, side, side


def transform(
    pixels: Pixels, mask: Pixels, size: int, drawn: npt.NDArray[np.float32], fill: float
) -> tuple[Pixels, Pixels]:
    """Return picture `[size, size, C]` and mask `[size, size]`, with `fill` and void beyond."""
    box = box_of(mask.shape[:2], size, drawn)
    picture = cut(pixels, box, (size, size), fill)
    labels = cut(mask, box, (size, size), VOID, nearest=True)
    if drawn[3] < 0.5:
        picture, labels = picture[:, ::-1], labels[:, ::-1]
    return picture, labels
