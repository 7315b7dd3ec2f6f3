"""Noise that misses nothing for long: latents of successive trajectories, evenly spread.

Independent draws from the posterior look in one place twice while others are left out. A sequence
of low discrepancy from a random start (Cranley and Patterson, SIAM J. Numer. Anal. 13, 1976) has
the same distribution in each of its draws, and fills the latents' space with few of them.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
# The golden ratio, of all steps the furthest from a period, in each dimension alone: tasks often
# vary along one of them. (Steps that are even in all together, as .755 and .570 in two, return
# after four draws to the same place of the first.)
STEP = (5**0.5 - 1) / 2
EDGE = 1e-6  # quantiles keep so far from 0 and 1

_quantile = np.vectorize(NormalDist().inv_cdf)


class Spread:
    """Standard normal noise of K tasks, `[K, Z]` a draw."""

    def __init__(self, tasks: int, latent: int, rng: np.random.Generator) -> None:
        self._at = rng.random((tasks, latent))

    def draw(self) -> Array:
        """Return the next: quantiles of an additive recurrence in every dimension."""
        self._at = (self._at + STEP) % 1.0
        noise: Array = _quantile(np.clip(self._at, EDGE, 1.0 - EDGE))
        return noise.astype(np.float32)
