"""The posterior of a sparse Gaussian process: what M inducing points say (Titsias 2009)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from edgekit.families.gp.kernel import Array
from edgekit.families.gp.likelihood import Model
from edgekit.families.gp.posterior import BLOCK, Prediction

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
    q_root: Array  # [M, M], lower

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

    def predict(self, x: Array) -> Prediction:
        """Return mean and variances for inputs `[N, D]`."""
        gram = self.covariance(self.inducing, self.inducing)
        gram.flat[:: len(gram) + 1] += JITTER * np.trace(gram) / len(gram)
        lower = cholesky(gram, lower=True)
        means, variances = [], []
        for i in range(0, max(len(x), 1), BLOCK):
            part = x[i : i + BLOCK]
            phi = solve_triangular(lower, self.covariance(self.inducing, part), lower=True)
            means.append(self.mean_function(part) + phi.T @ self.q_mean)
            left = np.maximum(self.prior_variance(part) - (phi**2).sum(axis=0), 0.0)
            variances.append(left + ((self.q_root.T @ phi) ** 2).sum(axis=0))
        mean, variance = np.concatenate(means), np.concatenate(variances)
        return Prediction(mean, variance, variance + self.noise)
