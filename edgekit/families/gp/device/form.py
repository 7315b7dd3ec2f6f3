"""The device form of a Gaussian process: what fits into a few kilobytes of constants.

With k the covariances of x with N support points Z, in units of the (largest) prior variance, and
everything below learned beforehand:

    mean   = m(x) + k . a
    std_f  = sqrt(variance of f): see `variance`
    std_y  = sqrt(variance of f + noise)

They are computed without their offset, as k(x, z) / k(x, x) - 1 where the prior variance is
constant: for points closer than their length-scale that is small, and so is its rounding error.
`a` and the features come from least squares with that rounding as their ridge: no weight is large
enough to amplify it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from edgekit.families.gp.device.variance import Variance
from edgekit.families.gp.inference.likelihood import Model
from edgekit.families.gp.inference.posterior import Prediction
from edgekit.families.gp.prior.kernel import Array, Kernel, Product, Scaled, Sum
from edgekit.families.gp.prior.linear import Linear
from edgekit.families.gp.prior.stationary import Stationary


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
    """The constants."""

    gp: Model
    theta: Array
    unit: float  # of covariances: the prior variance, its largest where it varies
    support: Array  # Z, [N, D]; the first M carry the features of the variance
    mean_weights: Array  # a, [N]
    mean_bias: float
    variance: Variance

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
        """What the constants take in float32."""
        floats = self.support.size * copies(self.gp.kernel) + len(self.support)
        features = self.variance.features
        return 4 * (floats + features.size + 2 * features.shape[1] + 8)

    def predict(self, x: Array) -> Prediction:
        """Return mean and variances for inputs `[N, D]`, in float64."""
        dims = x.shape[1]
        coefficients, theta, noise = self.gp.split(self.theta, dims)
        left_out = offset(self.gp.kernel, theta, dims)
        k = (self.gp.kernel(theta, x, self.support) - left_out) / self.unit
        prior = self.gp.kernel.diagonal(theta, x) / self.unit
        mean = self.gp.mean.features(x) @ coefficients + k @ self.mean_weights + self.mean_bias
        variance = self.unit * self.variance.predict(k, prior, noise / self.unit)
        return Prediction(mean, variance, variance + noise)


def offset(kernel: Kernel, theta: Any, dims: int, exp: Callable[[Any], Any] = np.exp) -> Any:
    """Return what a device leaves out of k, and biases hold instead.

    It is k(x, x) but for what is linear in x, whose prior variance is not constant. `exp` takes
    parameters back from logarithms: TensorFlow's where they are variables.
    """
    if isinstance(kernel, Scaled):
        return exp(theta[0]) * offset(kernel.kernel, theta[1:], dims, exp)
    if isinstance(kernel, Sum | Product):
        one, other = kernel.split(theta, dims)
        parts = offset(kernel.first, one, dims, exp), offset(kernel.second, other, dims, exp)
        return sum(parts) if isinstance(kernel, Sum) else parts[0] * parts[1]
    return 0.0 if isinstance(kernel, Linear) else 1.0


def leaves(kernel: Kernel) -> list[Kernel]:
    """Return the kernels that a sum of products is made of."""
    if isinstance(kernel, Scaled):
        return leaves(kernel.kernel)
    if isinstance(kernel, Sum | Product):
        return leaves(kernel.first) + leaves(kernel.second)
    return [kernel]


def copies(kernel: Kernel) -> int:
    """Return how often a file holds the points: once for all stationary kernels, scaled or not."""
    stationary = [isinstance(leaf, Stationary) for leaf in leaves(kernel)]
    return stationary.count(False) + any(stationary)
