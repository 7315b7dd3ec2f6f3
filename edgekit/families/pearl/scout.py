"""First looks around: random actions held for a trajectory, or ones near the best that is known.

A policy that knows nothing does not find sparse rewards, and an encoder that sees none learns
nothing. Meta-training has dense rewards beside them: by those scouts find the goals, and the
context shows what looking for one and finding it is like.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgekit.environments.trajectories import Policy

Array = npt.NDArray[Any]
RANDOM = 0.5  # share of trajectories that look anywhere
NEAR = 0.3  # greatest deviation of others from the best action, in -1..1


class Scouts(tf.Module):  # type: ignore[misc]
    """One for each of T tasks: the action that led to its highest dense reward so far."""

    def __init__(self, tasks: int, actions: int) -> None:
        super().__init__("scouts")
        self.best = tf.Variable(tf.zeros((tasks, actions)), trainable=False)
        self.highest = tf.Variable(tf.fill((tasks,), -np.inf), trainable=False)

    def look(self, tasks: Array, rng: np.random.Generator) -> Array:
        """Return the actions that K tasks hold next, `[K, A]`."""
        best, known = self.best.numpy()[tasks], np.isfinite(self.highest.numpy()[tasks])
        spread = NEAR * rng.random((len(tasks), 1))
        near = np.clip(best + spread * rng.standard_normal(best.shape), -1.0, 1.0)
        anywhere = (rng.random(len(tasks)) < RANDOM) | ~known
        held = np.where(anywhere[:, None], rng.uniform(-1.0, 1.0, best.shape), near)
        return held.astype(np.float32)

    def learn(self, tasks: Array, held: Array, reward: Array) -> None:
        """Remember the actions whose trajectories had a higher reward `[K, H]` than any before."""
        best, highest = self.best.numpy(), self.highest.numpy()
        reached = reward.max(axis=1)
        better = reached > highest[tasks]
        best[tasks[better]], highest[tasks[better]] = held[better], reached[better]
        self.best.assign(best)
        self.highest.assign(highest)


def guided(policy: Policy, held: Array, heard: Array) -> Policy:
    """Return the policy, with actions `[K, A]` held for the tasks in which scouts are `heard`."""
    return lambda s: np.where(heard[:, None], held, policy(s))
