"""Covariance functions: what each offers, and how they are scaled, added and multiplied.

A kernel holds no parameters: it says which it has, and takes their values as one vector `theta`,
each parameter as its logarithm. Gradients run backwards through sums and products: `pullback`
returns the covariance and a function from dL/dK to dL/dtheta, so that no derivative of a matrix is
ever stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log
from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Pullback = Callable[[Array], Array]  # dL/dK [N, N] to dL/dtheta [P]; it may overwrite dL/dK


@dataclass(frozen=True)
class Parameter:
    """One hyper-parameter: its name, where a search begins, and where it may go."""

    name: str
    value: float
    low: float = 1e-5
    high: float = 1e5
    log: bool = True  # searched as its logarithm; then all three are above 0

    @property
    def start(self) -> float:
        """The first value, as a search sees it."""
        return log(self.value) if self.log else self.value

    @property
    def bounds(self) -> tuple[float, float]:
        """The range, as a search sees it."""
        return (log(self.low), log(self.high)) if self.log else (self.low, self.high)


class Kernel(Protocol):
    """A covariance function of inputs `[N, D]`."""

    def parameters(self, dims: int) -> tuple[Parameter, ...]:
        """Return the parameters for inputs of `dims` columns."""
        ...

    def __call__(self, theta: Array, x: Array, z: Array) -> Array:
        """Return k(x, z), `[N, M]`."""
        ...

    def diagonal(self, theta: Array, x: Array) -> Array:
        """Return k(x, x) of each row with itself, `[N]`."""
        ...

    def pullback(self, theta: Array, x: Array) -> tuple[Array, Pullback]:
        """Return k(x, x), `[N, N]`, and its gradient's way back."""
        ...


@dataclass(frozen=True)
class Scaled:
    """variance * k."""

    kernel: Kernel
    variance: float = 1.0

    def parameters(self, dims: int) -> tuple[Parameter, ...]:
        """Return the variance, then those of the kernel."""
        return (Parameter("variance", self.variance), *self.kernel.parameters(dims))

    def __call__(self, theta: Array, x: Array, z: Array) -> Array:
        """Return k(x, z), `[N, M]`."""
        covariance = self.kernel(theta[1:], x, z)
        covariance *= np.exp(theta[0])
        return covariance

    def diagonal(self, theta: Array, x: Array) -> Array:
        """Return k(x, x) of each row with itself, `[N]`."""
        scaled: Array = np.exp(theta[0]) * self.kernel.diagonal(theta[1:], x)
        return scaled

    def pullback(self, theta: Array, x: Array) -> tuple[Array, Pullback]:
        """Return k(x, x), `[N, N]`, and its gradient's way back."""
        variance = np.exp(theta[0])
        plain, inner = self.kernel.pullback(theta[1:], x)

        def back(outer: Array) -> Array:
            own = variance * np.vdot(outer, plain)
            outer *= variance
            return np.concatenate([[own], inner(outer)])

        return variance * plain, back


@dataclass(frozen=True)
class _Pair:
    first: Kernel
    second: Kernel

    def parameters(self, dims: int) -> tuple[Parameter, ...]:
        """Return those of the first, then those of the second."""
        return (*self.first.parameters(dims), *self.second.parameters(dims))

    def split(self, theta: Array, dims: int) -> tuple[Array, Array]:
        """Return the parameters of the first and of the second."""
        count = len(self.first.parameters(dims))
        return theta[:count], theta[count:]


class Sum(_Pair):
    """k1 + k2."""

    def __call__(self, theta: Array, x: Array, z: Array) -> Array:
        """Return k(x, z), `[N, M]`."""
        one, other = self.split(theta, x.shape[1])
        return self.first(one, x, z) + self.second(other, x, z)

    def diagonal(self, theta: Array, x: Array) -> Array:
        """Return k(x, x) of each row with itself, `[N]`."""
        one, other = self.split(theta, x.shape[1])
        return self.first.diagonal(one, x) + self.second.diagonal(other, x)

    def pullback(self, theta: Array, x: Array) -> tuple[Array, Pullback]:
        """Return k(x, x), `[N, N]`, and its gradient's way back."""
        one, other = self.split(theta, x.shape[1])
        (k1, back1), (k2, back2) = self.first.pullback(one, x), self.second.pullback(other, x)

        def back(outer: Array) -> Array:
            return np.concatenate([back1(outer.copy()), back2(outer)])

        return k1 + k2, back


class Product(_Pair):
    """k1 * k2, element by element."""

    def __call__(self, theta: Array, x: Array, z: Array) -> Array:
        """Return k(x, z), `[N, M]`."""
        one, other = self.split(theta, x.shape[1])
        return self.first(one, x, z) * self.second(other, x, z)

    def diagonal(self, theta: Array, x: Array) -> Array:
        """Return k(x, x) of each row with itself, `[N]`."""
        one, other = self.split(theta, x.shape[1])
        return self.first.diagonal(one, x) * self.second.diagonal(other, x)

    def pullback(self, theta: Array, x: Array) -> tuple[Array, Pullback]:
        """Return k(x, x), `[N, N]`, and its gradient's way back."""
        one, other = self.split(theta, x.shape[1])
        (k1, back1), (k2, back2) = self.first.pullback(one, x), self.second.pullback(other, x)

        def back(outer: Array) -> Array:
            return np.concatenate([back1(outer * k2), back2(outer * k1)])

        return k1 * k2, back


def rescale(kernel: Kernel, theta: Array, factor: float, dims: int) -> Array:
    """Return the parameters of `factor` times the kernel, a sum of scaled ones."""
    if isinstance(kernel, Sum):
        one, other = kernel.split(theta, dims)
        parts = (
            rescale(kernel.first, one, factor, dims),
            rescale(kernel.second, other, factor, dims),
        )
        return np.concatenate(parts)
    if not isinstance(kernel, Scaled):
        raise TypeError(f"{type(kernel).__name__} has no variance to rescale")
    return np.concatenate([theta[:1] + log(factor), theta[1:]])
