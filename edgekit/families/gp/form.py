"""The device form of a Gaussian process: what fits into a few kilobytes of constants.

With k = k(x, Z), the covariances to N support points, and everything below learned beforehand:

    mean   = m(x) + k . a
    phi    = k[:M] B                       R features, sums over M of the points
    u      = max(1 - |phi|^2 - tau, 0)     the share of the prior variance that they leave
    std_f  = sqrt(k(x, x) (u^2 + g u (1 - u) + phi^2 . c) exp(k . h)), phi^2 in units of k(x, x)
    std_y  = sqrt(std_f^2 + noise)

Every term under the root is at least 0 and none is a difference of large numbers, so float32 can
neither make a variance negative nor lose it to cancellation; far from the data u is 1 and the
prior variance comes back, since exp(k . h) is then 1. `a` and `B` come from least squares with the
rounding noise of float32 as their ridge: no weight is large enough to amplify it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np

from edgekit.families.gp.kernel import Array, Kernel, Product, Scaled, Sum
from edgekit.families.gp.likelihood import Model
from edgekit.families.gp.posterior import Prediction
from edgekit.families.gp.stationary import SquaredExponential

MAX_CORRECTION = 3.0  # of the logarithm of the variance


class Conditioned(Protocol):
    """What a form is made from: a posterior, exact or sparse."""

    @property
    def gp(self) -> Model:
        """Kernel, mean function and noise."""
        ...

    @property
    def theta(self) -> Array:
        """Their parameters."""
        ...

    @property
    def x(self) -> Array:
        """Inputs that the posterior knows, `[N, D]`."""
        ...

    @property
    def noise(self) -> float:
        """The variance of y - f."""
        ...

    def covariance(self, x: Array, z: Array) -> Array:
        """Return the prior covariance k(x, z), `[N, M]`."""
        ...

    def prior_variance(self, x: Array) -> Array:
        """Return k(x, x) of each row with itself, `[N]`."""
        ...

    def mean_function(self, x: Array) -> Array:
        """Return m(x), `[N]`."""
        ...

    def predict(self, x: Array) -> Prediction:
        """Return mean and variances for inputs `[N, D]`."""
        ...


@dataclass(frozen=True)
class Form:
    """The constants; k is taken without its offset (see `offset`), which the biases hold."""

    gp: Model
    theta: Array
    support: Array  # Z, [N, D]; the first M carry the features
    mean_weights: Array  # a, [N]
    mean_bias: float
    features: Array  # B, [M, R]
    feature_bias: Array  # [R]
    spread: Array  # c, [R], from 0 to 1
    rest: float  # g, from 0 to 1
    dead_zone: float  # tau
    correction: Array  # h, [N]
    correction_bias: float

    @property
    def noise(self) -> float:
        """The variance of y - f."""
        return self.gp.split(self.theta, self.support.shape[1])[2]

    @property
    def kernel_theta(self) -> Array:
        """The kernel's part of the parameters."""
        return self.gp.split(self.theta, self.support.shape[1])[1]

    @property
    def bytes(self) -> int:
        """What the constants take in float32, each kernel with a scaled copy of the points."""
        copies = leaves(self.gp.kernel)
        floats = self.support.size * copies + 2 * len(self.support)
        return 4 * (floats + self.features.size + 2 * len(self.spread) + 4)

    def predict(self, x: Array) -> Prediction:
        """Return mean and variances for inputs `[N, D]`, in float64."""
        dims = x.shape[1]
        coefficients, theta, noise = self.gp.split(self.theta, dims)
        k = self.gp.kernel(theta, x, self.support) - offset(self.gp.kernel, theta, dims)
        prior = self.gp.kernel.diagonal(theta, x)
        mean = self.gp.mean.features(x) @ coefficients + k @ self.mean_weights + self.mean_bias
        phi = k[:, : len(self.features)] @ self.features + self.feature_bias
        basis, far = variance_terms(phi, prior, self.dead_zone)
        terms = far + basis @ np.append(self.rest, self.spread)
        logarithm = k @ self.correction + self.correction_bias
        variance = prior * terms * np.exp(np.clip(logarithm, -MAX_CORRECTION, MAX_CORRECTION))
        return Prediction(mean, variance, variance + noise)

    def arrays(self) -> dict[str, Array]:
        """Return the constants by name, as a run keeps them."""
        return {f.name: np.asarray(getattr(self, f.name)) for f in fields(self) if f.name != "gp"}


def variance_terms(phi: Array, prior: Array, dead_zone: float) -> tuple[Array, Array]:
    """Return u (1 - u) beside phi^2, `[N, 1 + R]`, and u^2, `[N]`, all at least 0.

    Args:
        phi: features `[N, R]`.
        prior: k(x, x), `[N]`.
        dead_zone: what float32 cannot tell from 0.
    """
    squares = phi**2 / prior[:, None]
    u = np.maximum(1.0 - squares.sum(axis=1) - dead_zone, 0.0)
    return np.column_stack([u * (1.0 - u), squares]), u * u


def offset(kernel: Kernel, theta: Array, dims: int) -> float:
    """Return what a device leaves out of k and adds in float64 to the biases.

    A squared exponential is computed as expm1(-s / 2) = k - 1: for points closer than their
    length-scale that is small, and so is its rounding error.
    """
    if isinstance(kernel, Scaled):
        return float(np.exp(theta[0])) * offset(kernel.kernel, theta[1:], dims)
    if isinstance(kernel, Sum | Product):
        one, other = kernel.split(theta, dims)
        parts = offset(kernel.first, one, dims), offset(kernel.second, other, dims)
        return sum(parts) if isinstance(kernel, Sum) else parts[0] * parts[1]
    return 1.0 if isinstance(kernel, SquaredExponential) else 0.0


def leaves(kernel: Kernel) -> int:
    """Return how many kernels a sum of products is made of."""
    if isinstance(kernel, Scaled):
        return leaves(kernel.kernel)
    if isinstance(kernel, Sum | Product):
        return leaves(kernel.first) + leaves(kernel.second)
    return 1
