"""What a device knows of the variance: two cheap views of it, pooled by their logarithms.

All variances are in units of the largest prior variance, and k = k(x, Z) too:

    phi   = k[:M] B                             eigen-features over M of the support points
    u     = 1 - |phi|^2                         the share of the prior that they leave
    T     = (1 + e)^2 u^3 / (u + e)^2 + phi^2 . c   what the data leave of them, and of the rest
    r_j   = 1 - k_j^2 / (k(x, x) (k(x, x) + noise))   what the datum j would leave alone
    var_f = k(x, x) T^b0 (r's power means)^b

Few features are right where the data are dense or the process is smooth, the nearest data where it
is rough; the exponents b weigh the two, and far from all data every factor is 1: the prior comes
back. No term is negative, and none is a difference that float32 would lose: `u` counts only as far
as it exceeds e, which is never below what rounding can fake, 1 - phi_1^2 of the largest feature is
computed as d (2 - d) from d = 1 - phi_1, and r_j likewise from 1 - k_j / k(x, x).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from edgekit.families.gp.prior.kernel import Array

POWERS = (0.5, 1.0, 2.0)  # of the power means of 1/r, beside the least r
SHARE_ROUNDING = 3e-7  # absolute, of u in float32: a few units in the last place
_WANTED = 1e-3  # relative error of a variance that rounding may cause
LEAST = 1e-9  # of c, and so of T


@dataclass(frozen=True)
class Variance:
    """The constants; k is taken without its offset (see `form.offset`), which the biases hold."""

    features: Array  # B, [M, R]; its first column gives 1 - phi_1
    feature_bias: Array  # [R]
    kept: Array  # c, [R], from 0 to 1: what the data leave of a feature
    softness: float  # e
    exponents: Array  # b0 and b, [1 + powers + 1], or [1] where the prior variance varies

    @property
    def varies(self) -> bool:
        """Whether the prior variance does: then no datum's share is known without rounding."""
        return len(self.exponents) == 1

    def predict(self, k: Array, prior: Array, noise: float) -> Array:
        """Return the variance of f, `[N]`.

        Args:
            k: covariances with all support points without their offset, `[N, points]`.
            prior: k(x, x), `[N]`.
            noise: the variance of y - f.
        """
        raw = k[:, : len(self.features)] @ self.features + self.feature_bias
        squares, left = shares(raw, prior)
        logs = np.log(left_by_data(squares, left, self.kept, self.softness))[:, None]
        if not self.varies:
            logs = np.hstack([logs, left_alone(k, noise)])
        variance: Array = prior * np.exp(logs @ self.exponents)
        return variance


def shares(raw: Array, prior: Array) -> tuple[Array, Array]:
    """Return phi^2, `[N, R]`, and u, `[N]`, as shares of the prior variance.

    Args:
        raw: 1 - phi_1 and the other features, `[N, R]`.
        prior: k(x, x), `[N]`: ones where it does not vary.
    """
    squares = np.column_stack([(1.0 - raw[:, 0]) ** 2, raw[:, 1:] ** 2]) / prior[:, None]
    first = raw[:, 0] * (2.0 - raw[:, 0]) + (prior - 1.0)
    left = (first - (raw[:, 1:] ** 2).sum(axis=1)) / prior
    return squares, np.maximum(left, 0.0)


def left_by_data(squares: Array, left: Array, kept: Array, softness: float) -> Array:
    """Return T, `[N]`: above 0, since phi^2 and u add up to 1 and c is above 0."""
    share: Array = left * ((1.0 + softness) * left / (left + softness)) ** 2 + squares @ kept
    return share


def left_alone(k: Array, noise: float) -> Array:
    """Return the logarithms of r's power means, then of its least, `[N, powers + 1]`.

    Args:
        k: k(x, Z) - 1, `[N, points]`; the prior variance is 1.
        noise: the variance of y - f.
    """
    r = (noise - k * (2.0 + k)) / (1.0 + noise)
    logs = [-np.log((r**-power).mean(axis=1)) / power for power in POWERS]
    return np.stack([*logs, np.log(r.min(axis=1))], axis=1)


@dataclass(frozen=True)
class Truth:
    """What the posterior says at the inputs that a form is fitted to, in units of the prior."""

    variance_y: Array  # [N]
    prior: Array  # k(x, x), [N]
    noise: float
    weight: Array  # [N], adds up to 1

    def loss(self, variance_f: Array) -> tuple[float, Array]:
        """Return twice the divergence, up to a constant, and its slope by the variance of f.

        A variance that is too small costs more than one that is as much too large.
        """
        made = self.noise + variance_f
        value = self.weight @ (np.log(made) + self.variance_y / made)
        return float(value), self.weight * (1.0 / made - self.variance_y / made**2)


def least_softness(noise: float) -> float:
    """Return the least e that keeps rounding below 1e-3 of variance + noise, in prior's units.

    The first term of T is e / 4 at u = e, with slope 1/2: there rounding shows most.
    """
    return max(4.0 * (0.5 * SHARE_ROUNDING / _WANTED - noise), SHARE_ROUNDING)


def rounding(known: Variance, k: Array, prior: Array) -> float:
    """Return the largest relative error of the deviation of f that float32 causes through T.

    Args:
        known: the constants.
        k: covariances at some inputs, without their offset, `[N, points]`.
        prior: k(x, x), `[N]`.
    """
    k = k[:, : len(known.features)]
    error = 2.0 * np.finfo(np.float32).eps * (np.random.default_rng(0).random(k.shape) - 0.5)
    rounded = (k * (1.0 + error)).astype(np.float32) @ known.features.astype(np.float32)
    raw = rounded + known.feature_bias.astype(np.float32), k @ known.features + known.feature_bias
    told, true = (left_by_data(*shares(np.asarray(r, np.float64), prior), known.kept,
                               known.softness) for r in raw)  # fmt: skip
    relative = (told / true) ** (0.5 * known.exponents[0]) - 1.0
    return float(np.abs(relative).max())


def fit_kept(truth: Truth, squares: Array, left: Array, least: float) -> tuple[Array, float]:
    """Return c and e of T alone; e is at least `least`."""
    rank = squares.shape[1]

    def loss(logs: Array) -> tuple[float, Array]:
        kept, e = np.exp(logs[:rank]), np.exp(logs[rank])
        value, slope = truth.loss(truth.prior * left_by_data(squares, left, kept, e))
        slope = slope * truth.prior
        by_e = 2.0 * (1.0 + e) * (left / (left + e)) ** 3 * (left - 1.0) * e
        return value, np.append((squares.T @ slope) * kept, slope @ by_e)

    bounds = [(np.log(LEAST), 0.0)] * rank + [(np.log(least), np.log(10.0))]
    start = np.log(np.append(np.full(rank, 0.05), max(1e-2, least)))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds,
                     options={"maxiter": 300}).x  # fmt: skip
    return np.exp(found[:rank]), float(np.exp(found[rank]))


def fit_exponents(truth: Truth, logs: Array) -> Array:
    """Return the exponents of the pooled views, whose logarithms are `[N, views]`, T's first."""

    def loss(exponents: Array) -> tuple[float, Array]:
        # Between steps the pool may leave what an exponential can hold.
        variance = truth.prior * np.exp(np.clip(logs @ exponents, -60.0, 20.0))
        value, slope = truth.loss(variance)
        return value, logs.T @ (slope * variance)

    start = np.zeros(logs.shape[1])
    start[0] = 1.0
    found: Array = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
    return found
