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

Array = npt.NDArray[Any]

LEVELS = 127  # of symmetric int8 weights on each side of zero
_SWEEPS = 8  # over all weights; most layers settle in three
_DAMPING = 0.01  # of the mean input energy, added to H: no direction is free
_ROWS = 20_000  # positions that H is estimated on


def round_weights(graph: FloatGraph, op: FloatOp, inputs: Array) -> Array:
    """Return `op`'s weights, each on the grid of its output channel's scale.

    The largest weight of a channel keeps its value, and with it the scale that the quantizer will
    find: it then leaves the others where they are.

    Args:
        graph: where the weights lie.
        op: a linear op.
        inputs: what it reads, `[N, ...]`.
    """
    weights = graph.weights(op)
    seen = patches(op, weights, _few(op, inputs)).astype(np.float64)  # [M, taps, C]
    seen = seen - seen.mean(axis=0)  # the mean is the bias's affair
    if op.kind == "DEPTHWISE_CONV_2D":
        return _round_depthwise(weights, seen)
    rows = weights.reshape(len(weights), -1).astype(np.float64)
    flat = seen.reshape(len(seen), -1)
    return descend(rows, flat.T @ flat / len(flat)).reshape(weights.shape).astype(np.float32)


def round_to_nearest(graph: FloatGraph, op: FloatOp) -> Array:
    """Return `op`'s weights on the grid of each output channel's scale, as the quantizer will."""
    weights = graph.weights(op)
    depthwise = op.kind == "DEPTHWISE_CONV_2D"
    axes = tuple(range(weights.ndim - 1)) if depthwise else tuple(range(1, weights.ndim))
    largest = np.abs(weights).max(axis=axes, keepdims=True)
    scale = np.where(largest > 0, largest, 1.0) / LEVELS
    nearest: Array = np.rint(weights / scale) * scale
    return nearest.astype(np.float32)


def descend(weights: Array, energy: Array) -> Array:
    """Return rows `[O, K]` on each row's grid that locally minimise (w - q) H (w - q)^T.

    Args:
        weights: `[O, K]`.
        energy: H, `[K, K]` for all rows or `[O, K, K]`, one each.
    """
    size = energy.shape[-1]
    damping = _DAMPING * np.trace(energy, axis1=-2, axis2=-1) / size + 1e-12
    energy = energy + np.multiply.outer(damping, np.eye(size))
    largest = np.abs(weights).max(axis=1)
    scale = np.where(largest > 0, largest, 1.0) / LEVELS
    rounded = np.rint(weights / scale[:, np.newaxis])
    fixed = np.abs(rounded) >= LEVELS
    error = rounded * scale[:, np.newaxis] - weights
    # Half the gradient; it is kept up to date as weights move.
    slope = error @ energy if energy.ndim == 2 else np.einsum("ok,okl->ol", error, energy)
    of_row = np.broadcast_to(energy, (len(weights), size, size))
    for _ in range(_SWEEPS):
        moved = False
        for k in range(size):
            wanted = rounded[:, k] - slope[:, k] / (of_row[:, k, k] * scale)
            steps = np.clip(np.rint(wanted), -LEVELS, LEVELS) - rounded[:, k]
            steps[fixed[:, k]] = 0
            (rows,) = np.nonzero(steps)
            if len(rows):
                moved = True
                rounded[rows, k] += steps[rows]
                slope[rows] += (steps[rows] * scale[rows])[:, np.newaxis] * of_row[rows, k]
        if not moved:
            break
    on_grid: Array = rounded * scale[:, np.newaxis]
    return on_grid


def _round_depthwise(weights: Array, seen: Array) -> Array:
    """Round each channel's taps by the energy of its own input."""
    taps = weights.reshape(-1, weights.shape[-1]).T.astype(np.float64)  # [O, taps]
    energy = np.einsum("mkc,mlc->ckl", seen, seen, optimize=True) / len(seen)
    energy = np.repeat(energy, len(taps) // len(energy), axis=0)
    return descend(taps, energy).T.reshape(weights.shape).astype(np.float32)


def _few(op: FloatOp, inputs: Array) -> Array:
    """Return every so many examples: enough positions to know H by."""
    if op.kind == "FULLY_CONNECTED":
        return inputs
    positions = inputs.size // inputs.shape[-1]
    return inputs[:: max(1, positions // _ROWS)]
