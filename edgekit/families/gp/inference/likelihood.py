"""The log marginal likelihood of a Gaussian process and its gradient, in float64.

Rasmussen, "Gaussian Processes in Machine Learning" (2004), eq. 4 and 5:
L = -1/2 log|S| - 1/2 r' S^-1 r - n/2 log 2 pi, S = K + noise I, r = y - m(X).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from scipy.linalg import blas, cho_solve, lapack

from edgekit.errors import InputError
from edgekit.families.gp.prior.expression import parse
from edgekit.families.gp.prior.kernel import Array, Kernel, Parameter
from edgekit.families.gp.prior.mean import Mean

JITTER = (0.0, *(10.0**power for power in range(-12, -3)))  # of the mean variance, in turn tried
ILL_CONDITIONED = 1e-15  # reciprocal condition number below which figures lose their meaning
_log = logging.getLogger("edgekit")


@dataclass(frozen=True)
class Model:
    """f ~ GP(mean, kernel), y = f + noise; parameters come as one vector: mean, kernel, noise."""

    kernel: Kernel
    mean: Mean = Mean()  # noqa: RUF009  frozen
    noise: Parameter = Parameter("noise_variance", 0.1, low=1e-8, high=1e5)  # noqa: RUF009

    def parameters(self, dims: int) -> tuple[Parameter, ...]:
        """Return all parameters for inputs of `dims` columns."""
        return (*self.mean.parameters(dims), *self.kernel.parameters(dims), self.noise)

    def split(self, theta: Array, dims: int) -> tuple[Array, Array, float]:
        """Return the mean's part, the kernel's part, and the noise variance."""
        count = len(self.mean.parameters(dims))
        return theta[:count], theta[count:-1], float(np.exp(theta[-1]))

    def start(self, x: Array, y: Array) -> Array:
        """Return where a search begins; the mean's coefficients are those of least squares."""
        theta = np.array([parameter.start for parameter in self.parameters(x.shape[1])])
        coefficients = self.mean.start(x, y)
        theta[: len(coefficients)] = coefficients
        return theta


def model(kernel: str, mean: str = "zero", min_noise: float = 1e-8) -> Model:
    """Return the model of a kernel expression and the name of a mean.

    Raises:
        InputError: one of them is unknown.
    """
    found = parse(kernel)
    start = max(found.noise, min_noise)
    return Model(found.kernel, Mean(mean), Parameter("noise_variance", start, min_noise, 1e5))


def log_likelihood(gp: Model, theta: Array, x: Array, y: Array) -> tuple[float, Array]:
    """Return L and dL/dtheta at `theta` for inputs `[N, D]` and observations `[N]`.

    Raises:
        InputError: S is not positive definite even with the largest jitter.
    """
    return likelihood_and_weights(gp, theta, x, y)[:2]


def likelihood_and_weights(
    gp: Model, theta: Array, x: Array, y: Array
) -> tuple[float, Array, Array]:
    """Return L, dL/dtheta and S^-1 r = -dL/dy.

    One Cholesky, one inverse from it in the same memory, then sums: 1/2 sum_ij G_ij dS_ij with
    G = a a' - S^-1 and a = S^-1 r. The inverse comes as a lower triangle; doubled, with its
    diagonal as it is, it stands for both halves in every such sum, since dS is symmetric.

    Raises:
        InputError: S is not positive definite even with the largest jitter.
    """
    coefficients, kernel_theta, noise = gp.split(theta, x.shape[1])
    covariance, pullback = gp.kernel.pullback(kernel_theta, x)
    lower, _ = factorize(covariance, noise)
    features = gp.mean.features(x)
    residual = y - features @ coefficients
    weights = cho_solve((lower, True), residual, check_finite=False)
    value = likelihood_of(lower, residual, weights)
    inverse, _ = lapack.dpotri(lower, lower=1, overwrite_c=1)
    inverse *= -2.0
    inverse.flat[:: len(y) + 1] *= 0.5
    outer = blas.dger(1.0, weights, weights, a=inverse, overwrite_a=1)
    noise_slope = 0.5 * noise * float(np.trace(outer))
    kernel_slope = 0.5 * pullback(np.asarray(outer.T))
    slope = np.concatenate([features.T @ weights, kernel_slope, [noise_slope]])
    return value, slope, weights


def likelihood_of(lower: Array, residual: Array, weights: Array) -> float:
    """Return L from the Cholesky factor of S, r and S^-1 r."""
    determinant = 2.0 * np.log(np.diag(lower)).sum()
    return float(
        -0.5 * determinant - 0.5 * residual @ weights - 0.5 * len(residual) * np.log(2 * np.pi)
    )


def factorize(covariance: Array, noise: float) -> tuple[Array, float]:
    """Return the lower Cholesky factor of covariance + noise I, and the jitter that it took.

    The jitter grows from nothing until the factorization succeeds; whoever fits reports it.

    Raises:
        InputError: even the largest is not enough.
    """
    diagonal = np.diag(covariance) + noise
    for jitter in JITTER:
        added = jitter * float(diagonal.mean())
        work = np.array(covariance.T, order="F")
        work.flat[:: len(work) + 1] = diagonal + added
        lower, failed = lapack.dpotrf(work, lower=1, clean=1, overwrite_a=1)
        if not failed and np.isfinite(lower[-1, -1]):
            return lower, added
    raise InputError(
        "the covariance of the data is not positive definite",
        got=f"a jitter of {added:.1e} is not enough",
        do="remove duplicate rows, or give a larger --min-noise",
    )


def condition(lower: Array) -> float:
    """Return the reciprocal condition number of S, estimated in the 1-norm from its factor."""
    # |S|_1 from the factor costs a product; that of L bounds it well enough for a warning.
    norm = np.abs(lower).sum(axis=0).max() * np.abs(lower).sum(axis=1).max()
    return float(lapack.dpocon(lower, norm, uplo="L")[0])


def warn_if_ill_conditioned(lower: Array, jitter: float) -> None:
    """Say that the figures may mean little, and what helps."""
    remedy = "remove duplicate rows, scale the columns, or give a larger --min-noise"
    if jitter:
        _log.warning("the likelihood is ill-conditioned: jitter %.1e was added; %s", jitter, remedy)
    elif (found := condition(lower)) < ILL_CONDITIONED:
        _log.warning(
            "the likelihood is ill-conditioned: reciprocal condition %.1e; %s", found, remedy
        )
