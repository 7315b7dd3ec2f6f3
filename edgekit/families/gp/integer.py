"""The integer form: a Gaussian process distilled into one hidden layer that survives int8.

A kernel cannot: 8 bits of k(x, z) are multiplied by weights in the hundreds. Random features can
(Cho and Saul 2009: rectified random projections are the features of the arc-cosine kernel): there
are many, each within 0..1, so that the noise of rounding averages out, and a readout by ridge
regression knows that noise. The projections are rounded to integers before the readout is learned;
the readout is rounded weight by weight, each error made good by those that follow (the second-order
rounding of Frantar et al., arXiv:2210.17323). What the process says at inputs beside the data
teaches the readout too: mean, std of f and std of y.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, solve

from edgekit.families.gp.compress import draw_inputs
from edgekit.families.gp.form import Conditioned
from edgekit.families.gp.kernel import Array

FEATURES = 1536
_STEPS = 127  # of a symmetric int8 weight, and of an input from 0 to 1
LOWEST = -128 / 127  # what an int8 input must reach for its zero to be a whole step
_LEVELS = 255  # of an int8 activation
_DRAWN = 2000
_KNOWN_WEIGHT = 20.0  # of a row of the data against one that was drawn
_RIDGE = 0.005  # beside the noise of rounding


@dataclass(frozen=True)
class IntegerForm:
    """h = min(relu(x W + b), 1), and three linear readouts: mean, std_f and std_y."""

    directions: Array  # W, [D, F]: each column a whole multiple of its largest / 127
    bias: Array  # [F]
    readout: Array  # [F, 3]: whole multiples of the largest of their column / 127
    readout_bias: Array  # [3]

    def hidden(self, x: Array, *, rounded: bool = False) -> Array:
        """Return the features `[N, F]`, as int8 would hold them if `rounded`."""
        return _hidden(x, self.directions, self.bias, rounded=rounded)

    def predict(self, x: Array, *, rounded: bool = False) -> Array:
        """Return mean, std_f and std_y, `[N, 3]`, in the units of the process."""
        answers: Array = self.hidden(x, rounded=rounded) @ self.readout + self.readout_bias
        return answers


def distill(
    posterior: Conditioned,
    grid: Callable[[Array], Array] | None = None,
    *,
    features: int = FEATURES,
    seed: int = 0,
) -> IntegerForm:
    """Return the integer form of a posterior of inputs in -1..1.

    Args:
        posterior: for int8 it must know its data as int8 holds them (`on_grid`), or what rounding
            does to the inputs becomes an error; known beforehand, it is but another place.
        grid: what rounding does to the inputs; nothing for 16 bits.
        features: width of the hidden layer.
        seed: of the directions and of the inputs that are drawn.
    """
    rng = np.random.default_rng(seed)
    place = grid or _clipped
    known = place(posterior.x)
    drawn = place(draw_inputs(posterior.x, _DRAWN, rng))
    x = np.vstack([known, drawn])
    weight = np.concatenate([np.full(len(known), _KNOWN_WEIGHT), np.ones(len(drawn))])
    told = posterior.predict(x)
    directions, bias = _projections(posterior, x, features, rng)
    hidden = _hidden(x, directions, bias, rounded=True)
    # Of a deviation the relative error counts: near the data, where it is small, it must be right.
    floor = 0.1 * posterior.noise
    heads = [
        _readout(hidden, told.mean, weight),
        _readout(hidden, np.sqrt(told.variance_f), weight * floor / (told.variance_f + floor)),
        _readout(hidden, np.sqrt(told.variance_y), weight * floor / told.variance_y),
    ]
    readout, readout_bias = zip(*heads, strict=True)
    return IntegerForm(directions, bias, np.column_stack(readout), np.array(readout_bias))


def _projections(
    posterior: Conditioned, x: Array, count: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return random directions and thresholds, scaled so that each feature's largest is 1.

    A direction leans on a column as much as the covariance does. A threshold lies at an input.
    """
    raw = rng.standard_normal((x.shape[1], count)) * relevance(posterior)[:, None]
    raw = np.rint(raw / np.abs(raw).max(axis=0) * _STEPS)
    projected = x @ raw
    threshold = projected[rng.integers(0, len(x), count), np.arange(count)]
    span = np.maximum((projected - threshold).max(axis=0), 0.05 * np.ptp(projected, axis=0))
    span = np.maximum(span, 1e-9)
    return raw / span, -threshold / span


def relevance(posterior: Conditioned, step: float = 0.1) -> Array:
    """Return how fast the covariance falls with each column, the largest 1, `[D]`.

    For a squared exponential that is the inverse length-scale.
    """
    x = posterior.x[:200]
    fall = np.empty(x.shape[1])
    for column in range(x.shape[1]):
        moved = x.copy()
        moved[:, column] += step
        prior = posterior.prior_variance(x) + posterior.prior_variance(moved)
        across = np.array(
            [posterior.covariance(a[None], b[None])[0, 0] for a, b in zip(x, moved, strict=True)]
        )
        fall[column] = np.sqrt(max(float((prior - 2.0 * across).mean()), 0.0))
    relative: Array = np.maximum(fall / max(fall.max(), 1e-12), 0.02)
    return relative


def _readout(hidden: Array, target: Array, weight: Array) -> tuple[Array, float]:
    """Return rounded weights `[F]` and the bias for one target `[N]`."""
    weight = weight / weight.sum() * len(weight)
    mean_h = np.average(hidden, axis=0, weights=weight)
    mean_t = np.average(target, weights=weight)
    centred = hidden - mean_h
    gram = (centred * weight[:, None]).T @ centred
    gram.flat[:: len(gram) + 1] += len(weight) / _LEVELS**2 / 12.0 + _RIDGE
    cross = (centred * weight[:, None]).T @ (target - mean_t)
    rounded = _round(solve(gram, cross, assume_a="pos"), gram)
    return rounded, float(mean_t - mean_h @ rounded)


def _round(weights: Array, gram: Array) -> Array:
    """Return the weights on the grid of int8, later ones making good what earlier ones lose.

    The rows of the inverse's Cholesky factor say how: Frantar et al., algorithm 1.
    """
    largest = int(np.argmax(np.abs(weights)))
    order = np.argsort(-np.diag(gram))
    # A converter takes the largest weight for 127 steps: that one comes first, and stays.
    order = np.concatenate([[largest], order[order != largest]])
    factor = cholesky(np.linalg.inv(gram[np.ix_(order, order)]))
    left = weights[order].copy()
    step = np.abs(left[0]) / _STEPS or 1.0
    for i in range(len(left)):
        whole = np.clip(np.rint(left[i] / step), -_STEPS, _STEPS) * step
        left[i + 1 :] -= (left[i] - whole) / factor[i, i] * factor[i, i + 1 :]
        left[i] = whole
    rounded = np.empty_like(left)
    rounded[order] = left
    return rounded


def _hidden(x: Array, directions: Array, bias: Array, *, rounded: bool) -> Array:
    hidden = np.clip(x @ directions + bias, 0.0, 1.0)
    return np.rint(hidden * _LEVELS) / _LEVELS if rounded else hidden


def _clipped(x: Array) -> Array:
    return np.clip(x, -1.0, 1.0)


def on_grid(x: Array) -> Array:
    """Return inputs as int8 holds them: whole multiples of 1/127, from `LOWEST` to 1."""
    grid: Array = np.clip(np.rint(x * _STEPS), -_STEPS - 1, _STEPS) / _STEPS
    return grid
