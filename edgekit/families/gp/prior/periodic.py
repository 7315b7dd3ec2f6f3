"""The periodic kernel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.families.gp.prior.kernel import Array, Parameter, Pullback


@dataclass(frozen=True)
class Periodic:
    """exp(-2 sum_d sin^2(pi (x_d - z_d) / p) / l^2) (MacKay 1998; R&W eq. 4.31)."""

    period: float = 1.0  # where the search begins
    lengthscale: float = 1.0

    def parameters(self, dims: int) -> tuple[Parameter, ...]:
        """Return period and length-scale, one of each for all columns."""
        return (Parameter("period", self.period), Parameter("lengthscale", self.lengthscale))

    def __call__(self, theta: Array, x: Array, z: Array) -> Array:
        """Return k(x, z), `[N, M]`."""
        period, scale = np.exp(theta)
        squares = np.zeros((len(x), len(z)))
        for column in range(x.shape[1]):
            squares += np.sin(_phase(x, z, column, period)) ** 2
        covariance: Array = np.exp(-2.0 / scale**2 * squares)
        return covariance

    def diagonal(self, theta: Array, x: Array) -> Array:
        """Return ones, `[N]`."""
        return np.ones(len(x))

    def pullback(self, theta: Array, x: Array) -> tuple[Array, Pullback]:
        """Return k(x, x), `[N, N]`, and its gradient's way back."""
        period, scale = np.exp(theta)
        squares, turning = np.zeros((2, len(x), len(x)))
        for column in range(x.shape[1]):
            phase = _phase(x, x, column, period)
            squares += np.sin(phase) ** 2
            turning += np.sin(2.0 * phase) * phase  # -d squares / d log period
        covariance = np.exp(-2.0 / scale**2 * squares)

        def back(outer: Array) -> Array:
            outer *= covariance
            return np.array(
                [
                    2.0 / scale**2 * np.vdot(outer, turning),
                    4.0 / scale**2 * np.vdot(outer, squares),
                ]
            )

        return covariance, back


def _phase(x: Array, z: Array, column: int, period: float) -> Array:
    return np.pi / period * (x[:, column, None] - z[None, :, column])
