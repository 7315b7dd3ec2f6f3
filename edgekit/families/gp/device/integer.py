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

from edgekit.families.gp.device.form import Conditioned
from edgekit.families.gp.device.samples import draw_inputs
from edgekit.families.gp.inference.posterior import Prediction
from edgekit.families.gp.prior.kernel import Array

FEATURES = 1536
_STEPS = 127  # of a symmetric int8 weight, and of an input from 0 to 1
LOWEST = -128 / 127  # what an int8 input must reach for its zero to be a whole step
_LEVELS = 255  # of an int8 activation
_DRAWN = 2000
_KNOWN_WEIGHTS = (5.0, 20.0, 80.0)  # of a row of the data against one that was drawn
_DENSE = (1.0, 0.5)  # share of directions that lean on every column; others on one to three
_RIDGE = 0.005  # beside the noise of rounding
_JUDGED = 768  # features that such a trial takes
_FOLDS = 5  # of the data, of which one judges those choices


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
    unbent: Callable[[Prediction], Prediction] | None = None,
    features: int = FEATURES,
    seed: int = 0,
) -> IntegerForm:
    """Return the integer form of a posterior of inputs in -1..1.

    Args:
        posterior: for int8 it must know its data as int8 holds them (`on_grid`), or what rounding
            does to the inputs becomes an error; known beforehand, it is but another place.
        grid: what rounding does to the inputs; nothing for 16 bits.
        unbent: from what the process says to moments of the target (`Units.unbent`).
        features: width of the hidden layer.
        seed: of the directions and of the inputs that are drawn.
    """
    place = grid or _clipped
    known = place(posterior.x)
    drawn = place(draw_inputs(posterior.x, _DRAWN, np.random.default_rng(seed)))
    x = np.vstack([known, drawn])
    told = posterior.predict(x)
    told = unbent(told) if unbent else told
    layer, weight = _choose(posterior, x, told.mean, len(known), features, seed)
    hidden = _hidden(x, *layer, rounded=True)
    # Of a deviation the relative error counts: near the data, where it is small, it must be right.
    floor = 0.1 * (told.variance_y - told.variance_f)
    heads = [
        _readout(hidden, told.mean, weight),
        _readout(hidden, np.sqrt(told.variance_f), weight * floor / (told.variance_f + floor)),
        _readout(hidden, np.sqrt(told.variance_y), weight * floor / told.variance_y),
    ]
    readout, readout_bias = zip(*heads, strict=True)
    return IntegerForm(*layer, np.column_stack(readout), np.array(readout_bias))


def _choose(
    posterior: Conditioned, x: Array, mean: Array, known: int, features: int, seed: int
) -> tuple[tuple[Array, Array], Array]:
    """Return the hidden layer and the weights of rows that say the mean best where it was not told.

    A fifth of the data, the first `known` rows of `x`, is kept from the regression and judges it.
    """
    judges = np.arange(0, known, _FOLDS)
    best: tuple[float, float, Array] | None = None
    fewer = min(features, _JUDGED)
    for dense in _DENSE:
        layer = _projections(posterior, x, fewer, dense, np.random.default_rng(seed))
        hidden = _hidden(x, *layer, rounded=True)
        for of_known in _KNOWN_WEIGHTS:
            weight = np.concatenate([np.full(known, of_known), np.ones(len(x) - known)])
            told = weight.copy()
            told[judges] = 0.0
            weights, bias = _Normal.of(hidden, told).solve(mean)
            error = float(((hidden[judges] @ weights + bias - mean[judges]) ** 2).mean())
            if best is None or error < best[0]:
                best = error, dense, weight
    assert best is not None
    _, dense, weight = best
    return _projections(posterior, x, features, dense, np.random.default_rng(seed)), weight


def _projections(
    posterior: Conditioned, x: Array, count: int, dense: float, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return random directions and thresholds, scaled so that each feature's largest is 1.

    A direction leans on a column as much as the covariance does: a share `dense` of them on every
    column, the others on one to three. A threshold lies at an input.
    """
    dims = x.shape[1]
    raw = rng.standard_normal((dims, count)) * relevance(posterior)[:, None]
    columns = np.where(rng.random(count) < dense, dims, rng.integers(1, 4, count))
    raw *= rng.random((dims, count)).argsort(axis=0).argsort(axis=0) < columns
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


@dataclass(frozen=True)
class _Normal:
    """The normal equations of a weighted regression on features."""

    hidden: Array  # [N, F]
    weight: Array  # [N], adds up to N
    mean: Array  # [F], of the features
    gram: Array  # [F, F], with the noise of rounding and a ridge

    @classmethod
    def of(cls, hidden: Array, weight: Array) -> _Normal:
        weight = weight / weight.sum() * len(weight)
        mean = np.average(hidden, axis=0, weights=weight)
        centred = (hidden - mean) * np.sqrt(weight)[:, None]
        gram = centred.T @ centred
        gram.flat[:: len(gram) + 1] += len(weight) / _LEVELS**2 / 12.0 + _RIDGE
        return cls(hidden, weight, mean, gram)

    def solve(self, target: Array) -> tuple[Array, float]:
        """Return weights `[F]` and the bias."""
        mean = float(np.average(target, weights=self.weight))
        cross = (self.hidden - self.mean).T @ (self.weight * (target - mean))
        weights: Array = solve(self.gram, cross, assume_a="pos")
        return weights, mean - float(self.mean @ weights)


def _readout(hidden: Array, target: Array, weight: Array) -> tuple[Array, float]:
    """Return rounded weights `[F]` and the bias for one target `[N]`."""
    normal = _Normal.of(hidden, weight)
    rounded = _round(normal.solve(target)[0], normal.gram)
    return rounded, float(np.average(target, weights=normal.weight) - normal.mean @ rounded)


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
