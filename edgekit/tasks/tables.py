"""Tables of numbers from CSV files, every cell checked."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError

_DELIMITERS = ",;\t"


@dataclass(frozen=True, eq=False)
class Table:
    """Named columns of finite numbers."""

    where: str  # the file
    columns: tuple[str, ...]
    values: npt.NDArray[np.float64]  # [N, columns]

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, chosen: npt.NDArray[np.int64]) -> Table:
        """Return the table of these rows."""
        return Table(self.where, self.columns, self.values[chosen])

    def select(self, names: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return the columns of these names, `[N, names]`, in their order.

        Raises:
            InputError: one is missing.
        """
        for name in names:
            if name not in self.columns:
                raise InputError(
                    f"{self.where}: no column {name}", expected=", ".join(self.columns)[:200]
                )
        return self.values[:, [self.columns.index(name) for name in names]]


def read_table(path: str | Path) -> Table:
    """Read a CSV of numbers, gzipped if it ends in .gz.

    The first line names the columns; if it holds nothing but numbers, they are called by their
    index. Separators may be commas, semicolons or tabs.

    Raises:
        InputError: not such a file, or a cell that is no finite number; the line names the column.
    """
    text = _read(Path(path))
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    lines = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row]
    if not lines:
        raise InputError(f"{path}: empty", expected="a line of names, then rows of numbers")
    header = [cell.strip() for cell in lines[0]]
    named = not all(_is_number(cell) for cell in header)
    columns = tuple(header) if named else tuple(str(i) for i in range(len(header)))
    if len(set(columns)) < len(columns) or "" in columns:
        twice = next((c or "''" for c in columns if columns.count(c) > 1 or not c), "")
        raise InputError(f"{path}: column names", got=twice, expected="each one and once")
    rows = lines[1:] if named else lines
    if not rows:
        raise InputError(f"{path}: no rows", expected="one at the least")
    values = np.empty((len(rows), len(columns)))
    for number, row in enumerate(rows):
        if len(row) != len(columns):
            raise InputError(f"{path}: row {number + 1}", got=f"{len(row)} cells",
                             expected=f"{len(columns)}")  # fmt: skip
        for place, cell in enumerate(row):
            values[number, place] = _number(cell, f"{path}: column {columns[place]}, row", number)
    return Table(str(path), columns, values)


def _read(path: Path) -> str:
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        return content.decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: not found") from None
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read", got=error, expected="a CSV") from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _number(cell: str, where: str, row: int) -> float:
    try:
        value = float(cell)
    except ValueError:
        kind = "an empty cell" if not cell.strip() else f"{cell.strip()[:40]!r}"
        raise InputError(
            f"{where} {row + 1}", got=kind, expected="a number",
            do="remove the row, or encode the column as numbers",
        ) from None  # fmt: skip
    if not np.isfinite(value):
        raise InputError(f"{where} {row + 1}", got=cell.strip(), expected="a finite number",
                         do="remove or mend the row")  # fmt: skip
    return value
