"""Calibration data: examples of what the model will see, read one by one."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.signature import TensorSpec
from edgekit.tasks.classify import encode
from edgekit.tasks.pictures.boxed_images import holds_boxes, read_boxed_images
from edgekit.tasks.pictures.images import Pixels, read_labelled_images, read_pictures
from edgekit.tasks.pictures.masks import holds_masks, read_masked_images

MEMORY = "arrays in memory"
ENOUGH = 100  # fewer samples leave the ranges uncertain

Example = dict[str, npt.NDArray[Any]]
Data = str | Path | npt.NDArray[Any] | Mapping[str, npt.NDArray[Any]]
Pictures = tuple[int, Callable[[int], Pixels]]  # how many, and one by its number

_DAMAGE = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Calibration:
    """Examples by input name, each `[1, ...]` in real values; iterating reads them anew."""

    origin: str  # the place they come from
    count: int
    load: Callable[[int], Example]

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Example]:
        return self.take(self.count)

    def of(self, names: Collection[str]) -> Calibration:
        """Return the examples of these inputs alone."""

        def load(index: int) -> Example:
            return {name: value for name, value in self.load(index).items() if name in names}

        return replace(self, load=load)

    def take(self, count: int) -> Iterator[Example]:
        """Yield `count` examples at the most, spread evenly.

        Raises:
            InputError: one holds NaN or infinity.
        """
        for index in _spread(self.count, count):
            example = self.load(index)
            for name, value in example.items():
                if not np.isfinite(value).all():
                    raise InputError(
                        f"{self.origin}: calibration example {index}, input {name}",
                        got=f"{int((~np.isfinite(value)).sum())} NaN or infinite values",
                        do="remove or mend it",
                    )
            yield example


def open_calibration(
    source: Data, inputs: Sequence[TensorSpec], limit: int = ENOUGH
) -> Calibration:
    """Open calibration data for a network with these inputs.

    Args:
        source: pictures (a folder, with or without class folders), a name or file of labelled
            pictures, an .npy of one input's values `[N, ...]` or an .npz with an array an input; or
            such an array itself, or several by the input's name. Where the input is not named,
            uint8 for a picture are pixels; everything else is taken as it is.
        inputs: the network's inputs; a picture needs `mean` and `std`.
        limit: how many examples to take at the most, spread evenly over the source.

    Raises:
        InputError: nothing there, wrong shape or type, or pictures without a declared
            normalisation.
    """
    if not isinstance(source, str | Path):
        calibration = _from_memory(source, inputs, limit)
    elif (path := Path(source)).suffix == ".npy":
        calibration = _from_array(str(source), _load(path), inputs, limit)
    elif path.suffix == ".npz" and (array := _lone_array(path, inputs)) is not None:
        calibration = _from_array(str(source), array, inputs, limit)
    elif path.suffix == ".npz" and (arrays := _named_arrays(path, inputs)):
        calibration = _from_arrays(str(source), arrays, inputs, limit)
    else:
        calibration = _from_pictures(str(source), _pictures(source), inputs, limit)
    if not len(calibration):
        raise InputError(f"{calibration.origin}: no calibration examples", got="an empty set")
    return calibration


def _from_memory(
    arrays: npt.NDArray[Any] | Mapping[str, npt.NDArray[Any]],
    inputs: Sequence[TensorSpec],
    limit: int,
) -> Calibration:
    if not isinstance(arrays, Mapping):
        return _from_array(MEMORY, np.asarray(arrays), inputs, limit)
    if missing := [spec.name for spec in inputs if spec.name not in arrays]:
        raise InputError(
            f"{MEMORY}: no array for input {', '.join(missing)}", got=", ".join(arrays) or "none",
            expected="the inputs' names",
        )  # fmt: skip
    return _from_arrays(MEMORY, {k: np.asarray(v) for k, v in arrays.items()}, inputs, limit)


def random_examples(inputs: Sequence[TensorSpec], count: int, seed: int) -> Calibration:
    """Return seeded noise: enough to compare files on, not to calibrate.

    Floats lie between -1 and 1; integers are 0 or 1, which nearly every vocabulary has.
    """
    rng = np.random.default_rng(seed)
    seeds = rng.integers(0, 2**31, count)

    def load(index: int) -> Example:
        noise = np.random.default_rng(seeds[index])
        return {s.name: _noise(noise, s) for s in inputs}

    return Calibration("noise", count, load)


def _noise(rng: np.random.Generator, spec: TensorSpec) -> npt.NDArray[Any]:
    shape = tuple(abs(size) for size in spec.shape)
    if np.dtype(spec.dtype).kind == "f":
        return rng.uniform(-1, 1, shape).astype(spec.dtype)
    return rng.integers(0, 2, shape).astype(spec.dtype)


def _from_array(
    origin: str, array: npt.NDArray[Any], inputs: Sequence[TensorSpec], limit: int
) -> Calibration:
    """Take the array of an .npy, whose name says nothing of the input."""
    if len(inputs) != 1:
        raise InputError(
            f"{origin}: one array for {len(inputs)} inputs",
            do="give an .npz with the arrays " + ", ".join(s.name for s in inputs),
        )
    spec = inputs[0]
    if array.dtype == np.uint8 and spec.layout and spec.dtype != "uint8":
        _check_array(origin, array, spec)
        return _from_pictures(origin, (len(array), lambda index: array[index]), inputs, limit)
    return _from_arrays(origin, {spec.name: array}, inputs, limit)


def _from_arrays(
    origin: str, arrays: Example, inputs: Sequence[TensorSpec], limit: int
) -> Calibration:
    for spec in inputs:
        _check_array(origin, arrays[spec.name], spec)
    counts = {spec.name: len(arrays[spec.name]) for spec in inputs}
    if len(set(counts.values())) > 1:
        raise InputError(f"{origin}: inputs differ in length", got=counts)
    chosen = _spread(next(iter(counts.values())), limit)

    def load(index: int) -> Example:
        at = chosen[index]
        return {s.name: arrays[s.name][at : at + 1].astype(s.dtype) for s in inputs}

    return Calibration(origin, len(chosen), load)


def _check_array(origin: str, array: npt.NDArray[Any], spec: TensorSpec) -> None:
    """Refuse an array of another shape, or whose values `spec` could not hold."""
    free = (-1, *spec.shape[1:])
    fits = array.ndim == len(free) and all(
        want in (-1, got) for want, got in zip(free, array.shape, strict=True)
    )
    if not fits or array.dtype.kind not in ("biuf" if np.dtype(spec.dtype).kind == "f" else "biu"):
        sizes = ", ".join("any" if size < 0 else str(size) for size in spec.shape[1:])
        raise InputError(
            f"{origin}: input {spec.name} does not fit",
            got=f"{array.dtype} {list(array.shape)}",
            expected=f"{spec.dtype} [N, {sizes}]",
        )


def _from_pictures(
    origin: str, pictures: Pictures, inputs: Sequence[TensorSpec], limit: int
) -> Calibration:
    count, pixels = pictures
    if len(inputs) != 1 or inputs[0].layout != "NHWC":
        raise InputError(
            f"{origin}: pictures cannot calibrate this model",
            got=", ".join(f"{s.name} {list(s.shape)}" for s in inputs),
            expected="one input [1, H, W, C]",
            do="give an .npz with an array for each input",
        )
    spec = inputs[0]
    if spec.mean is None or spec.std is None:
        raise InputError(
            f"{origin}: how pixels become input values is not known",
            do="give --mean and --std, as --mean 127.5 --std 127.5 for values from -1 to 1",
        )
    chosen = _spread(count, limit)

    def load(index: int) -> Example:
        return {spec.name: encode(pixels(chosen[index]), spec, {})}

    return Calibration(origin, len(chosen), load)


def _pictures(source: str | Path) -> Pictures:
    """Return pictures of a folder, those with masks, or labelled ones class by class, evenly."""
    path = Path(source)
    if path.is_dir() and (pictures := read_pictures(path)):
        return len(pictures), pictures.pixels
    if holds_boxes(source):
        boxed = read_boxed_images(source, "train").pictures
        return len(boxed), lambda index: boxed[index].pixels()
    if holds_masks(source):
        examples = read_masked_images(source, "train").examples
        return len(examples), lambda index: examples[index][0]
    images = read_labelled_images(source, "train")
    images = images.subset(np.argsort(images.labels, kind="stable"))
    return len(images), images.pixels


def _spread(count: int, limit: int) -> list[int]:
    """Return at most `limit` indices, evenly over `count`."""
    if count <= limit:
        return list(range(count))
    return [int(i) for i in np.linspace(0, count - 1, limit).round()]


def _load(path: Path) -> npt.NDArray[Any]:
    """Map an .npy into memory: what is not asked for is not read."""
    with _readable(path):
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def _lone_array(path: Path, inputs: Sequence[TensorSpec]) -> npt.NDArray[Any] | None:
    """Return the one array of a file for a network of one input, if it bears another name."""
    with _readable(path), np.load(path, allow_pickle=False) as arrays:
        lone = len(arrays) == len(inputs) == 1 and inputs[0].name not in arrays
        return next(iter(arrays.values())) if lone else None


def _named_arrays(path: Path, inputs: Sequence[TensorSpec]) -> Example | None:
    """Return the arrays that bear the inputs' names; None where the file is a labelled set."""
    with _readable(path), np.load(path, allow_pickle=False) as arrays:
        missing = [s.name for s in inputs if s.name not in arrays]
        if not missing:
            return {s.name: arrays[s.name] for s in inputs}
        if not ({"x", "y"} <= set(arrays) or "x_train" in arrays):
            raise InputError(
                f"{path}: no array for input {', '.join(missing)}",
                got=", ".join(arrays) or "none",
                expected="the inputs' names, or x and y, or x_train, y_train, x_test and y_test",
            )
    return None


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        reason = getattr(error, "strerror", None) or error
        expected = f"an {path.suffix} file of NumPy"
        raise InputError(f"{path}: cannot be read", got=reason, expected=expected) from None
