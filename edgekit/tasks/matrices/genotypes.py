"""Genotype matrices from files: a row for each cell, a column for each mutation."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError, MissingExtraError
from edgekit.tasks.matrices.perfect import UNKNOWN

_DELIMITERS = ",;\t"
_ENTRIES = {"0": 0, "0.0": 0, "1": 1, "1.0": 1, "3": UNKNOWN, "3.0": UNKNOWN,
            "NA": UNKNOWN, "na": UNKNOWN, "NaN": UNKNOWN, "nan": UNKNOWN, "?": UNKNOWN}  # fmt: skip
_CORNERS = ("", "cell", "cells", "cell_id", "cellid", "cellidxmutid", "sample", "name", "id")
_EXPECTED = "0, 1, or for a missing entry 3, NA or ?"
_LEAST = 2  # rows and columns: one alone says nothing of a tree


@dataclass(frozen=True, eq=False)
class Genotypes:
    """A named matrix of 0, 1 and UNKNOWN."""

    where: str  # the file
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: npt.NDArray[np.uint8]  # [n, m]

    def __post_init__(self) -> None:
        """Refuse what is no matrix of several cells and several mutations.

        Raises:
            InputError: fewer than two of either, or two columns of one name.
        """
        for what, names in (("row", self.rows), ("column", self.columns)):
            if len(names) < _LEAST:
                count = f"{len(names)} {what}" + "s" * (len(names) != 1)
                raise InputError(f"{self.where}: too few {what}s", got=count,
                                 expected=f"at least {_LEAST}")  # fmt: skip
        seen: set[str] = set()
        for name in self.columns:
            if name in seen:
                raise InputError(f"{self.where}: line 1, column {name}", got="the name twice",
                                 expected="each mutation once")  # fmt: skip
            seen.add(name)


def read_genotypes(path: Path) -> Genotypes:
    """Read a .csv, .tsv or .h5ad file.

    The first line of a table names the mutations, and the first column the cells, where they hold
    other things than entries.

    Raises:
        InputError: not such a file, or an entry that is none; the line says where.
        MissingExtraError: an .h5ad without the package anndata.
    """
    return _read_h5ad(path) if path.suffix == ".h5ad" else _read_table(path)


def _read_table(path: Path) -> Genotypes:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: not found") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read", got=error, expected="a CSV or TSV") from None
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=max(_DELIMITERS, key=first.count))
    try:
        lines = [(reader.line_num, [c.strip() for c in row]) for row in reader if any(row)]
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num}", got=error) from None
    if not lines:
        raise InputError(f"{path}: empty", expected="rows of " + _EXPECTED)
    return _named(str(path), lines)


def _named(where: str, lines: Sequence[tuple[int, list[str]]]) -> Genotypes:
    """Tell names from entries."""
    header = lines[0][1]
    named = not all(cell in _ENTRIES for cell in header)
    body = lines[1:] if named else lines
    corner = named and header[0].lower() in _CORNERS
    labelled = corner or (bool(body) and not any(row[0] in _ENTRIES for _, row in body))
    skipped = int(labelled)
    columns = header[skipped:] if named else [str(j + 1) for j in range(len(header) - skipped)]
    values = np.empty((len(body), len(columns)), np.uint8)
    for i, (line, row) in enumerate(body):
        if len(row) != len(header):
            raise InputError(f"{where}: line {line}", got=f"{len(row)} columns",
                             expected=f"{len(header)}, as in line {lines[0][0]}")  # fmt: skip
        for j, cell in enumerate(row[skipped:]):
            if cell not in _ENTRIES:
                raise InputError(f"{where}: line {line}, column {columns[j]}",
                                 got=repr(cell[:40]) if cell else "an empty cell",
                                 expected=_EXPECTED)  # fmt: skip
            values[i, j] = _ENTRIES[cell]
    rows = [row[0] if labelled else str(i + 1) for i, (_, row) in enumerate(body)]
    return Genotypes(where, tuple(rows), tuple(columns), values)


def _read_h5ad(path: Path) -> Genotypes:
    if not path.exists():
        raise InputError(f"{path}: not found")
    try:
        import anndata
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "anndata", "anndata") from None
    try:
        data = anndata.read_h5ad(path)
        x: Any = data.X
        raw = np.asarray(x.toarray() if hasattr(x, "toarray") else x, np.float64)
    except Exception as error:  # h5py and anndata raise what comes to hand
        raise InputError(f"{path}: cannot be read", got=error, expected="an .h5ad file") from None
    rows, columns = tuple(map(str, data.obs_names)), tuple(map(str, data.var_names))
    values = np.where(np.isnan(raw), UNKNOWN, raw)
    wrong = np.argwhere(~np.isin(values, (0, 1, UNKNOWN)))
    if len(wrong):
        i, j = wrong[0]
        raise InputError(f"{path}: row {rows[i]}, column {columns[j]}", got=f"{raw[i, j]:g}",
                         expected=_EXPECTED)  # fmt: skip
    return Genotypes(str(path), rows, columns, values.astype(np.uint8))
