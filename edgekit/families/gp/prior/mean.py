"""Mean functions: polynomials without cross terms, whose coefficients are learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.errors import InputError
from edgekit.families.gp.prior.kernel import Array, Parameter

DEGREES = {"zero": -1, "constant": 0, "linear": 1, "quadratic": 2}


@dataclass(frozen=True)
class Mean:
    """m(x) = c + sum_d (b_d x_d + a_d x_d^2), as far as `kind` goes."""

    kind: str = "zero"

    def __post_init__(self) -> None:
        """Check the kind.

        Raises:
            InputError: there is none of that name.
        """
        if self.kind not in DEGREES:
            raise InputError(f"mean {self.kind}: unknown", expected="one of " + ", ".join(DEGREES))

    def parameters(self, dims: int) -> tuple[Parameter, ...]:
        """Return the coefficients for inputs of `dims` columns, constant first."""
        names = ["constant"] if DEGREES[self.kind] >= 0 else []
        for power in range(1, DEGREES[self.kind] + 1):
            names += [f"{('slope', 'curvature')[power - 1]}_{d}" for d in range(dims)]
        return tuple(Parameter(name, 0.0, -np.inf, np.inf, log=False) for name in names)

    def features(self, x: Array) -> Array:
        """Return the powers that the coefficients multiply, `[N, P]`."""
        degree = DEGREES[self.kind]
        powers = [x**power for power in range(1, degree + 1)]
        ones = [np.ones((len(x), 1))] if degree >= 0 else [np.empty((len(x), 0))]
        return np.hstack([*ones, *powers])

    def start(self, x: Array, y: Array) -> Array:
        """Return the coefficients of least squares, where a search begins."""
        solution: Array = np.linalg.lstsq(self.features(x), y, rcond=None)[0]
        return solution
