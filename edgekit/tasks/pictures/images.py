"""Labelled pictures from the places that people keep them in: folders, .npz files, digits.

Everything that trains, calibrates or evaluates reads its pictures here, so that a pixel is the
same number in all three. NumPy only; Pillow and scikit-learn are loaded when they are needed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError, MissingExtraError
from edgekit.tasks.pictures.npz import read_npz

Pixels = npt.NDArray[np.uint8]
Split = Literal["train", "test"]

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
TEST_SHARE = 0.2  # of each class, where the source has no test split of its own
_SPLIT_SEED = 0  # fixed: two runs, and two commands, must agree on what is the test split


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Pictures and the class of each."""

    classes: tuple[str, ...]
    items: Sequence[Path] | Pixels  # files, or one array [N, H, W, C]
    labels: npt.NDArray[np.int64]  # [N], indices into `classes`

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, index: int) -> Pixels:
        """Return picture `index` as `[H, W, C]`.

        Raises:
            InputError: the file is damaged or not a picture.
        """
        item = self.items[index]
        return read_image(item) if isinstance(item, Path) else item

    def subset(self, indices: npt.NDArray[np.int64]) -> LabelledImages:
        """Return the pictures at `indices`, in that order."""
        items = self.items
        chosen = items[indices] if isinstance(items, np.ndarray) else [items[i] for i in indices]
        return replace(self, items=chosen, labels=self.labels[indices])


def read_labelled_images(source: str | Path, split: Split) -> LabelledImages:
    """Return one split of the pictures in `source`.

    Args:
        source: "digits" (scikit-learn's handwriting), a folder with one folder a class, with or
            without train/ and test/ (or val/) above them, or an .npz with x_train, y_train,
            x_test, y_test, or with x, y. What has no split is divided 80 to 20 within each
            class, always in the same way.
        split: "train" or "test".

    Raises:
        InputError: nothing to learn from there; the line names the file or the array.
        MissingExtraError: scikit-learn or Pillow is not installed.
    """
    path = Path(source)
    if str(source) == "digits":
        return _checked(_divided(_digits(), split, "digits"), "digits")
    if path.is_dir():
        return _checked(_read_folder(path, split), path)
    if path.suffix.lower() == ".npz":
        return _checked(_from_npz(path, split), path)
    raise InputError(
        f"data {source}: not found" if not path.exists() else f"data {source}: not a data set",
        expected='a folder of class folders, an .npz file or "digits"',
    )


def read_pictures(folder: Path) -> LabelledImages | None:
    """Return the pictures that lie in `folder` itself, all of one class; None if there are none."""
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    return LabelledImages(("",), files, np.zeros(len(files), np.int64)) if files else None


def read_image(path: str | Path) -> Pixels:
    """Return a picture as `[H, W, 3]`, turned the way that its EXIF orientation says.

    Raises:
        InputError: missing, damaged, not a picture, of more than 8 bits, or large enough to be a
            decompression bomb.
        MissingExtraError: Pillow is not installed.
    """
    with opened(path) as file:
        from PIL import ImageOps

        if file.mode[0] in "IF":
            raise InputError(
                f"{path}: more than 8 bits a channel", got=file.mode, expected="8-bit pixels"
            )
        return np.asarray(ImageOps.exif_transpose(file).convert("RGB"), np.uint8)


def resize(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Return `[H, W, C]` as `[size[0], size[1], C]`, bilinear and antialiased.

    The weights are those of tf.image.resize(antialias=True); rounding differs by one level at most.
    """
    image_module = pillow()
    height, width = size
    if pixels.shape[:2] == (height, width):
        return pixels
    bilinear = image_module.Resampling.BILINEAR

    def one(plane: Pixels) -> Pixels:
        image = image_module.fromarray(np.ascontiguousarray(plane))
        resized: Pixels = np.asarray(image.resize((width, height), bilinear), np.uint8)
        return resized

    if pixels.shape[2] == 3:
        return one(pixels)
    return np.stack([one(pixels[..., c]) for c in range(pixels.shape[2])], axis=-1)


def with_channels(pixels: Pixels, channels: int) -> Pixels:
    """Return `[H, W, C]` with `channels` channels: grey is repeated, colour becomes luma.

    Raises:
        InputError: there is no such conversion.
    """
    if pixels.shape[2] == channels:
        return pixels
    if pixels.shape[2] == 1:
        return np.repeat(pixels, channels, axis=2)
    if (pixels.shape[2], channels) == (3, 1):
        luma = pixels @ np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
        grey: Pixels = np.rint(luma).astype(np.uint8)[..., None]
        return grey
    raise InputError("picture: channels", got=pixels.shape[2], expected=str(channels))


def divide(
    labels: npt.NDArray[np.int64], share: float, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return sorted indices of the rest and of a `share` of every class, drawn by `seed`.

    The share is rounded, and at least one of every class that has two.
    """
    generator = np.random.default_rng(seed)
    taken = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        count = max(1, round(share * len(members))) if len(members) > 1 else 0
        taken[members[:count]] = True
    return np.flatnonzero(~taken), np.flatnonzero(taken)


def _divided(images: LabelledImages, split: Split, where: object) -> LabelledImages:
    counts = np.bincount(images.labels, minlength=len(images.classes))
    if counts.size and counts.min() < 2:
        raise InputError(
            f"{where}: class {images.classes[int(counts.argmin())]} cannot be split",
            got=f"{counts.min()} pictures",
            expected="at least 2 of every class",
        )
    return images.subset(divide(images.labels, TEST_SHARE, _SPLIT_SEED)[split == "test"])


def _checked(images: LabelledImages, where: object) -> LabelledImages:
    if len(images.classes) < 2:
        raise InputError(
            f"{where}: one class only", got=", ".join(images.classes), expected="at least 2 classes"
        )
    if not len(images):
        raise InputError(f"{where}: no pictures in this split", expected="at least one")
    return images


def _digits() -> LabelledImages:
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError:
        raise MissingExtraError("scikit-learn", "train") from None
    digits = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    classes = tuple(str(name) for name in digits.target_names)
    return LabelledImages(classes, pixels, digits.target.astype(np.int64))


def _read_folder(folder: Path, split: Split) -> LabelledImages:
    if not (folder / "train").is_dir():
        return _divided(_read_classes(folder, _class_names(folder)), split, folder)
    test = next((folder / n for n in ("test", "val") if (folder / n).is_dir()), None)
    if test is None:
        raise InputError(f"{folder}: train/ without a test split", expected="test/ or val/")
    classes = _class_names(folder / "train")
    if unknown := set(_class_names(test)) - set(classes):
        raise InputError(f"{test}: a class that train/ has not", got=sorted(unknown)[0])
    return _read_classes(folder / "train" if split == "train" else test, classes)


def _class_names(folder: Path) -> tuple[str, ...]:
    names = tuple(sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name[0] != "."))
    if not names:
        raise InputError(f"{folder}: no class folders", expected="one folder of pictures a class")
    return names


def _read_classes(folder: Path, classes: tuple[str, ...]) -> LabelledImages:
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        # A test split may lack a class; a class that exists must hold something.
        if (folder / name).is_dir():
            pictures = _pictures(folder / name)
            files += pictures
            labels += [label] * len(pictures)
    _check_headers(files)
    return LabelledImages(classes, files, np.array(labels, np.int64))


def _pictures(folder: Path) -> list[Path]:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name[0] != ".")
    pictures = [p for p in files if p.suffix.lower() in SUFFIXES]
    if not pictures:
        raise InputError(f"{folder}: a class without pictures", do="add pictures or remove it")
    if len(pictures) < len(files):
        logging.getLogger("edgekit").warning(
            "%r: %d files are not pictures and were left out",
            str(folder),
            len(files) - len(pictures),
        )
    return pictures


def _check_headers(files: Iterable[Path]) -> None:
    """Open every file without decoding it: what is no picture fails now, not hours later."""
    for path in files:
        with opened(path):
            pass


@contextmanager
def opened(path: str | Path) -> Iterator[Any]:
    """Open a picture by Pillow; whatever goes wrong inside is an InputError that names it."""
    image_module = pillow()
    try:
        with image_module.open(path) as file:
            # Pillow itself only warns up to twice its limit.
            limit = image_module.MAX_IMAGE_PIXELS
            if limit and file.width * file.height > limit:
                raise image_module.DecompressionBombError(f"{file.width} x {file.height} pixels")
            yield file
    except FileNotFoundError:
        raise InputError(f"{path}: not found", expected="a picture") from None
    except image_module.DecompressionBombError as error:
        raise InputError(
            f"{path}: too large a picture",
            got=error,
            expected=f"at most {image_module.MAX_IMAGE_PIXELS} pixels",
        ) from None
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise InputError(
            f"{path}: cannot be read as a picture", got=_reason(error), do="repair or remove it"
        ) from None


def _from_npz(path: Path, split: Split) -> LabelledImages:
    arrays = read_npz(path)
    part = split if split in arrays.pixels else "all"
    images = LabelledImages(arrays.classes, arrays.pixels[part], arrays.labels[part])
    return _divided(images, split, path) if part == "all" else images


def pillow() -> ModuleType:
    """Return PIL.Image.

    Raises:
        MissingExtraError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise MissingExtraError("Pillow", "litert") from None
    return Image


def _reason(error: Exception) -> str:
    """Return what Pillow or NumPy said, without the file's name that our line already holds."""
    text = str(error)
    return "not a known format" if "cannot identify" in text else text or type(error).__name__
