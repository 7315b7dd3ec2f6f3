"""The centre of paired differences by signed ranks: as true for heavy tails as for a bell curve.

On a shared machine now and then one process is slow. Student's interval widens by what that is off,
covers more than it says and hides small changes; ranks know but that it was the largest. Of two
files that take turns and are equally fast either is ahead as often as the other, and of differences
symmetric about their centre the confidence is exact (Hollander, Wolfe and Chicken, Nonparametric
Statistical Methods, sections 3.2 and 3.3: Hodges and Lehmann's estimate, and Tukey's interval).
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

NEAR = 0.01  # ranks give a few confidences alone; how far the nearest may be from what is asked for


def centre(differences: Values) -> float:
    """Return the median of the Walsh averages of `[n]`."""
    return float(np.median(_walsh(differences)))


def signed_rank_interval(differences: Values, confidence: float) -> tuple[float, float] | None:
    """Return the interval of the centre of differences `[n]`.

    It reaches from the k-th smallest to the k-th largest Walsh average, for the k that comes
    nearest to the confidence.

    Returns:
        None where n is too small to come NEAR, as below seven for 95%.
    """
    averages = np.sort(_walsh(differences))
    ways = _signed_ranks(len(differences))
    covered = 1 - 2 * np.cumsum(ways)[: len(averages) // 2] / ways.sum()
    if not len(covered) or np.abs(covered - confidence).min() > NEAR:
        return None
    k = int(np.abs(covered - confidence).argmin())
    return float(averages[k]), float(averages[-1 - k])


def _walsh(differences: Values) -> Values:
    first, second = np.triu_indices(len(differences))
    averages: Values = (differences[first] + differences[second]) / 2
    return averages


@functools.cache
def _signed_ranks(n: int) -> Values:
    """Return how many subsets of 1 ... n add up to 0, 1 ... n (n + 1) / 2."""
    ways = np.zeros(n * (n + 1) // 2 + 1)
    ways[0] = 1
    for rank in range(1, n + 1):
        ways[rank:] += ways[:-rank].copy()
    return ways
