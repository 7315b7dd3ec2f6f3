"""Regression sets with their published splits, for the benchmarks of Gaussian processes."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_diabetes

DATA = Path(os.environ.get("EDGEKIT_SHARED_DATA", Path(__file__).parents[2] / "shared/data"))
SPLITS = 10

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Split:
    """One division of a set."""

    x: Array
    y: Array
    test_x: Array
    test_y: Array


def splits(name: str, count: int = SPLITS) -> Iterator[Split]:
    """Yield the first `count` splits: treforevans/uci_datasets' own, or for diabetes ours."""
    x, y, masks = _diabetes() if name == "diabetes" else _uci(name)
    for mask in masks[:count]:
        yield Split(x[~mask], y[~mask], x[mask], y[mask])


def _uci(name: str) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
    folder = DATA / "uci" / name
    with gzip.open(folder / "data.csv.gz") as file:
        table = np.loadtxt(file, delimiter=",")
    with gzip.open(folder / "test_mask.csv.gz") as file:
        masks = np.loadtxt(file, delimiter=",").astype(bool)
    return table[:, :-1], table[:, -1], masks.T


def _diabetes() -> tuple[Array, Array, npt.NDArray[np.bool_]]:
    found = load_diabetes(scaled=False)
    rng = np.random.default_rng(0)
    masks = np.zeros((SPLITS, len(found.target)), bool)
    for mask in masks:
        mask[rng.permutation(len(mask))[: len(mask) // 10]] = True
    return found.data, found.target, masks
