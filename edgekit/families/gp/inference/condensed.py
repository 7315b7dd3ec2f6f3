"""An exact posterior over few of its rows: predictions at the cost of their square.

With P the pivots of a Cholesky factorization, what all other rows add to the prior is below the
noise. K ~ phi' phi over them, phi = L^-1 k(P, X), L L' = K_PP, and with B = I + phi phi' / noise

    mean     = m(x) + k(x, P) L^-T B^-1 phi (y - m) / noise
    variance = k(x, x) - |C k(P, x)|^2,    C'C = L^-T (I - B^-1) L^-1

(Titsias 2009, at its optimum). C is triangular: one product of half the flops.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import blas, cho_solve, cholesky, lapack, solve_triangular

from edgekit.families.gp.inference.posterior import BLOCK, Posterior, Prediction
from edgekit.families.gp.prior.kernel import Array

TOLERANCE = 1e-6  # of the noise: deviations of f move by less than 1e-4 of themselves
_WORTH = 0.5  # share of the rows up to which their square costs a quarter


@dataclass(frozen=True)
class Condensed:
    """What the pivots say of any input."""

    posterior: Posterior
    pivots: Array  # rows of the data, [M, D]
    weights: Array  # of k(x, P) in the mean, [M]
    root: Array  # C, lower, [M, M]

    def mean(self, x: Array) -> Array:
        """Return the posterior mean of f, `[N]`."""
        exact = self.posterior
        return exact.mean_function(x) + exact.covariance(x, self.pivots) @ self.weights

    def predict(self, x: Array) -> Prediction:
        """Return mean and variances for inputs `[N, D]`."""
        parts = [self._predict(x[i : i + BLOCK]) for i in range(0, max(len(x), 1), BLOCK)]
        mean, variance = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Prediction(mean, variance, variance + self.posterior.noise)

    def _predict(self, x: Array) -> tuple[Array, Array]:
        exact = self.posterior
        cross = exact.covariance(x, self.pivots)
        mean = exact.mean_function(x) + cross @ self.weights
        known = blas.dtrmm(1.0, self.root, cross.T, lower=1, overwrite_b=1)
        variance = exact.prior_variance(x) - np.einsum("mn,mn->n", known, known)
        return mean, np.maximum(variance, 0.0)


def condense(posterior: Posterior, tolerance: float = TOLERANCE) -> Posterior | Condensed:
    """Return the exact posterior over its pivots, where few of them say what all data do.

    What the pivots leave of the prior at any row of the data is at most `tolerance` of the noise,
    and so is about what is lost. Where it takes more than half of the rows, or they are at the end
    of float64, the posterior itself comes back.
    """
    x, noise = posterior.x, posterior.noise + posterior.jitter
    gram = posterior.covariance(x, x)
    factor, order, rank, _ = lapack.dpstrf(gram.T, tol=tolerance * noise, overwrite_a=1)
    if not 0 < rank <= _WORTH * len(x):
        return posterior
    order -= 1  # LAPACK counts from 1
    upper, phi = np.triu(factor[:rank, :rank]), np.triu(factor[:rank])
    told = phi @ phi.T / noise
    told.flat[:: rank + 1] += 1.0
    try:
        lower = cholesky(told, lower=True)
        root = _reversed_root(np.eye(rank) - cho_solve((lower, True), np.eye(rank)))
    except np.linalg.LinAlgError:
        return posterior
    residual = (posterior.y - posterior.mean_function(x))[order]
    weights = solve_triangular(upper, cho_solve((lower, True), phi @ residual)) / noise
    return Condensed(
        posterior, x[order[:rank]], weights, np.asfortranarray(solve_triangular(upper, root.T).T)
    )


def _reversed_root(matrix: Array) -> Array:
    """Return the lower F with F'F = `matrix`."""
    root: Array = cholesky(matrix[::-1, ::-1], lower=True)[::-1, ::-1].T
    return root
