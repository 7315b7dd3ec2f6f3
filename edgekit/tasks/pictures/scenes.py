"""Drawn scenes: textured shapes on textured ground, whose masks are known to the pixel.

The ground is dull and the shapes are not; their hues hint at the class, as a bird's do, but only
the shape tells. Each scene is a function of its seed and number alone.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.tasks.pictures.images import Pixels

Array = npt.NDArray[np.float64]

SIZE = 128  # height and width in pixels
_OBJECTS = (2, 4)  # a scene, at least and at most
_RADIUS = (0.16, 0.32)  # of the side
_GRAIN = (2, 12)  # cells of a texture along a side
_HUES = 0.17  # of the circle, to either side of a class's own: those of two neighbours overlap
_CONTRAST = (15, 70)  # levels between the two colours of a texture

# Where u to the right and v down are in units of the radius.
SHAPES: dict[str, Callable[[Array, Array], npt.NDArray[np.bool_]]] = {
    "disc": lambda u, v: u**2 + v**2 < 0.8,
    "square": lambda u, v: np.maximum(abs(u), abs(v)) < 0.8,
    "triangle": lambda u, v: (v < 0.6) & (v > 1.73 * abs(u) - 1.1),
    "ring": lambda u, v: abs(u**2 + v**2 - 0.65) < 0.35,
    "cross": lambda u, v: (np.minimum(abs(u), abs(v)) < 0.3) & (np.maximum(abs(u), abs(v)) < 1),
}
CLASSES = ("background", *SHAPES)


class Scenes(Sequence[tuple[Pixels, Pixels]]):
    """Pictures `[H, W, 3]` with masks `[H, W]` of indices into CLASSES."""

    def __init__(self, number: int, seed: int) -> None:
        self._number, self._seed = number, seed

    def __len__(self) -> int:
        return self._number

    def __getitem__(self, number: Any) -> Any:
        if not 0 <= number < self._number:
            raise IndexError(number)
        return draw_scene(np.random.default_rng([self._seed, int(number)]))


def draw_scene(rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """Return one picture and its mask; later shapes lie over earlier ones."""
    picture = _texture(rng, _colour(rng.random(), rng.uniform(0, 0.25), rng.uniform(0.2, 0.9)))
    mask = np.zeros((SIZE, SIZE), np.uint8)
    for _ in range(rng.integers(_OBJECTS[0], _OBJECTS[1] + 1)):
        index = int(rng.integers(1, len(CLASSES)))
        inside = SHAPES[CLASSES[index]](*_coordinates(rng))
        hue = (index / len(SHAPES) + rng.uniform(-_HUES, _HUES)) % 1
        colour = _colour(hue, rng.uniform(0.6, 1), rng.uniform(0.5, 1))
        picture[inside] = _texture(rng, colour)[inside]
        mask[inside] = index
    noise = rng.normal(0, 6, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8), mask


def _coordinates(rng: np.random.Generator) -> tuple[Array, Array]:
    """Return every pixel's u and v, for a shape somewhere, of some size and turned somehow."""
    radius = rng.uniform(*_RADIUS) * SIZE
    y, x = rng.uniform(0.15, 0.85, 2) * SIZE
    angle = rng.uniform(-np.pi, np.pi)
    down, right = np.mgrid[:SIZE, :SIZE].astype(np.float64)
    down, right = (down - y) / radius, (right - x) / radius
    cos, sin = np.cos(angle), np.sin(angle)
    return right * cos + down * sin, down * cos - right * sin


def _colour(hue: float, saturation: float, value: float) -> Array:
    return np.array(colorsys.hsv_to_rgb(hue, saturation, value), np.float64) * 255.0


def _texture(rng: np.random.Generator, one: Array) -> Array:
    """Return `[H, W, 3]`: a colour and one beside it by turns, in soft patches or in stripes."""
    way = rng.normal(size=3)
    other = np.clip(one + way / np.abs(way).max() * rng.uniform(*_CONTRAST), 0, 255)
    share = (_patches if rng.random() < 0.5 else _stripes)(rng)[..., np.newaxis]
    found: Array = one * (1 - share) + other * share
    return found


def _patches(rng: np.random.Generator) -> Array:
    """Return noise of some grain, from 0 to 1, bilinear between its cells."""
    cells = int(rng.integers(*_GRAIN))
    noise = rng.uniform(0, 1, (cells + 1, cells + 1))
    at = np.arange(SIZE) * cells / SIZE
    low = at.astype(int)
    part = (at - low)[:, np.newaxis]
    rows = noise[low] * (1 - part) + noise[low + 1] * part
    found: Array = rows[:, low] * (1 - part.T) + rows[:, low + 1] * part.T
    return found


def _stripes(rng: np.random.Generator) -> Array:
    """Return a wave from 0 to 1 in some direction."""
    angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
    waves = rng.uniform(*_GRAIN)
    down, right = np.mgrid[:SIZE, :SIZE] * (2 * np.pi * waves / SIZE)
    found: Array = 0.5 + 0.5 * np.sin(down * np.sin(angle) + right * np.cos(angle) + phase)
    return found
