"""How sure a figure over examples is: 95% intervals, and the area under an ROC curve with its own.

NumPy only.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Z95 = 1.959963984540054  # the normal distribution's 97.5% point
RESAMPLES = 1000  # of the bootstrap

Interval = tuple[float, float]


def wilson_interval(hits: int, n: int, z: float = Z95) -> Interval:
    """Return the score interval of a share (Wilson 1927, JASA 22:209), 95% by default."""
    share = hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At the ends the formula meets 0 and 1, and rounding would miss them.
    return (0.0 if hits == 0 else centre - reach, 1.0 if hits == n else centre + reach)


def bootstrap_mean(values: npt.NDArray[Any]) -> Interval:
    """Return the 95% interval of the mean of `[N]`, by the percentile bootstrap."""
    rng = np.random.default_rng(0)
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(RESAMPLES)]
    return percentiles(means)


def percentiles(values: Any) -> Interval:
    """Return the central 95% of what was resampled."""
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def area_under_curve(values: npt.NDArray[Any], truths: npt.NDArray[Any]) -> float:
    """Return the probability that a true example has the larger value; ties count half."""
    return float(_placements(values, np.asarray(truths, bool))[0].mean())


def area_interval(values: npt.NDArray[Any], truths: npt.NDArray[Any]) -> Interval:
    """Return the 95% interval of the area (DeLong et al. 1988, Biometrics 44:837, eqs. 4 and 5).

    A side with one example alone has no variance to tell: the interval is then 0 to 1.
    """
    sides = _placements(values, np.asarray(truths, bool))
    area = float(sides[0].mean())
    if min(map(len, sides)) < 2:
        return 0.0, 1.0
    reach = Z95 * math.sqrt(sum(float(side.var(ddof=1)) / len(side) for side in sides))
    return max(0.0, area - reach), min(1.0, area + reach)


def _placements(
    values: npt.NDArray[Any], truths: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return for each true example the share of false ones below it, and the other way round."""
    ranks = _midranks(values)
    true, false = ranks[truths], ranks[~truths]
    below = (true - _midranks(values[truths])) / len(false)
    above = 1 - (false - _midranks(values[~truths])) / len(true)
    return below, above


def _midranks(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return each value's rank from 1; equal ones share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: npt.NDArray[np.float64] = (counts.cumsum() - (counts - 1) / 2)[inverse.ravel()]
    return ranks
