"""Soft actor-critic with twin critics and a learned temperature (Haarnoja, arXiv:1812.05905)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras as keras

from edgekit.agents.networks import act, build_critics, build_policy, clone, descend, follow


def soft_target(reward: Any, ended: Any, value: Any, discount: float) -> Any:
    """Return r + gamma (1 - d) V, `[N]` (arXiv:1812.05905, equation 2)."""
    return reward + discount * (1.0 - ended) * value


def critic_loss(values: Any, target: Any) -> Any:
    """Return the sum over members of the mean squared error: `[E, N]` against `[N]`."""
    return tf.reduce_sum(tf.reduce_mean((values - target) ** 2, axis=1))


def policy_loss(log_density: Any, values: Any, temperature: Any) -> Any:
    """Return the mean of alpha log pi - min Q (equation 7): `[N]` and `[E, N]` to a scalar."""
    return tf.reduce_mean(temperature * log_density - tf.reduce_min(values, axis=0))


def temperature_loss(log_temperature: Any, log_density: Any, target_entropy: float) -> Any:
    """Return -log alpha times the mean of log pi + target, whose root is the target entropy."""
    return -log_temperature * tf.reduce_mean(tf.stop_gradient(log_density) + target_entropy)


class SoftActorCritic(tf.Module):  # type: ignore[misc]
    """An agent; actions are in -1..1."""

    REPORTS = ("critics", "policy", "temperature")
    samples = 1

    def __init__(
        self, observations: int, actions: int, hidden: Sequence[int], *,
        learning_rate: float = 1e-3, discount: float = 0.99, tau: float = 0.005,
    ) -> None:  # fmt: skip
        super().__init__("sac")
        self.actions, self.discount, self.tau = actions, discount, tau
        self.policy = build_policy(observations, actions, hidden)
        self.critics = build_critics(observations + actions, hidden, 2)
        self.targets = clone(self.critics)
        self.log_temperature = tf.Variable(0.0, name="log_temperature")
        self.optimizers = {
            name: keras.optimizers.Adam(learning_rate)
            for name in ("policy", "critics", "temperature")
        }
        self.optimizers["policy"].build(self.policy.trainable_variables)
        self.optimizers["critics"].build(self.critics.trainable_variables)
        self.optimizers["temperature"].build([self.log_temperature])

    def draw(self, rows: int, seed: Any) -> tuple[Any, ...]:
        """Return the noise of the next state's actions and of this one's, `[rows, A]` each."""
        noise = tf.random.stateless_normal((2, rows, self.actions), seed)
        return noise[0], noise[1]

    def update(self, batch: Any, seed: Any = None) -> dict[str, Any]:
        """Take one step of each optimizer on transitions with noise; return the losses."""
        s, a, r, following, ended, *noise = batch
        temperature = tf.exp(self.log_temperature)
        raw, log_next = act(self.policy, following, noise[0])
        values = self.targets(tf.concat([following, tf.tanh(raw)], -1))
        value = tf.reduce_min(values, axis=0) - temperature * log_next
        target = soft_target(r, ended, value, self.discount)
        with tf.GradientTape() as tape:
            of_critics = critic_loss(self.critics(tf.concat([s, a], -1)), target)
        descend(self.optimizers["critics"], tape, of_critics, self.critics.trainable_variables)
        with tf.GradientTape() as tape:
            raw, log_now = act(self.policy, s, noise[1])
            values = self.critics(tf.concat([s, tf.tanh(raw)], -1))
            of_policy = policy_loss(log_now, values, temperature)
        descend(self.optimizers["policy"], tape, of_policy, self.policy.trainable_variables)
        with tf.GradientTape() as tape:
            entropy = temperature_loss(self.log_temperature, log_now, -float(self.actions))
        descend(self.optimizers["temperature"], tape, entropy, [self.log_temperature])
        follow(self.targets, self.critics, self.tau)
        return {"critics": of_critics, "policy": of_policy, "temperature": temperature}

    def choose(self, s: Any, noise: Any) -> Any:
        """Return the mean action, `[N, A]`."""
        return tf.tanh(self.policy(s)[0])
