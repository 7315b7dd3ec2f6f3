"""First looks around, by actions held for a trajectory: random ones, or near the best known.

A policy that knows nothing does not find sparse rewards, and an encoder that sees none learns
nothing. Meta-training has dense rewards beside them: by those scouts find the goals. Afterwards
they may end every collection by showing its goal, so that the encoder learns what a whole context
says, and the policy never acts on a z that says nothing, for which it would learn to keep between
all goals.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgekit.environments.trajectories import Policy

Array = npt.NDArray[Any]
RANDOM = 0.5  # share of trajectories that look anywhere
SHOWN = 0.05  # deviation from the best action, in -1..1, of who shows it
NEAR = 0.3  # greatest deviation of others from the best action, in -1..1


class Scouts(tf.Module):  # type: ignore[misc]
    """One for each of T tasks: the action that led to its highest dense reward so far."""

    def __init__(self, tasks: int, actions: int) -> None:
        super().__init__("scouts")
        self.best = tf.Variable(tf.zeros((tasks, actions)), trainable=False)
        self.highest = tf.Variable(tf.fill((tasks,), -np.inf), trainable=False)

    def look(self, tasks: Array, rng: np.random.Generator) -> Array:
        """Return the actions that K tasks hold next to find their goals, `[K, A]`."""
        known = np.isfinite(self.highest.numpy()[tasks])
        near = self.show(tasks, rng, NEAR * rng.random((len(tasks), 1)))
        anywhere = (rng.random(len(tasks)) < RANDOM) | ~known
        drawn = rng.uniform(-1.0, 1.0, near.shape).astype(np.float32)
        return np.where(anywhere[:, None], drawn, near)

    def show(self, tasks: Array, rng: np.random.Generator, spread: Array | float = SHOWN) -> Array:
        """Return actions around the best that are known, `[K, A]`."""
        best = self.best.numpy()[tasks]
        near: Array = np.clip(best + spread * rng.standard_normal(best.shape), -1.0, 1.0)
        return near.astype(np.float32)

    def learn(self, tasks: Array, held: Array, reward: Array) -> None:
        """Remember the actions whose trajectories had a higher reward `[K, H]` than any before."""
        best, highest = self.best.numpy(), self.highest.numpy()
        reached = reward.max(axis=1)
        better = reached > highest[tasks]
        best[tasks[better]], highest[tasks[better]] = held[better], reached[better]
        self.best.assign(best)
        self.highest.assign(highest)


def hold(actions: Array) -> Policy:
    """Return the policy that takes the same actions `[K, A]` in every step."""
    return lambda s: actions
