"""Drawn pictures with boxes: handwritten digits scattered over textured photographs.

Digits and photographs come along with scikit-learn. The box of a digit is that of its ink, which a
mask tells to the pixel. Digits of the training and of the test pictures are of different writing,
the ground of different parts of the photographs; those are two only, so that half of the training
pictures show one part through another, in ragged patches as between leaves. Each picture is a
function of its seed and number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import MissingExtraError
from edgekit.tasks.pictures.boxed_images import Picture, Truth, make_truth
from edgekit.tasks.pictures.framing import scaled
from edgekit.tasks.pictures.images import (
    LabelledImages,
    Pixels,
    Split,
    pillow,
    read_labelled_images,
)

CLASSES = tuple("0123456789")
SIZES = (160, 240)  # height and width of a picture, in pixels
COUNTS = {"train": 12_000, "test": 400}
_SEEDS = {"train": 1, "test": 2}
_DIGITS = (0, 5)  # of a picture
_SIDES = (0.16, 0.55)  # of a digit, as a share of the picture's shorter side
_TRIES = 20  # places that are tried for a digit before it is left out
_SLANT = 0.2  # radians that writing to learn from is turned and sheared by: other hands do
_INK = 0.3  # least opacity of what belongs to a digit
_TEST_PART = 0.25  # of each photograph's width, at its right
_SHARES = {"train": 0.3, "test": 0.6}  # of a photograph's shorter side, the least that is shown
_PATCHED = 0.5  # of the training pictures, whose ground is of two parts
_GRAINS = (2, 4, 8, 16, 32, 64)  # cells of the patches' noise along a side, octave by octave


@dataclass(frozen=True)
class Scattered:
    """One picture, drawn when it is asked for."""

    split: Split
    number: int

    @property
    def truth(self) -> Truth:
        """The boxes of its digits."""
        return _drawn(self.split, self.number)[1]

    def pixels(self) -> Pixels:
        """Return `[H, W, 3]`."""
        return _drawn(self.split, self.number)[0]


def drawn(split: Split) -> Sequence[Picture]:
    """Return the pictures of a split."""
    return [Scattered(split, number) for number in range(COUNTS[split])]


def draw_picture(split: Split, number: int) -> tuple[Pixels, Truth, npt.NDArray[np.int64]]:
    """Return picture `[H, W, 3]`, its boxes, and a mask `[H, W]`: which digit, from 1, or 0.

    Digits do not touch each other.
    """
    rng = np.random.default_rng([_SEEDS[split], number])
    height, width = rng.integers(SIZES[0], SIZES[1] + 1, 2)
    picture = _ground(rng, split, (int(height), int(width))).astype(np.float64)
    mask = np.zeros(picture.shape[:2], np.int64)
    digits = _writing(split)
    rows: list[tuple[Any, int, bool]] = []
    for _ in range(rng.integers(_DIGITS[0], _DIGITS[1] + 1)):
        index = int(rng.integers(len(digits)))
        slant = _SLANT if split == "train" else 0.0
        ink = _ink(rng, digits.pixels(index)[..., 0], min(mask.shape), slant)
        if (place := _free(rng, mask, ink.shape)) is None:
            continue
        part = tuple(slice(first, first + n) for first, n in zip(place, ink.shape, strict=True))
        picture[part] += ink[..., np.newaxis] * (_colour(rng, picture[part]) - picture[part])
        down, across = np.nonzero(ink > _INK)
        mask[part][down, across] = len(rows) + 1
        (top, left) = place
        box = (top + down.min(), left + across.min(), top + down.max() + 1, left + across.max() + 1)
        rows.append((box, int(digits.labels[index]), False))
    pixels = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return pixels, make_truth(rows, (int(height), int(width))), mask


@lru_cache(maxsize=64)  # pixels and boxes of one picture are asked for one after the other
def _drawn(split: Split, number: int) -> tuple[Pixels, Truth, npt.NDArray[np.int64]]:
    return draw_picture(split, number)


@cache
def _writing(split: Split) -> LabelledImages:
    return read_labelled_images("digits", split)


@cache
def _photographs() -> tuple[Pixels, ...]:
    try:
        from sklearn.datasets import load_sample_images
    except ModuleNotFoundError:
        raise MissingExtraError("scikit-learn", "train") from None
    return tuple(np.asarray(image, np.uint8) for image in load_sample_images().images)


def _ground(rng: np.random.Generator, split: Split, size: tuple[int, int]) -> Pixels:
    """Return a part of a photograph; of the training pictures' some with another in patches."""
    ground = _part(rng, split, size)
    if split == "test" or rng.random() >= _PATCHED:
        return ground
    other = np.minimum(_part(rng, split, size) * rng.uniform(0.2, 1.4), 255)
    share = _patches(rng, size)[..., np.newaxis]
    mixed: Pixels = np.rint(ground + share * (other - ground)).astype(np.uint8)
    return mixed


def _patches(rng: np.random.Generator, size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Return shares `[H, W]` from 0 to 1: noise of all grains, cut off more or less sharply."""
    roughness = rng.uniform(0.0, 1.0)
    noise = np.zeros(size)
    for cells in _GRAINS:
        grid = pillow().fromarray(rng.normal(size=(cells, cells)).astype(np.float32))
        octave = grid.resize(size[::-1], pillow().Resampling.BICUBIC)
        noise += np.asarray(octave, np.float64) / cells**roughness
    noise /= noise.std()
    shares: npt.NDArray[np.float64] = np.clip(
        (noise - rng.normal(0, 0.7)) * rng.uniform(0.5, 5.0) + 0.5, 0, 1
    )
    return shares


def _part(rng: np.random.Generator, split: Split, size: tuple[int, int]) -> Pixels:
    """Return a part of a photograph at some scale, mirrored half of the time."""
    photographs = _photographs()
    image = photographs[int(rng.integers(len(photographs)))]
    border = round(image.shape[1] * (1 - _TEST_PART))
    image = image[:, border:] if split == "test" else image[:, :border]
    share = rng.uniform(_SHARES[split], 1.0) * min(
        n / wanted for n, wanted in zip(image.shape, size, strict=False)
    )
    height, width = size[0] * share, size[1] * share
    top, left = rng.uniform(0, image.shape[0] - height), rng.uniform(0, image.shape[1] - width)
    ground = scaled(image, size, (top, left, height, width))
    return ground[:, ::-1] if rng.random() < 0.5 else ground


def _ink(
    rng: np.random.Generator, digit: Pixels, side: int, slant: float
) -> npt.NDArray[np.float64]:
    """Return a digit's opacity from 0 to 1, enlarged, without its empty border."""
    height = max(10, round(side * rng.uniform(*_SIDES)))
    width = max(8, round(height * rng.uniform(0.75, 1.1)))
    enlarged = scaled(digit, (height, width))
    ink = (_slanted(enlarged, *rng.uniform(-slant, slant, 2)) if slant else enlarged) / 255.0
    ink = np.clip(2.0 * ink - 0.3, 0, 1)  # of blurred strokes, firm ones
    rows, columns = np.nonzero(ink.max(axis=1))[0], np.nonzero(ink.max(axis=0))[0]
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _slanted(digit: Pixels, turn: float, shear: float) -> Pixels:
    """Return a digit turned and sheared, by radians, with as much border as that takes."""
    border = round(0.3 * max(digit.shape))
    wide = np.pad(digit, border)
    image_module = pillow()
    across, down = (np.array(wide.shape[::-1]) - 1) / 2
    cos, sin = np.cos(turn), np.sin(turn)
    rows = np.array([[cos, -sin + shear * cos], [sin, cos + shear * sin]])  # of output to input
    offsets = np.array([across, down]) - rows @ (across, down)
    image = image_module.fromarray(wide).transform(
        wide.shape[::-1], image_module.Transform.AFFINE,
        (*rows[0], offsets[0], *rows[1], offsets[1]), image_module.Resampling.BILINEAR,
    )  # fmt: skip
    return np.asarray(image, np.uint8)


def _free(
    rng: np.random.Generator, mask: npt.NDArray[Any], size: tuple[int, ...]
) -> tuple[int, int] | None:
    """Return a place, top and left, where nothing is yet."""
    for _ in range(_TRIES):
        top, left = (int(rng.integers(0, n - s + 1)) for n, s in zip(mask.shape, size, strict=True))
        if not mask[top : top + size[0], left : left + size[1]].any():
            return top, left
    return None


def _colour(rng: np.random.Generator, ground: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return a colour that stands out from the ground: light on dark, dark on light."""
    dark = ground.mean() > 127
    return rng.uniform(0, 70, 3) if dark else rng.uniform(185, 255, 3)
