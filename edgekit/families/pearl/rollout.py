"""Trajectories of many tasks side by side, with the task inferred as they go on (section 4.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgekit.environments.trajectories import Policy, Trajectories
from edgekit.families.pearl.actor import Actor
from edgekit.families.pearl.encoder import add_up, encode
from edgekit.play.spread import Spread

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Belief:
    """What is known of K tasks: sums of natural parameters over the transitions so far."""

    precision: Array  # [K, Z]
    weighted: Array  # [K, Z]


def unknown(tasks: int, latent: int) -> Belief:
    """Return the belief before any transition."""
    return Belief(np.zeros((tasks, latent), np.float32), np.zeros((tasks, latent), np.float32))


class Players:
    """An agent's compiled functions for K tasks at a time, and the generator of their noise."""

    def __init__(self, agent: Actor, *, sparse: bool, rng: np.random.Generator) -> None:
        self.agent, self.sparse, self.rng = agent, sparse, rng
        # One graph for any number of tasks: those that TensorFlow makes for each number differ in
        # the last bit, and a resumed run meets other numbers than one that was not interrupted.
        act = [tf.TensorSpec((None, n)) for n in (agent.observations, agent.config.latent,
                                                  agent.actions)]  # fmt: skip
        self._act = tf.function(self._action, input_signature=act, autograph=False)
        seen = [tf.TensorSpec((None, None, agent.context_width))]
        self._encode = tf.function(self._sums, input_signature=seen, autograph=False)

    def prior(self, tasks: int) -> Array:
        """Return z `[K, Z]` before any transition."""
        return self.posterior(unknown(tasks, self.agent.config.latent))

    def posterior(self, belief: Belief, noise: Array | None = None) -> Array:
        """Return z `[K, Z]` drawn from what is believed, by that noise or by some of its own."""
        if noise is None:
            noise = self._normal(*belief.precision.shape)
        return np.asarray(self.agent.fuse(belief.precision, belief.weighted, noise))

    def see(self, belief: Belief, episodes: Trajectories) -> Belief:
        """Return the belief with the episodes added."""
        context = episodes.context(sparse=self.sparse, next_state=self.agent.config.next_state)
        precision, weighted = (np.asarray(x) for x in self._encode(context.astype(np.float32)))
        return Belief(belief.precision + precision, belief.weighted + weighted)

    def policy(self, z: Array, *, stochastic: bool) -> Policy:
        """Return the policy of K tasks whose latents are z `[K, Z]`."""
        z = z.astype(np.float32)

        def act(s: Array) -> Array:
            noise = self._normal(len(s), self.agent.actions) * stochastic
            return np.asarray(self._act(s, z, noise))

        return act

    def noise(self, tasks: int, *, spread: bool) -> Callable[[], Array]:
        """Return what draws noise `[K, Z]` of latents, by turns evenly spread or independent."""
        latent = self.agent.config.latent
        return Spread(tasks, latent, self.rng).draw if spread else partial(
            self._normal, tasks, latent
        )  # fmt: skip

    def _normal(self, *shape: int) -> Array:
        return self.rng.standard_normal(shape).astype(np.float32)

    def _action(self, s: Any, z: Any, noise: Any) -> Any:
        return tf.tanh(self.agent.sample(tf.concat([s, z], -1), noise)[0])

    def _sums(self, context: Any) -> Any:
        return add_up(encode(self.agent.encoder, context), tf.ones(tf.shape(context)[:2]))


class Replayed(Players):
    """Players whose z is drawn by given noise, and kept: to compare with a device's."""

    def __init__(self, agent: Actor, noise: Array, *, sparse: bool = False) -> None:
        """Take the noise of T trajectories of K tasks, `[T, K, Z]`."""
        super().__init__(agent, sparse=sparse, rng=np.random.default_rng(0))
        self._noise = iter(noise.astype(np.float32))
        self.latents: list[Array] = []  # of each trajectory, [K, Z]

    def noise(self, tasks: int, *, spread: bool) -> Callable[[], Array]:
        """Return what gives the noise of the next trajectory."""
        return partial(next, self._noise)

    def posterior(self, belief: Belief, noise: Array | None = None) -> Array:
        """Return z `[K, Z]` by that noise."""
        z = super().posterior(belief, noise)
        self.latents.append(z)
        return z
