"""Augmentation, drawn in NumPy: every draw is a function of seed, epoch and index alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Augmentation:
    """How far a picture may be moved; each amount is drawn uniformly from plus to minus it."""

    rotation_degrees: float = 0.0
    shift: float = 0.0  # of the side
    zoom: float = 0.0  # 0.2: from 0.8 to 1.2
    stretch: float = 0.0  # height against width, as zoom
    shear: float = 0.0  # of a column against its neighbour
    flip: bool = False  # left to right, every other time; a digit is another thing in the mirror
    brightness: float = 0.0  # of the range of pixels
    contrast: float = 0.0  # 0.2: from 0.8 to 1.2


AUGMENTATIONS = {
    "none": Augmentation(),
    "digits": Augmentation(rotation_degrees=12, shift=0.08, zoom=0.1, stretch=0.1, shear=0.15),
    "photos": Augmentation(
        rotation_degrees=5, shift=0.1, zoom=0.2, stretch=0.1, flip=True,
        brightness=0.1, contrast=0.2,
    ),
}  # fmt: skip


def choose_augmentation(name: str, source: str) -> Augmentation:
    """Return the augmentation called `name`; "auto" goes by the kind of data.

    Folders hold photographs. What an .npz holds cannot be known, so nothing in it is mirrored.

    Raises:
        InputError: there is no such augmentation.
    """
    if name == "auto":
        name = "digits" if source == "digits" or source.endswith(".npz") else "photos"
    if name not in AUGMENTATIONS:
        raise InputError(
            f"augmentation {name}: unknown", expected="one of auto, " + ", ".join(AUGMENTATIONS)
        )
    return AUGMENTATIONS[name]


def draw(
    augmentation: Augmentation, count: int, size: int, seed: int, epoch: int
) -> tuple[Floats, Floats]:
    """Return the transforms `[N, 8]` and the gain and offset `[N, 2]` of `count` pictures.

    A transform is a row of ImageProjectiveTransformV3: it takes the centre of an output pixel
    (x, y) to (a0 x + a1 y + a2, a3 x + a4 y + a5) in the input. Gain and offset apply to [-1, 1].
    """
    generator = np.random.default_rng([seed, epoch, 1])
    u = generator.uniform(-1, 1, (count, 9))
    angle = np.deg2rad(augmentation.rotation_degrees) * u[:, 0]
    zoom = 1 + augmentation.zoom * u[:, 1]
    stretch = np.sqrt(1 + augmentation.stretch * u[:, 2])
    mirror = np.where(augmentation.flip & (u[:, 3] < 0), -1.0, 1.0)
    shear = augmentation.shear * u[:, 4]
    cos, sin = np.cos(angle), np.sin(angle)
    wide, high = mirror / (zoom * stretch), stretch / zoom
    a, b = cos * wide, (cos * shear - sin) * high
    c, d = sin * wide, (sin * shear + cos) * high
    center = (size - 1) / 2
    x = center + augmentation.shift * size * u[:, 5] - center * (a + b)
    y = center + augmentation.shift * size * u[:, 6] - center * (c + d)
    nothing = np.zeros(count)
    transforms = np.stack([a, b, x, c, d, y, nothing, nothing], axis=1)
    light = np.stack(
        [1 + augmentation.contrast * u[:, 7], 2 * augmentation.brightness * u[:, 8]], axis=1
    )
    return transforms.astype(np.float32), light.astype(np.float32)
