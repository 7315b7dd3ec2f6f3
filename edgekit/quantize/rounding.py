"""Adaptive rounding: weights rounded together, so that their errors cancel in what the op answers.

For an output channel with weights w and inputs x the error is (w - q)^T H (w - q), H = E[x x^T]
(Nagel et al., arXiv:2004.10568, equation 13). Rounding to nearest minimises it only where H is
diagonal. Here one weight after the other takes the grid value that is best given all others, until
none moves: a descent that starts from rounding to nearest and can only improve on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.quantize.float_graph import FloatGraph, FloatOp
from edgekit.quantize.linear import patches
from edgekit.quantize.weight_steps import LEVELS, on_grid, rows_of, shaped

Array = npt.NDArray[Any]

_SWEEPS = 8  # over all weights; most layers settle in three
_DAMPING = 0.01  # of the mean input energy, added to H: no direction is free
_ROWS = 20_000  # positions that H is estimated on


def round_together(graph: FloatGraph, op: FloatOp, steps: Array, inputs: Array) -> Array:
    """Return `op`'s weights on the grid of each output channel, their errors cancelling.

    Args:
        graph: where the weights lie.
        op: a linear op.
        steps: of its output channels, `[O]`.
        inputs: what it reads, `[N, ...]`.
    """
    seen = patches(op, graph.weights(op), _few(op, inputs)).astype(np.float64)  # [M, taps, C]
    seen = seen - seen.mean(axis=0)  # the mean is the bias's affair
    rows = rows_of(graph, op)
    if op.kind == "DEPTHWISE_CONV_2D":  # each channel's taps by the energy of its own input
        energy = np.einsum("mkc,mlc->ckl", seen, seen, optimize=True) / len(seen)
        energy = np.repeat(energy, len(rows) // len(energy), axis=0)
    else:
        flat = seen.reshape(len(seen), -1)
        energy = flat.T @ flat / len(flat)
    return shaped(graph, op, descend(rows, energy, steps)).astype(np.float32)


def round_to_nearest(graph: FloatGraph, op: FloatOp, steps: Array) -> Array:
    """Return `op`'s weights on the grid of each output channel, as a quantizer will."""
    nearest = on_grid(rows_of(graph, op), steps) * steps[:, np.newaxis]
    return shaped(graph, op, nearest).astype(np.float32)


def descend(weights: Array, energy: Array, steps: Array) -> Array:
    """Return rows `[O, K]` on each row's grid that locally minimise (w - q) H (w - q)^T.

    Args:
        weights: `[O, K]`.
        energy: H, `[K, K]` for all rows or `[O, K, K]`, one each.
        steps: of the rows, `[O]`.
    """
    size = energy.shape[-1]
    damping = _DAMPING * np.trace(energy, axis1=-2, axis2=-1) / size + 1e-12
    energy = energy + np.multiply.outer(damping, np.eye(size))
    rounded = on_grid(weights, steps)
    error = rounded * steps[:, np.newaxis] - weights
    # Half the gradient; it is kept up to date as weights move.
    slope = error @ energy if energy.ndim == 2 else np.einsum("ok,okl->ol", error, energy)
    of_row = np.broadcast_to(energy, (len(weights), size, size))
    for _ in range(_SWEEPS):
        moved = False
        for k in range(size):
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


def _few(op: FloatOp, inputs: Array) -> Array:
    """Return every so many examples: enough positions to know H by."""
    if op.kind == "FULLY_CONNECTED":
        return inputs
    positions = inputs.size // inputs.shape[-1]
    return inputs[:: max(1, positions // _ROWS)]
