"""Kernels of the distance r between inputs, each column in units of its own length-scale (ARD).

s = r^2 = sum_d (x_d - z_d)^2 / l_d^2. A kernel is its profile k(s) with dk/ds; what distances and
length-scales cost is shared. Formulas: Rasmussen and Williams, chapter 4.2.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from edgekit.families.gp.prior.kernel import Array, Parameter, Pullback


@dataclass(frozen=True)
class Stationary:
    """A kernel k(s) with k(0) = 1 and one length-scale a column, or one for all."""

    lengthscale: float = 1.0  # where the search begins
    ard: bool = True

    def parameters(self, dims: int) -> tuple[Parameter, ...]:
        """Return the length-scales, then what the profile has of its own."""
        names = [f"lengthscale_{d}" for d in range(dims)] if self.ard and dims > 1 else None
        scales = (Parameter(name, self.lengthscale) for name in names or ["lengthscale"])
        return (*scales, *self._shape())

    def __call__(self, theta: Array, x: Array, z: Array) -> Array:
        """Return k(x, z), `[N, M]`."""
        scales, shape = self.split(theta)
        return self.profile(self._distances(x / scales, z / scales), shape)[0]

    def diagonal(self, theta: Array, x: Array) -> Array:
        """Return ones, `[N]`."""
        return np.ones(len(x))

    def pullback(self, theta: Array, x: Array) -> tuple[Array, Pullback]:
        """Return k(x, x), `[N, N]`, and its gradient's way back.

        With M = dL/dK * dk/ds, dL/dlog l_d = -2 sum_ij M_ij (u_id - u_jd)^2 for u = x / l: the
        square is multiplied out, so that all columns cost one matrix product M u.
        """
        scales, shape = self.split(theta)
        scaled = x / scales
        scaled = scaled - scaled.mean(axis=0)
        distances = self._distances(scaled, scaled)
        np.fill_diagonal(distances, 0.0)
        covariance, slope, shape_slope = self.profile(distances, shape, slopes=True)

        def back(outer: Array) -> Array:
            own = [np.vdot(outer, slope_of) for slope_of in shape_slope]
            outer *= slope
            ends = outer.sum(axis=0) + outer.sum(axis=1)
            squares = ends @ scaled**2 - 2.0 * np.einsum("nd,nd->d", scaled, outer @ scaled)
            per_scale = squares if len(scales) > 1 else [squares.sum()]
            return np.concatenate([-2.0 * np.asarray(per_scale), own])

        return covariance, back

    @abstractmethod
    def profile(
        self, s: Array, shape: Array, *, slopes: bool = False
    ) -> tuple[Array, Array, list[Array]]:
        """Return k(s), dk/ds and dk/dlog of each parameter of the shape; it may overwrite `s`.

        Without `slopes` the last two are left empty.
        """

    def _shape(self) -> tuple[Parameter, ...]:
        """Return the parameters of the profile beside the length-scales."""
        return ()

    def _distances(self, x: Array, z: Array) -> Array:
        """Return s, `[N, M]`, by one matrix product."""
        s = x @ (-2.0 * z.T)
        s += (x * x).sum(axis=1)[:, None]
        s += (z * z).sum(axis=1)
        return np.maximum(s, 0.0, out=s)

    def split(self, theta: Array) -> tuple[Array, Array]:
        """Return the length-scales, and the logarithms of what the profile has of its own."""
        count = len(theta) - len(self._shape())
        return np.exp(theta[:count]), theta[count:]


class SquaredExponential(Stationary):
    """exp(-s / 2)."""

    def profile(
        self, s: Array, shape: Array, *, slopes: bool = False
    ) -> tuple[Array, Array, list[Array]]:
        """Return k, dk/ds = -k / 2."""
        s *= -0.5
        k = np.exp(s, out=s)
        return (k, -0.5 * k, []) if slopes else (k, k, [])


class Matern12(Stationary):
    """exp(-r)."""

    def _distances(self, x: Array, z: Array) -> Array:
        # r is the root of s: what a matrix product loses in s near 0 would show.
        distances: Array = cdist(x, z, "sqeuclidean")
        return distances

    def profile(
        self, s: Array, shape: Array, *, slopes: bool = False
    ) -> tuple[Array, Array, list[Array]]:
        """Return k, dk/ds = -k / 2r; at 0, where that is infinite, no length-scale matters."""
        r = np.sqrt(s)
        k = np.exp(-r)
        if not slopes:
            return k, k, []
        return k, np.where(r > 0, -0.5 * k / np.where(r > 0, r, 1.0), 0.0), []


class Matern32(Stationary):
    """(1 + sqrt3 r) exp(-sqrt3 r)."""

    def profile(
        self, s: Array, shape: Array, *, slopes: bool = False
    ) -> tuple[Array, Array, list[Array]]:
        """Return k, dk/ds = -3/2 exp(-sqrt3 r)."""
        a = np.sqrt(3.0 * s)
        decay = np.exp(-a)
        return (1.0 + a) * decay, -1.5 * decay if slopes else decay, []


class Matern52(Stationary):
    """(1 + sqrt5 r + 5/3 s) exp(-sqrt5 r)."""

    def profile(
        self, s: Array, shape: Array, *, slopes: bool = False
    ) -> tuple[Array, Array, list[Array]]:
        """Return k, dk/ds = -5/6 (1 + sqrt5 r) exp(-sqrt5 r)."""
        a = np.sqrt(5.0 * s)
        decay = np.exp(-a)
        k = (1.0 + a + a * a / 3.0) * decay
        return k, -5.0 / 6.0 * (1.0 + a) * decay if slopes else k, []


@dataclass(frozen=True)
class RationalQuadratic(Stationary):
    """(1 + s / 2 alpha)^-alpha."""

    alpha: float = 1.0  # where the search begins

    def _shape(self) -> tuple[Parameter, ...]:
        return (Parameter("alpha", self.alpha, low=1e-2, high=1e4),)

    def profile(
        self, s: Array, shape: Array, *, slopes: bool = False
    ) -> tuple[Array, Array, list[Array]]:
        """Return k, dk/ds = -k / 2b and dk/dlog alpha, where b = 1 + s / 2 alpha."""
        alpha = np.exp(shape[0])
        base = 1.0 + s / (2.0 * alpha)
        logarithm = np.log1p(s / (2.0 * alpha))
        k = np.exp(-alpha * logarithm)
        if not slopes:
            return k, k, []
        return k, -0.5 * k / base, [k * (s / (2.0 * base) - alpha * logarithm)]
