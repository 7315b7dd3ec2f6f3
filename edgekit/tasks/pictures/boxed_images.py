"""Pictures with boxes, from the places that people keep them in: COCO, Pascal VOC, drawn ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.tasks.pictures.images import TEST_SHARE, Pixels, Split, read_image

SCATTERED = "scattered"
_SPLIT_SEED = 0  # fixed: two runs, and two commands, must agree on what is the test split


@dataclass(frozen=True, eq=False)
class Truth:
    """The boxes of one picture `[H, W]`, in its own pixels."""

    boxes: npt.NDArray[np.float64]  # [M, 4]: top, left, bottom, right; edges, not centres of pixels
    classes: npt.NDArray[np.int64]  # [M]
    ignore: npt.NDArray[np.bool_]  # [M]: crowds and difficult ones, which neither teach nor count
    size: tuple[int, int]  # of the picture


class Picture(Protocol):
    """One example that is read when it is asked for."""

    @property
    def truth(self) -> Truth:
        """Its boxes."""
        ...

    def pixels(self) -> Pixels:
        """Return `[H, W, 3]`.

        Raises:
            InputError: missing, damaged, or not of the size that its boxes are told for.
        """
        ...


@dataclass(frozen=True, eq=False)
class File:
    """A picture in a file."""

    path: Path
    truth: Truth
    told_in: str  # by what, for errors

    def pixels(self) -> Pixels:
        """Return `[H, W, 3]`."""
        found = read_image(self.path)
        if found.shape[:2] != self.truth.size:
            height, width = self.truth.size
            raise InputError(
                f"{self.path}: not of the size that {self.told_in} tells",
                got=f"{found.shape[1]} x {found.shape[0]}", expected=f"{width} x {height}",
            )  # fmt: skip
        return found


@dataclass(frozen=True, eq=False)
class BoxedImages:
    """Pictures with boxes."""

    classes: tuple[str, ...]
    pictures: Sequence[Picture] = field(repr=False)

    def __len__(self) -> int:
        return len(self.pictures)

    def subset(self, indices: npt.NDArray[np.int64]) -> BoxedImages:
        """Return the pictures at `indices`, in that order."""
        return replace(self, pictures=[self.pictures[int(i)] for i in indices])


def holds_boxes(source: str | Path) -> bool:
    """Whether `source` is a place of boxes, and of nothing else that is read as pictures."""
    from edgekit.tasks.pictures import coco_json, voc_xml

    path = Path(source)
    if str(source) == SCATTERED or path.suffix == ".json":
        return True
    return coco_json.holds_coco(path) or voc_xml.holds_voc(path)


def read_boxed_images(source: str | Path, split: Split) -> BoxedImages:
    """Return one split of the pictures with boxes in `source`.

    Args:
        source: "scattered" (digits drawn on photographs); a folder of Pascal VOC (Annotations/ and
            JPEGImages/, its lists trainval and test, or val, of ImageSets/Main, where they are) or
            of the same kind with annotations/ and images/; a folder of COCO (annotations/ with
            instances_train*.json and instances_val*.json, or train.json and test.json), or one
            such file, its pictures beside it or in images/. What has no split is divided 80 to 20,
            always in the same way.
        split: "train" or "test".

    Raises:
        InputError: nothing to learn from there; the line names the file and the entry.
    """
    from edgekit.tasks.pictures import coco_json, scattered, voc_xml

    path = Path(source)
    if str(source) == SCATTERED:
        return BoxedImages(scattered.CLASSES, scattered.drawn(split))
    if path.suffix == ".json" or coco_json.holds_coco(path):
        found = coco_json.read(path, split)
    elif voc_xml.holds_voc(path):
        found = voc_xml.read(path, split)
    else:
        raise InputError(
            f"data {source}: not found" if not path.exists() else f"data {source}: no boxes",
            expected='a folder of Pascal VOC or COCO, a COCO .json, or "scattered"',
        )
    if not len(found):
        raise InputError(f"{source}: no pictures in the {split} split", expected="at least one")
    return found


def part_of(count: int, split: Split) -> npt.NDArray[np.int64]:
    """Return which of `count` pictures belong to a split, where nothing else says it.

    Raises:
        InputError: there are fewer than two.
    """
    if count < 2:
        raise InputError("data: cannot be split", got=f"{count} pictures", expected="at least 2")
    order = np.random.default_rng(_SPLIT_SEED).permutation(count)
    cut = max(1, round(TEST_SHARE * count))
    return np.sort(order[:cut] if split == "test" else order[cut:])


def make_truth(rows: Sequence[tuple[Any, int, bool]], size: tuple[int, int]) -> Truth:
    """Return the truth of (box, class, ignore), which may be none."""
    return Truth(
        np.array([box for box, _, _ in rows], np.float64).reshape(-1, 4),
        np.array([index for _, index, _ in rows], np.int64),
        np.array([ignore for _, _, ignore in rows], bool),
        size,
    )


def check_box(box: Sequence[float], size: tuple[int, int], where: str, slack: float = 0.0) -> None:
    """Refuse a box that has no area or lies beyond its picture.

    Args:
        box: top, left, bottom, right.
        size: height and width of the picture.
        where: file and entry.
        slack: pixels beyond the edge that rounding may bring.

    Raises:
        InputError: it does.
    """
    top, left, bottom, right = box
    height, width = size
    shown = f"left {left:g}, top {top:g}, right {right:g}, bottom {bottom:g}"
    if not all(np.isfinite(box)) or bottom <= top or right <= left:
        raise InputError(f"{where}: a box without area", got=shown, do="mend or remove it")
    if min(top, left) < -slack or bottom > height + slack or right > width + slack:
        raise InputError(
            f"{where}: a box beyond its picture", got=shown,
            expected=f"within {width} x {height}", do="mend or remove it",
        )  # fmt: skip
