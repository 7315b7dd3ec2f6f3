"""What agents of every family share: networks, soft actor-critic, replay, compiled updates.

Agents see observations normalised and act in -1..1; `Scaling` leads to the environment's units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
_LEAST_STD = 1e-3  # of an observation: one that does not change is left as it is


class Agent(Protocol):
    """A learner; a tf.Module that holds networks and optimizers."""

    REPORTS: tuple[str, ...]  # what an update tells
    samples: int  # actions that it chooses among
    optimizers: Mapping[str, Any]

    def draw(self, rows: int, seed: Any) -> tuple[Any, ...]:
        """Return the noise of updates on that many rows of a batch, `[rows, ...]` each."""
        ...

    def update(self, batch: Any, seed: Any) -> dict[str, Any]:
        """Take one step of each optimizer on columns s, a, r, following, ended and the noise."""
        ...

    def choose(self, s: Any, noise: Any) -> Any:
        """Return the actions to take, `[N, A]`, by standard normal noise `[N, samples, A]`."""
        ...


@dataclass(frozen=True, eq=False)
class Scaling:
    """Between an environment's units and an agent's."""

    mean: Array  # [O] of observations
    std: Array  # [O]
    limit: Array  # [A]: an action of 1

    @classmethod
    def of(cls, observations: Array, limit: Array, *, normalise: bool = True) -> Scaling:
        """Return the scaling by the statistics of `[N, O]` observations."""
        if not normalise:
            width = observations.shape[1]
            return cls(np.zeros(width, np.float32), np.ones(width, np.float32), limit)
        std = observations.std(axis=0)
        constant = std < _LEAST_STD
        return cls(
            np.where(constant, 0, observations.mean(axis=0)).astype(np.float32),
            np.where(constant, 1, std).astype(np.float32), np.asarray(limit, np.float32),
        )  # fmt: skip

    def normalise(self, observations: Array) -> Array:
        """Return observations as the agent sees them."""
        scaled: Array = ((observations - self.mean) / self.std).astype(np.float32)
        return scaled
