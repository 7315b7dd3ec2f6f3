"""The linear kernel: Bayesian linear regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.families.gp.prior.kernel import Array, Parameter, Pullback


@dataclass(frozen=True)
class Linear:
    """bias + x . z (R&W eq. 4.24 with sigma_0^2 = bias)."""

    bias: float = 1.0  # where the search begins

    def parameters(self, dims: int) -> tuple[Parameter, ...]:
        """Return the bias."""
        return (Parameter("bias", self.bias),)

    def __call__(self, theta: Array, x: Array, z: Array) -> Array:
        """Return k(x, z), `[N, M]`."""
        products: Array = x @ z.T + np.exp(theta[0])
        return products

    def diagonal(self, theta: Array, x: Array) -> Array:
        """Return bias + |x|^2, `[N]`."""
        squares: Array = (x * x).sum(axis=1) + np.exp(theta[0])
        return squares

    def pullback(self, theta: Array, x: Array) -> tuple[Array, Pullback]:
        """Return k(x, x), `[N, N]`, and its gradient's way back."""

        def back(outer: Array) -> Array:
            return np.array([np.exp(theta[0]) * outer.sum()])

        return self(theta, x, x), back
