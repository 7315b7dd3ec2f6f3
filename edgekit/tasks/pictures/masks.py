"""Pictures with masks, from the places that people keep them in: Pascal VOC, pairs, drawn scenes.

A mask is an indexed PNG (or a grey one) of its picture's size: each pixel holds the index of its
class, or 255, void, which neither teaches nor counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.tasks.pictures.images import SUFFIXES, TEST_SHARE, Pixels, Split, opened, read_image
from edgekit.tasks.pictures.scenes import CLASSES, Scenes

VOID = 255
SCENES = "scenes"
VOC_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair",
    "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
)  # fmt: skip
LABELS = "labels.txt"
_MASKS = (".png", ".bmp", ".gif", ".tif", ".tiff")  # that keep an index as it is
_COUNTS = {"train": 1200, "test": 300}  # drawn scenes
_SEEDS = {"train": 1, "test": 2}
_SPLIT_SEED = 0  # fixed: two runs, and two commands, must agree on what is the test split


@dataclass(frozen=True, eq=False)
class MaskedImages:
    """Pictures `[H, W, 3]` and masks `[H, W]`, read when they are asked for."""

    classes: tuple[str, ...]
    examples: Sequence[tuple[Pixels, Pixels]]

    def __len__(self) -> int:
        return len(self.examples)

    def subset(self, indices: npt.NDArray[np.int64]) -> MaskedImages:
        """Return the examples at `indices`, in that order."""
        return replace(self, examples=_Chosen(self.examples, indices))


def holds_masks(source: str | Path) -> bool:
    """Whether `source` is one of the places that `read_masked_images` reads."""
    path = Path(source)
    return str(source) == SCENES or any(
        (path / name).is_dir() for name in ("SegmentationClass", "masks", "train/masks")
    )


def read_masked_images(source: str | Path, split: Split) -> MaskedImages:
    """Return one split of the pictures with masks in `source`.

    Args:
        source: "scenes" (drawn), the folder VOC2012 of Pascal VOC (its lists train and val of
            ImageSets/Segmentation), or a folder with images/ and masks/ whose files have the same
            names, with or without train/ and test/ (or val/) above them. What has no split is
            divided 80 to 20, always in the same way. The classes are those of labels.txt, one a
            line by index; of Pascal VOC its own.
        split: "train" or "test".

    Raises:
        InputError: nothing to learn from there; the line names the file.
    """
    path = Path(source)
    if str(source) == SCENES:
        return MaskedImages(CLASSES, Scenes(_COUNTS[split], _SEEDS[split]))
    if (path / "SegmentationClass").is_dir():
        return _read_voc(path, split)
    if holds_masks(path):
        return _read_folder(path, split)
    raise InputError(
        f"data {source}: not found" if not path.exists() else f"data {source}: no masks",
        expected='a folder with images/ and masks/, Pascal VOC\'s VOC2012, or "scenes"',
    )


def read_mask(path: Path) -> Pixels:
    """Return a mask's indices `[H, W]`.

    Raises:
        InputError: missing, damaged, or a picture of colours instead of indices.
    """
    with opened(path) as file:
        if file.mode not in ("P", "L"):
            raise InputError(
                f"{path}: not a mask", got=f"mode {file.mode}", expected="an indexed or grey PNG",
                do="save the index of each pixel's class",
            )  # fmt: skip
        return np.asarray(file, np.uint8)


class _Files(Sequence[tuple[Pixels, Pixels]]):
    """Pairs of files."""

    def __init__(self, pairs: Sequence[tuple[Path, Path]], classes: int) -> None:
        self.pairs, self.classes = pairs, classes

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, number: Any) -> Any:
        image, mask = self.pairs[number]
        pixels, indices = read_image(image), read_mask(mask)
        if pixels.shape[:2] != indices.shape:
            raise InputError(
                f"{mask}: not of its picture's size", got=_size(indices), expected=_size(pixels)
            )
        wrong = (indices >= self.classes) & (indices != VOID)
        if wrong.any():
            raise InputError(
                f"{mask}: unknown palette index",
                got=int(indices[wrong][0]),
                expected=f"0 to {self.classes - 1}, or {VOID} for void",
            )
        if (indices == VOID).all():
            raise InputError(f"{mask}: void alone", do="remove it: it says nothing")
        return pixels, indices


class _Chosen(Sequence[tuple[Pixels, Pixels]]):
    """Some of the examples."""

    def __init__(self, examples: Any, indices: npt.NDArray[np.int64]) -> None:
        self.examples, self.indices = examples, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, number: Any) -> Any:
        return self.examples[int(self.indices[number])]


def _read_voc(folder: Path, split: Split) -> MaskedImages:
    listed = folder / "ImageSets/Segmentation" / {"train": "train.txt", "test": "val.txt"}[split]
    names = _lines(listed)
    pairs = [
        (folder / "JPEGImages" / f"{name}.jpg", folder / "SegmentationClass" / f"{name}.png")
        for name in names
    ]
    return MaskedImages(VOC_CLASSES, _Files(_there(pairs), len(VOC_CLASSES)))


def _read_folder(folder: Path, split: Split) -> MaskedImages:
    classes = _lines(folder / LABELS)
    if not 2 <= len(classes) <= VOID:
        raise InputError(f"{folder / LABELS}: classes", got=len(classes), expected=f"2 to {VOID}")
    if (folder / "train/masks").is_dir():
        test = next((n for n in ("test", "val") if (folder / n / "masks").is_dir()), None)
        if test is None:
            raise InputError(f"{folder}: train/ without a test split", expected="test/ or val/")
        pairs = _pairs(folder / ("train" if split == "train" else test))
        return MaskedImages(classes, _Files(pairs, len(classes)))
    pairs = _pairs(folder)
    if len(pairs) < 2:
        raise InputError(f"{folder}: cannot be split", got="1 picture", expected="at least 2")
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(pairs))
    cut = max(1, round(TEST_SHARE * len(pairs)))
    chosen = np.sort(order[:cut] if split == "test" else order[cut:])
    return MaskedImages(classes, _Files([pairs[i] for i in chosen], len(classes)))


def _pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Return pictures with their masks; neither may stand alone."""
    images, masks = (
        {p.stem: p for p in sorted((folder / name).glob("*")) if p.suffix.lower() in suffixes}
        for name, suffixes in (("images", SUFFIXES), ("masks", _MASKS))
    )
    for one, other, what in ((images, masks, "mask"), (masks, images, "picture")):
        if missing := sorted(one.keys() - other.keys()):
            raise InputError(f"{one[missing[0]]}: no {what} of that name")
    if not images:
        raise InputError(f"{folder / 'images'}: no pictures", expected="pictures")
    return [(images[name], masks[name]) for name in images]


def _there(pairs: list[tuple[Path, Path]]) -> list[tuple[Path, Path]]:
    for pair in pairs:
        for path in pair:
            if not path.is_file():
                raise InputError(f"{path}: not found", do="unpack Pascal VOC again")
    return pairs


def _lines(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"{path}: cannot be read", got=reason, expected="one name a line"
        ) from None
    found = tuple(line.strip() for line in lines if line.strip())
    if not found:
        raise InputError(f"{path}: empty", expected="one name a line")
    return found


def _size(pixels: Pixels) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]}"
