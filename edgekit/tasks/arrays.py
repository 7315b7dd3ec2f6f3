"""Arrays as NumPy's files hold them, and which of them a network's inputs and outputs mean."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.files import write_file
from edgekit.signature import TensorSpec

SUFFIXES = (".npy", ".npz")
X, Y = "x", "y"  # what Keras calls the arrays of one input and one output

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Values:
    """What goes into one input, `[N, ...]` in real values."""

    where: str  # the file
    array: Array


@dataclass(frozen=True, eq=False)
class Arrays:
    """Arrays `[N, ...]` by name; an .npy has one, that has none."""

    where: str  # the file
    by_name: Mapping[str, Array]

    def of(self, specs: Sequence[TensorSpec]) -> dict[str, Values]:
        """Return what each input takes: by its name, or to the only one the only array, or x.

        Raises:
            InputError: there is none for an input.
        """
        found = {spec.name: self._find(spec.name, alone=len(specs) == 1) for spec in specs}
        if missing := [name for name, array in found.items() if array is None]:
            raise InputError(
                f"{self.where}: no array for input {', '.join(missing)}",
                got=", ".join(filter(None, self.by_name)) or "one array without a name",
                expected="an .npz with " + ", ".join(found),
            )
        return {name: Values(self.where, array) for name, array in found.items()
                if array is not None}  # fmt: skip

    def _find(self, name: str, *, alone: bool) -> Array | None:
        if name in self.by_name or not alone:
            return self.by_name.get(name)
        return next(iter(self.by_name.values())) if len(self.by_name) == 1 else self.by_name.get(X)


@dataclass(frozen=True, eq=False)
class Example(Arrays):
    """One example, each array `[1, ...]`, what is true among them."""

    def truth(self, output: str, *, alone: bool) -> Array | None:
        """Return what `output` should be: by its name, or y for the only one; None if unknown."""
        return self.by_name.get(output, self.by_name.get(Y) if alone else None)


class Examples(Sequence[tuple[Example, Example]]):
    """The rows of an .npz; what goes in and what is true stand side by side in each."""

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays

    def __len__(self) -> int:
        return len(next(iter(self._arrays.by_name.values())))

    def __getitem__(self, number: Any) -> Any:
        row = {name: array[number : number + 1] for name, array in self._arrays.by_name.items()}
        example = Example(f"{self._arrays.where}: example {number}", row)
        return example, example


def read_arrays(path: Path) -> Arrays:
    """Read an .npy or .npz.

    Raises:
        InputError: not such a file, damaged, or its arrays are no numbers.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            by_name = {"": loaded}
        else:
            with loaded as file:
                by_name = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise InputError(f"{path}: not found", expected="an .npy or .npz") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: cannot be read", got=str(error) or type(error).__name__,
                         expected=f"an {path.suffix} of NumPy") from None  # fmt: skip
    for name, array in by_name.items():
        if array.dtype.kind not in "biuf":
            raise InputError(f"{path}: array {name}".strip(), got=array.dtype, expected="numbers")
    if not by_name:
        raise InputError(f"{path}: empty", expected="an array")
    return Arrays(str(path), by_name)


def read_examples(path: Path) -> Examples:
    """Read the examples of an .npz: all its arrays, or of x_train, x_test, ... the test's.

    Raises:
        InputError: not such a file, its arrays differ in length, or are empty.
    """
    arrays = read_arrays(path)
    chosen = {name.removesuffix("_test"): array for name, array in arrays.by_name.items()
              if not name.endswith("_train")}  # fmt: skip
    if len(chosen) < 2:
        told = ", ".join(filter(None, chosen)) or "none"
        raise InputError(f"{path}: arrays to judge on", got=told,
                         expected="an .npz of inputs with what is true beside them")  # fmt: skip
    lengths = {name: len(array) if array.ndim else 0 for name, array in chosen.items()}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise InputError(f"{path}: arrays", do="give one row of each array for every example",
                         got=", ".join(f"{count} of {name}" for name, count in lengths.items()),
                         expected="as many rows in each, and at least one")  # fmt: skip
    return Examples(Arrays(arrays.where, chosen))


def holds_inputs(source: str, specs: Sequence[TensorSpec]) -> bool:
    """Whether `source` is an .npz with an array for every input, by the input's name."""
    if Path(source).suffix.lower() != ".npz" or not zipfile.is_zipfile(source):
        return False
    with zipfile.ZipFile(source) as file:
        names = {name.removesuffix(".npy").removesuffix("_test") for name in file.namelist()}
    if {X, Y} <= names:  # labelled pictures, whatever an input is called
        return False
    return bool(specs) and all(spec.name in names for spec in specs)


def save_npz(path: Path, by_name: Mapping[str, Array]) -> None:
    """Write arrays by name, whole or not at all.

    Raises:
        InputError: the place cannot be written.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for name, array in by_name.items():  # np.savez knows no array called "file"
            with file.open(f"{name}.npy", "w") as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)  # type: ignore[no-untyped-call]
    write_file(path, content.getvalue())
