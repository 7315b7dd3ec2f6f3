"""Adaptive rounding: weights rounded together, so that their errors cancel in what the op answers.

For an output channel with weights w and inputs x the error is (w - q)^T H (w - q), H = E[x x^T]
(Nagel et al., arXiv:2004.10568, equation 13). Rounding to nearest minimises it only where H is
diagonal. Here weights are rounded one after the other, each error made up for by those that follow
(Frantar et al., arXiv:2210.17323, section 3: the nearest-plane method for lattices); then one after
the other takes the value that is best given all others, until none moves.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.quantize.graph.float_graph import FloatGraph, FloatOp
from edgekit.quantize.graph.linear import rows_of, shaped
from edgekit.quantize.ptq.weight_steps import LEVELS, largest_steps, rounded_to

Array = npt.NDArray[Any]
Factored = tuple[Array, Array]

_ON_GRID = 1e-3  # of a step: weights that are off by less came from this grid
_SWEEPS = 8  # over all weights; most layers settle in three
_FEW = 64  # weights of a row, up to which other steps are tried
_LEVELS_TRIED = range(64, 192, 2)  # that the largest weight may be; more cut it off


def round_together(
    rows: Array, energy: Array, steps: Array, *, search: bool = False
) -> tuple[Array, Array]:
    """Return rows `[O, K]` rounded to the grid of each, and the grids' steps `[O]`.

    Args:
        rows: weights of each output channel.
        energy: H, `[1, K, K]` for all rows or `[O, K, K]`, one each; positive definite.
        steps: of the rows, `[O]`.
        search: whether a row of few weights may take other steps: each is another draw of its
            roundings, and the best of many errs far less than the usual.
    """
    nearest = rounded_to(steps, rows)
    if (np.abs(nearest - rows) < _ON_GRID * steps[:, np.newaxis]).all():
        return nearest, steps
    factored = factor(energy)
    if search and rows.shape[1] <= _FEW:
        tries = (steps, *(largest_steps(rows) * (LEVELS / levels) for levels in _LEVELS_TRIED))
        errors = np.stack([
            error_energy(nearest_plane(rows, factored, tried) - rows, energy) for tried in tries
        ])  # fmt: skip
        steps = np.stack(tries)[errors.argmin(axis=0), np.arange(len(rows))]
    return descend(rows, energy, factored, steps), steps


def round_rows(
    rows: Array, energy: Array, steps: Array, techniques: Collection[str]
) -> tuple[Array, Array]:
    """Return rows `[O, K]` rounded as the techniques say, and the steps `[O]` that they are on."""
    if "round" in techniques:
        return round_together(rows, energy, steps, search="steps" in techniques)
    return rounded_to(steps, rows), steps


def round_to_nearest(graph: FloatGraph, op: FloatOp, steps: Array) -> Array:
    """Return `op`'s weights on the grid of each output channel, as a quantizer will."""
    return shaped(graph, op, rounded_to(steps, rows_of(graph, op))).astype(np.float32)


def error_energy(errors: Array, energy: Array) -> Array:
    """Return e H e^T of each row of `[O, K]`."""
    found: Array = (_times(errors, energy) * errors).sum(axis=1)
    return found


def factor(energy: Array) -> Factored:
    """Return the order in which weights are rounded and what the others make up for, of each H.

    The order is that of energy: errors that cost most are made up for by all weights after them.
    The rows of the upper Cholesky factor of the inverse say by how much.
    """
    order = np.argsort(-np.diagonal(energy, axis1=1, axis2=2), axis=1)  # [O or 1, K]
    sorted_ = np.take_along_axis(energy, order[:, :, np.newaxis], axis=1)
    sorted_ = np.take_along_axis(sorted_, order[:, np.newaxis, :], axis=2)
    return order, np.linalg.cholesky(np.linalg.inv(sorted_)).transpose(0, 2, 1)


def nearest_plane(weights: Array, factored: Factored, steps: Array) -> Array:
    """Return rows `[O, K]` on their grids, each error made up for by the weights after it."""
    order, upper = np.broadcast_to(factored[0], weights.shape), factored[1]
    left = np.take_along_axis(weights, order, axis=1).astype(np.float64)
    rounded = np.empty_like(left)
    for k in range(left.shape[1]):
        rounded[:, k] = np.clip(np.rint(left[:, k] / steps), -LEVELS, LEVELS) * steps
        error = (left[:, k] - rounded[:, k]) / upper[:, k, k]
        left[:, k + 1 :] -= error[:, np.newaxis] * upper[:, k, k + 1 :]
    made = np.empty_like(rounded)
    np.put_along_axis(made, order, rounded, axis=1)
    return made


def descend(weights: Array, energy: Array, factored: Factored, steps: Array) -> Array:
    """Return rows `[O, K]` on each row's grid that locally minimise (w - q) H (w - q)^T.

    Args:
        weights: `[O, K]`.
        energy: H, `[1, K, K]` for all rows or `[O, K, K]`, one each; positive definite.
        factored: the same, by `factor`.
        steps: of the rows, `[O]`.
    """
    nearest = rounded_to(steps, weights)
    planes = nearest_plane(weights, factored, steps)
    cost = [error_energy(start - weights, energy) for start in (nearest, planes)]
    start = np.where((cost[0] <= cost[1])[:, np.newaxis], nearest, planes)
    rounded = np.rint(start / steps[:, np.newaxis])
    slope = _times(start - weights, energy)  # half the gradient, kept up to date
    of_row = np.broadcast_to(energy, (len(weights), *energy.shape[1:]))
    for _ in range(_SWEEPS):
        moved = False
        for k in range(weights.shape[1]):
            wanted = rounded[:, k] - slope[:, k] / (of_row[:, k, k] * steps)
            move = np.clip(np.rint(wanted), -LEVELS, LEVELS) - rounded[:, k]
            (rows,) = np.nonzero(move)
            if len(rows):
                moved = True
                rounded[rows, k] += move[rows]
                slope[rows] += (move[rows] * steps[rows])[:, np.newaxis] * of_row[rows, k]
        if not moved:
            break
    on_grid_: Array = rounded * steps[:, np.newaxis]
    return on_grid_


def _times(rows: Array, energy: Array) -> Array:
    if len(energy) == 1:
        shared: Array = rows @ energy[0]
        return shared
    own: Array = np.einsum("ok,okl->ol", rows, energy)
    return own
