"""Labelled pictures in an .npz, by Keras's names for the arrays; everything in it is checked."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError


@dataclass(frozen=True, eq=False)
class LabelledArrays:
    """Pictures `[N, H, W, C]` uint8 and labels `[N]` by part: "train" and "test", or "all"."""

    classes: tuple[str, ...]
    pixels: dict[str, npt.NDArray[np.uint8]]
    labels: dict[str, npt.NDArray[np.int64]]


def read_npz(path: Path) -> LabelledArrays:
    """Return the arrays of `path`: x_train, y_train, x_test, y_test, or x, y; also classes.

    Raises:
        InputError: not such a file, or not pictures and their labels.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise InputError(f"{path}: not found") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path}: cannot be read as .npz", got=str(error) or type(error).__name__
        ) from None
    if {"x_train", "y_train", "x_test", "y_test"} <= set(arrays):
        pairs = {part: (f"x_{part}", f"y_{part}") for part in ("train", "test")}
    elif {"x", "y"} <= set(arrays):
        pairs = {"all": ("x", "y")}
    else:
        raise InputError(
            f"{path}: arrays",
            got=", ".join(arrays) or "none",
            expected="x_train, y_train, x_test, y_test or x, y",
        )
    labels = {k: _labels(arrays[y], arrays[x], f"{path}: {y}") for k, (x, y) in pairs.items()}
    pixels = {k: _pixels(arrays[x], f"{path}: {x}") for k, (x, _) in pairs.items()}
    last = max(int(part.max()) for part in labels.values())
    return LabelledArrays(_classes(arrays, last, path), pixels, labels)


def _classes(arrays: dict[str, Any], last: int, path: Path) -> tuple[str, ...]:
    """Return the names in `classes`, or the numbers 0 to `last` where there is no such array."""
    if "classes" not in arrays:
        return tuple(str(label) for label in range(last + 1))
    classes = tuple(str(name) for name in np.ravel(arrays["classes"]))
    if last >= len(classes):
        raise InputError(
            f"{path}: label out of range", got=last, expected=f"0 to {len(classes) - 1}"
        )
    return classes


def _labels(labels: npt.NDArray[Any], pixels: npt.NDArray[Any], where: str) -> Any:
    if labels.ndim == 2 and labels.shape[1] == 1:  # as Keras keeps CIFAR's
        labels = labels[:, 0]
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        got = f"{labels.dtype} {list(labels.shape)}"
        raise InputError(where, got=got, expected="integer labels [N]")
    if len(labels) != len(pixels) or not len(labels):
        raise InputError(
            f"{where}: does not fit its pictures",
            got=f"{len(labels)} labels for {len(pixels)} pictures",
            expected="as many, and at least one",
        )
    if labels.min() < 0:
        raise InputError(f"{where}: label out of range", got=labels.min(), expected="0 or more")
    return labels.astype(np.int64)


def _pixels(array: npt.NDArray[Any], where: str) -> npt.NDArray[np.uint8]:
    """Return `[N, H, W, C]` uint8; other types only where each value is a whole 0 to 255."""
    if array.ndim not in (3, 4) or 0 in array.shape or array.dtype.kind not in "uif":
        raise InputError(
            where, got=f"{array.dtype} {list(array.shape)}", expected="numbers [N, H, W(, C)]"
        )
    if array.dtype != np.uint8:
        if not np.isfinite(array).all():
            raise InputError(f"{where}: NaN or infinity in the pixels", expected="0 to 255")
        if array.min() < 0 or array.max() > 255 or (array != np.rint(array)).any():
            raise InputError(
                f"{where}: not pixels",
                got=f"values from {array.min():.4g} to {array.max():.4g}",
                expected="whole numbers from 0 to 255",
                do="scale them and store uint8, or call the array as the model's input is called",
            )
    pixels = array.astype(np.uint8)
    return pixels if pixels.ndim == 4 else pixels[..., None]
