"""Between a table's units and those that a Gaussian process is fitted in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.families.gp.inference.posterior import Prediction
from edgekit.families.gp.inference.warp import bend
from edgekit.families.gp.prior.kernel import Array


@dataclass(frozen=True)
class Units:
    """(x - shift) / scale lies in -1..1 on the training data; (y - y_shift) / y_scale is standard.

    Half the range, not the standard deviation: an integer input then spends its steps evenly. With
    a curve the process takes the standard target bent (see `warp`), and what it says of the target
    is log-normal.
    """

    shift: Array  # [D]
    scale: Array  # [D]
    y_shift: float
    y_scale: float
    curve: float | None = None  # c of a warp, in standard units

    def x(self, raw: Array) -> Array:
        """Return inputs `[N, D]` as the process takes them."""
        scaled: Array = (raw - self.shift) / self.scale
        return scaled

    def y(self, raw: Array) -> Array:
        """Return observations `[N]` as the process takes them."""
        return bend((raw - self.y_shift) / self.y_scale, self.curve)

    @property
    def above(self) -> float | None:
        """Where the log-normal distribution of the target begins; None if it is normal."""
        return None if self.curve is None else self.y_shift - self.y_scale * self.curve

    def unbent(self, told: Prediction) -> Prediction:
        """Return moments of the standard target from what the process says.

        With z normal, y + c = c exp(z / c) is log-normal. The variance of f is that of E[y | f].
        """
        c = self.curve
        if c is None:
            return told
        level = c * np.exp(told.mean / c + told.variance_y / (2.0 * c * c))
        of_f, of_y = (level**2 * np.expm1(v / c**2) for v in (told.variance_f, told.variance_y))
        return Prediction(level - c, of_f, of_y)

    def told(self, told: Prediction) -> Prediction:
        """Return moments of the target in the table's units from what the process says."""
        found, square = self.unbent(told), self.y_scale**2
        return Prediction(found.mean * self.y_scale + self.y_shift, found.variance_f * square,
                          found.variance_y * square)  # fmt: skip


def units_of(x: Array, y: Array) -> Units:
    """Return the units of training data; a column or a target that never varies keeps its own."""
    low, high = x.min(axis=0), x.max(axis=0)
    half = (high - low) / 2.0
    scale = float(y.std())
    return Units((low + high) / 2.0, np.where(half > 0, half, 1.0), float(y.mean()), scale or 1.0)
