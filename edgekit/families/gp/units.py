"""Between a table's units and those that a Gaussian process is fitted in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.families.gp.kernel import Array


@dataclass(frozen=True)
class Units:
    """(x - shift) / scale lies in -1..1 on the training data; (y - y_shift) / y_scale is standard.

    Half the range, not the standard deviation: an integer input then spends its steps evenly.
    """

    shift: Array  # [D]
    scale: Array  # [D]
    y_shift: float
    y_scale: float

    def x(self, raw: Array) -> Array:
        """Return inputs `[N, D]` as the process takes them."""
        scaled: Array = (raw - self.shift) / self.scale
        return scaled

    def y(self, raw: Array) -> Array:
        """Return observations `[N]` as the process takes them."""
        return (raw - self.y_shift) / self.y_scale


def units_of(x: Array, y: Array) -> Units:
    """Return the units of training data; a column or a target that never varies keeps its own."""
    low, high = x.min(axis=0), x.max(axis=0)
    half = (high - low) / 2.0
    scale = float(y.std())
    return Units((low + high) / 2.0, np.where(half > 0, half, 1.0), float(y.mean()), scale or 1.0)
