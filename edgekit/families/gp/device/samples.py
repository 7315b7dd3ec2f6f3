"""Inputs that are drawn: where a smaller form is taught what the process says."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from edgekit.families.gp.prior.kernel import Array


def draw_inputs(x: Array, count: int, rng: np.random.Generator) -> Array:
    """Return inputs like `x`, a third each of three kinds.

    Cells of the table that were not measured: a row with one column from another. Between and a
    little beyond neighbours: on lines through a row and one of its five nearest. Mixtures of two
    rows, some of whose columns are moved by a tenth of their standard deviation.
    """
    rows = rng.integers(0, len(x), count)
    scale = np.maximum(x.std(axis=0), 1e-12)
    other = x[rng.integers(0, len(x), count)]
    column = rng.integers(0, x.shape[1], count)
    cells = np.where(np.arange(x.shape[1]) == column[:, None], other, x[rows])
    _, near = cKDTree(x / scale).query(x[rows] / scale, k=min(6, len(x)))
    near = near.reshape(count, -1)
    partner = near[np.arange(count), rng.integers(0, near.shape[1], count)]
    between = x[rows] + rng.uniform(-0.5, 1.0, (count, 1)) * (x[partner] - x[rows])
    mixed = np.where(rng.random(x[rows].shape) < 0.3, other, x[rows])
    moved = rng.random(mixed.shape) < 0.3
    mixed = mixed + 0.1 * scale * rng.standard_normal(mixed.shape) * moved
    drawn: Array = np.choose(np.arange(count)[:, None] % 3, (cells, between, mixed))
    return drawn
