"""A target that is bent before a Gaussian process takes it (Snelson et al., NIPS 2003).

z = c log(1 + y / c): the logarithm of y above -c, which nears y itself as c grows. c is learned
with the hyper-parameters; the likelihood of y is that of z times |dz/dy| = 1 / (1 + y / c).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.families.gp.inference.likelihood import Model, likelihood_and_weights, log_likelihood
from edgekit.families.gp.prior.kernel import Array, Parameter


@dataclass(frozen=True)
class Warp:
    """How observations are bent: "none", or "log" with a `c` above minus the least of them."""

    kind: str = "none"
    least: float = 0.0

    def parameters(self) -> tuple[Parameter, ...]:
        """Return how far -c lies below the least observation, if anything is bent."""
        return (Parameter("warp", 1.0, low=1e-2, high=1e3),) if self.kind == "log" else ()

    def curve(self, theta: Array) -> float | None:
        """Return c, if anything is bent."""
        return float(np.exp(theta[0])) - self.least if self.kind == "log" else None


def bend(y: Array, curve: float | None) -> Array:
    """Return z of observations `[N]`; all must be above -c."""
    bent: Array = y if curve is None else curve * np.log1p(y / curve)
    return bent


def warped_likelihood(
    gp: Model, warp: Warp, theta: Array, x: Array, y: Array
) -> tuple[float, Array]:
    """Return the log likelihood of y and its slope; `theta` is the warp's part, then the model's.

    Raises:
        InputError: S is not positive definite even with the largest jitter.
    """
    curve = warp.curve(theta)
    if curve is None:
        return log_likelihood(gp, theta, x, y)
    logarithm = np.log1p(y / curve)
    value, slope, weights = likelihood_and_weights(gp, theta[1:], x, curve * logarithm)
    share = y / (curve + y)
    by_curve = -weights @ (logarithm - share) + share.sum() / curve
    own = by_curve * (curve + warp.least)
    return value - float(logarithm.sum()), np.concatenate([[own], slope])
