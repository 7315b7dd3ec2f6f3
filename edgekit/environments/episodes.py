"""Whole episodes: who acts in what is seen, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgekit.environments import Array, Environment

Act = Callable[[Array], Array]  # [N, O] observations -> [N, A] actions in the environment's units


@dataclass(frozen=True, eq=False)
class Episodes:
    """One episode of each of N environments."""

    returns: Array  # [N]: sums of rewards
    lengths: Array  # [N] steps
    observations: Array  # [T, N, O]: what was acted on; NaN behind an episode's end
    actions: Array  # [T, N, A], likewise
    rewards: Array  # [T, N], likewise

    def __len__(self) -> int:
        return len(self.returns)


def play(environment: Environment, act: Act) -> Episodes:
    """Begin anew and play each of the N environments until its first episode is over."""
    observation = environment.reset()
    going = np.ones(environment.count, bool)
    seen, done, earned = [], [], []
    while going.any():
        actions = np.asarray(act(observation), np.float32)
        step = environment.step(actions)
        seen.append(_only(going, observation))
        done.append(_only(going, actions))
        earned.append(_only(going, step.reward))
        going = going & ~step.over
        observation = step.observation
    rewards = np.stack(earned)
    return Episodes(
        np.nansum(rewards, axis=0), (~np.isnan(rewards)).sum(axis=0), np.stack(seen),
        np.stack(done), rewards,
    )  # fmt: skip


def act_at_random(environment: Environment, seed: int) -> Act:
    """Return who takes any action within the limits, all alike."""
    rng = np.random.default_rng(seed)
    shape = (environment.count, environment.actions)
    return lambda _: rng.uniform(-1, 1, shape).astype(np.float32) * environment.limit


def _only(going: Array, values: Array) -> Array:
    """Return a copy with NaN where the episode is over."""
    kept = np.array(values, np.float32)
    kept[~going] = np.nan
    return kept
