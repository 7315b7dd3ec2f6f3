"""A table as a Gaussian process takes it, with what it could not learn from refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.families.gp import Config
from edgekit.families.gp.prior.kernel import Array
from edgekit.files import file_sha256
from edgekit.tasks.tables import Table, read_table

_SPLIT_SEED = 0  # fixed: every run, and every command, agrees on what is held out


@dataclass(frozen=True, eq=False)
class Data:
    """Inputs and observations in the table's own units."""

    inputs: tuple[str, ...]
    target: str
    x: Array  # [N, D], to train on
    y: Array  # [N]
    test_x: Array
    test_y: Array
    held_out: npt.NDArray[np.int64]  # rows of the file
    sha256: str  # of the file


def load(source: str, config: Config) -> Data:
    """Read a CSV and divide it.

    Raises:
        InputError: not a CSV of numbers, or a column, a row or their number teaches nothing.
    """
    table = read_table(source)
    target = config.target or table.columns[-1]
    y = table.select([target])[:, 0]
    inputs = tuple(name for name in table.columns if name != target)
    if not inputs:
        raise InputError(f"{source}: no column beside the target {target}")
    x = table.select(inputs)
    if config.duplicates == "refuse":
        _check_duplicates(table)
    held_out, kept = _divide(len(table), config.test)
    if len(kept) < 2:
        raise InputError(f"{source}: column {target}", got=f"{len(kept)} row to train on",
                         expected="2 or more")  # fmt: skip
    _check_constant(source, (*inputs, target), np.column_stack([x, y])[kept])
    return Data(inputs, target, x[kept], y[kept], x[held_out], y[held_out], held_out,
                file_sha256(source))  # fmt: skip


def _divide(count: int, share: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    order = np.random.default_rng(_SPLIT_SEED).permutation(count)
    cut = round(share * count)
    return np.sort(order[:cut]), np.sort(order[cut:])


def _check_constant(source: str, names: tuple[str, ...], values: Array) -> None:
    for name, column in zip(names, values.T, strict=True):
        if column.min() == column.max():
            raise InputError(
                f"{source}: column {name} is constant", got=f"{column[0]:g} in every row",
                do="leave it out: nothing can be learned from it",
            )  # fmt: skip


def _check_duplicates(table: Table) -> None:
    """Refuse rows that are equal in all columns: one measurement that was entered twice."""
    order = np.lexsort(table.values.T)
    same = (np.diff(table.values[order], axis=0) == 0).all(axis=1)
    if same.any():
        first, second = sorted(order[np.flatnonzero(same)[0] :][:2] + 1)
        raise InputError(
            f"{table.where}: duplicate rows",
            got=f"{int(same.sum())}, as rows {first} and {second}, equal in every column from "
            f"{table.columns[0]} to {table.columns[-1]}",
            do="remove them, or keep them with --duplicates keep",
        )
