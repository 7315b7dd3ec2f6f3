"""The posterior of a sparse Gaussian process: what M inducing points say (Titsias 2009)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.linalg import cholesky, solve_triangular

from edgekit.families.gp.inference.likelihood import Model
from edgekit.families.gp.inference.posterior import BLOCK, Prediction
from edgekit.families.gp.prior.kernel import Array

JITTER = 1e-8  # of the mean prior variance, on the covariance of the inducing points


@dataclass(frozen=True)
class SparsePosterior:
    """q(v) = N(q_mean, q_root q_root') for whitened values v = L^-1 f(Z), L L' = K_ZZ.

    mean = m(x) + phi . q_mean, variance = k(x, x) - |phi|^2 + |q_root' phi|^2, phi = L^-1 k(Z, x).
    """

    gp: Model
    theta: Array
    x: Array  # [N, D], some of the data
    inducing: Array  # Z, [M, D]
    q_mean: Array  # [M]
    q_root: Array  # [M, M]

    @property
    def noise(self) -> float:
        """The variance of y - f."""
        return self.gp.split(self.theta, self.x.shape[1])[2]

    def covariance(self, x: Array, z: Array) -> Array:
        """Return the prior covariance k(x, z), `[N, M]`."""
        return self.gp.kernel(self.gp.split(self.theta, x.shape[1])[1], x, z)

    def prior_variance(self, x: Array) -> Array:
        """Return k(x, x) of each row with itself, `[N]`."""
        return self.gp.kernel.diagonal(self.gp.split(self.theta, x.shape[1])[1], x)

    def mean_function(self, x: Array) -> Array:
        """Return m(x), `[N]`."""
        coefficients = self.gp.split(self.theta, x.shape[1])[0]
        mean: Array = self.gp.mean.features(x) @ coefficients
        return mean

    @cached_property
    def _factors(self) -> tuple[Array, Array, Array]:
        """Return L^-1, q_root' L^-1 and the weights of k(Z, x) in the mean."""
        gram = self.covariance(self.inducing, self.inducing)
        gram.flat[:: len(gram) + 1] += JITTER * np.trace(gram) / len(gram)
        lower = cholesky(gram, lower=True)
        white = solve_triangular(lower, np.eye(len(gram)), lower=True)
        return white, self.q_root.T @ white, white.T @ self.q_mean

    def mean(self, x: Array) -> Array:
        """Return the posterior mean of f, `[N]`."""
        return self.mean_function(x) + self.covariance(x, self.inducing) @ self._factors[2]

    def predict(self, x: Array) -> Prediction:
        """Return mean and variances for inputs `[N, D]`."""
        white, root, weights = self._factors
        means, variances = [], []
        for i in range(0, max(len(x), 1), BLOCK):
            part = x[i : i + BLOCK]
            cross = self.covariance(self.inducing, part)
            means.append(self.mean_function(part) + weights @ cross)
            explained, left = white @ cross, root @ cross
            variance = self.prior_variance(part) - np.einsum("mn,mn->n", explained, explained)
            np.maximum(variance, 0.0, out=variance)
            variances.append(variance + np.einsum("mn,mn->n", left, left))
        mean, variance = np.concatenate(means), np.concatenate(variances)
        return Prediction(mean, variance, variance + self.noise)


class Prior(Protocol):
    """A covariance function with its parameters."""

    def covariance(self, x: Array, z: Array) -> Array:
        """Return the prior covariance k(x, z), `[N, M]`."""
        ...

    def prior_variance(self, x: Array) -> Array:
        """Return k(x, x) of each row with itself, `[N]`."""
        ...


def pivots(prior: Prior, x: Array, count: int, limit: float) -> npt.NDArray[np.int64]:
    """Return `count` rows of `x`, each the one that those before it say least about.

    Pivoted Cholesky (Harbrecht et al. 2012). It ends where no row has more than `limit` of the
    largest prior variance left.
    """
    left = prior.prior_variance(x).copy()
    limit = limit * left.max()
    rows = np.empty((count, len(x)))
    chosen: list[int] = []
    for number in range(count):
        best = int(np.argmax(left))
        if left[best] < limit:
            break
        row = prior.covariance(x[best : best + 1], x)[0]
        row -= rows[:number].T @ rows[:number, best]
        rows[number] = row / np.sqrt(left[best])
        left = np.maximum(left - rows[number] ** 2, 0.0)
        chosen.append(best)
        left[chosen] = 0.0
    return np.array(chosen)
