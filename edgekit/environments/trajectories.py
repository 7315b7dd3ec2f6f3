"""One horizon of many tasks side by side, with all that an agent learns from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgekit.environments import Array, Environment

Sparse = Callable[[Array], Array]
Policy = Callable[[Array], Array]  # states [K, O] to actions [K, A] in -1..1


@dataclass(frozen=True, eq=False)
class Trajectories:
    """One horizon of K tasks, `[K, H, ...]`; where one ended before, another has begun in it."""

    s: Array
    a: Array  # in -1..1
    r: Array
    following: Array
    ended: Array
    sparse: Array | None  # rewards, where the family has sparse ones

    def transitions(self) -> tuple[Array, ...]:
        """Return what the critics learn from."""
        return self.s, self.a, self.r, self.following, self.ended

    def context(self, *, sparse: bool, next_state: bool) -> Array:
        """Return what the encoder sees, `[K, H, W]`."""
        reward = self.sparse if sparse else self.r
        if reward is None:
            raise ValueError("these tasks have no sparse rewards")
        parts = [self.s, self.a, reward[..., None]] + [self.following] * next_state
        return np.concatenate(parts, axis=-1)


def play(environment: Environment, policy: Policy, sparse: Sparse | None = None) -> Trajectories:
    """Play one horizon of every task from a new beginning.

    Args:
        environment: of K tasks.
        policy: for them.
        sparse: states that followed, `[K, O]`, to sparse rewards.
    """
    s = environment.reset()
    rows = []
    for _ in range(environment.horizon):
        a = policy(s)
        step = environment.step(a * environment.limit)
        rare = sparse(step.following) if sparse else step.reward
        rows.append((s, a, step.reward, step.following, step.ended.astype(np.float32), rare))
        s = step.observation
    s, a, r, following, ended, rare = (np.stack(c, axis=1) for c in zip(*rows, strict=True))
    return Trajectories(s, a, r, following, ended, rare if sparse else None)
