"""The exact posterior of a Gaussian process: predictions, samples, leave-one-out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, lapack, solve_triangular

from edgekit.families.gp.inference.likelihood import Model, factorize, likelihood_of
from edgekit.families.gp.prior.kernel import Array

BLOCK = 2048  # rows that are predicted at once: memory stays bounded


@dataclass(frozen=True)
class Prediction:
    """A normal distribution for each row."""

    mean: Array  # [N]
    variance_f: Array  # [N], of the function
    variance_y: Array  # [N], of an observation: with the noise


@dataclass(frozen=True)
class Posterior:
    """A model conditioned on data."""

    gp: Model
    theta: Array
    x: Array  # [N, D]
    y: Array  # [N]
    lower: Array  # Cholesky factor of S
    weights: Array  # S^-1 (y - m)
    jitter: float  # that the factorization took, beside the noise

    @property
    def noise(self) -> float:
        """The variance of y - f."""
        return self.gp.split(self.theta, self.x.shape[1])[2]

    @property
    def log_likelihood(self) -> float:
        """L at these hyper-parameters."""
        residual = self.y - self.mean_function(self.x)
        return likelihood_of(self.lower, residual, self.weights)

    def mean_function(self, x: Array) -> Array:
        """Return m(x), `[N]`."""
        coefficients, _, _ = self.gp.split(self.theta, x.shape[1])
        mean: Array = self.gp.mean.features(x) @ coefficients
        return mean

    def covariance(self, x: Array, z: Array) -> Array:
        """Return the prior covariance k(x, z), `[N, M]`."""
        return self.gp.kernel(self.gp.split(self.theta, x.shape[1])[1], x, z)

    def prior_variance(self, x: Array) -> Array:
        """Return k(x, x) of each row with itself, `[N]`."""
        return self.gp.kernel.diagonal(self.gp.split(self.theta, x.shape[1])[1], x)

    def mean(self, x: Array) -> Array:
        """Return the posterior mean of f, `[N]`."""
        return self.mean_function(x) + self.covariance(x, self.x) @ self.weights

    def predict(self, x: Array) -> Prediction:
        """Return mean and variances for inputs `[N, D]`."""
        parts = [self._predict(x[i : i + BLOCK]) for i in range(0, max(len(x), 1), BLOCK)]
        mean, variance = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Prediction(mean, variance, variance + self.noise)

    def _predict(self, x: Array) -> tuple[Array, Array]:
        cross = self.covariance(x, self.x)
        mean = self.mean_function(x) + cross @ self.weights
        solved = solve_triangular(
            self.lower, cross.T, lower=True, overwrite_b=True, check_finite=False
        )
        explained = np.einsum("nm,nm->m", solved, solved)
        # What rounding takes below 0 is 0: the variance is known to be positive.
        return mean, np.maximum(self.prior_variance(x) - explained, 0.0)

    def sample(self, x: Array, count: int, *, seed: int = 0, prior: bool = False) -> Array:
        """Return draws of f at `x`, `[count, N]`, from the posterior or the prior."""
        covariance = self.covariance(x, x)
        mean = self.mean_function(x)
        if not prior:
            cross = self.covariance(self.x, x)
            solved = solve_triangular(self.lower, cross, lower=True, check_finite=False)
            covariance -= solved.T @ solved
            mean = mean + cross.T @ self.weights
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        noise = np.random.default_rng(seed).standard_normal((count, len(x)))
        draws: Array = mean + noise @ root.T
        return draws

    def leave_one_out(self) -> Prediction:
        """Return the prediction of each y from all the others (R&W eq. 5.12)."""
        inverse, _ = lapack.dpotri(self.lower, lower=1)
        variance = 1.0 / np.diag(inverse)
        mean = self.y - self.weights * variance
        return Prediction(mean, variance - self.noise, variance)


def condition_on(gp: Model, theta: Array, x: Array, y: Array) -> Posterior:
    """Return the posterior given inputs `[N, D]` and observations `[N]`.

    Raises:
        InputError: the covariance is not positive definite even with the largest jitter.
    """
    coefficients, kernel_theta, noise = gp.split(theta, x.shape[1])
    lower, jitter = factorize(gp.kernel(kernel_theta, x, x), noise)
    residual = y - gp.mean.features(x) @ coefficients
    weights = cho_solve((lower, True), residual, check_finite=False)
    return Posterior(gp, theta, x, y, lower, weights, jitter)
