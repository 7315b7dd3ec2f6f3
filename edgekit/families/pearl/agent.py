"""PEARL's agent (arXiv:1903.08254, algorithm 1): soft actor-critic that sees z beside the state."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras as keras

from edgekit.agents.networks import (
    build_critics,
    clone,
    descend,
    follow,
)
from edgekit.agents.sac import critic_loss, policy_loss, soft_target, temperature_loss
from edgekit.families.pearl import Config
from edgekit.families.pearl.actor import Actor
from edgekit.families.pearl.encoder import (
    add_up,
    encode,
    kl_between,
    kl_divergence,
    posterior,
)


def value_loss(value: Any, values: Any, log_pi: Any, temperature: Any) -> Any:
    """Return the mean of (V - (min Q - alpha log pi))^2, `[N]`, `[E, N]` and `[N]` to a scalar."""
    target = tf.reduce_min(values, axis=0) - temperature * log_pi
    return tf.reduce_mean((value - tf.stop_gradient(target)) ** 2)


def penalty(mean: Any, log_std: Any, weight: float) -> Any:
    """Return the weight times mean of mean^2 plus mean of log std^2 of the policy, `[N, A]`."""
    return weight * (tf.reduce_mean(mean**2) + tf.reduce_mean(log_std**2))


class Pearl(Actor):
    """An agent; actions are in -1..1."""

    REPORTS = ("critics", "kl", "prefix", "policy", "temperature")

    def __init__(self, observations: int, actions: int, config: Config) -> None:
        super().__init__(observations, actions, config)
        c, seen = config, observations + config.latent
        self.critics = build_critics(seen + actions, c.hidden_units, 2)
        self.value = (
            build_critics(seen, c.hidden_units, 1, "value") if c.value == "network" else None
        )
        self.targets = clone(self.value or self.critics)
        start = 1.0 if c.temperature is None else c.temperature
        self.log_temperature = tf.Variable(tf.math.log(start), name="log_temperature")
        # Adam keeps its moments by weight: one of them for critics and encoder is as good as three.
        self.trained = {
            "critics": [*self.critics.trainable_variables, *self.encoder.trainable_variables],
            "policy": self.policy.trainable_variables,
        }
        if self.value is not None:
            self.trained["value"] = self.value.trainable_variables
        if c.temperature is None:
            self.trained["temperature"] = [self.log_temperature]
        rate = (
            keras.optimizers.schedules.CosineDecay(c.learning_rate, c.decay)
            if c.decay
            else (c.learning_rate)
        )
        self.optimizers = {
            name: keras.optimizers.Adam(rate, global_clipnorm=c.clip) for name in self.trained
        }
        for name, optimizer in self.optimizers.items():
            optimizer.build(self.trained[name])

    def update(self, batch: Any, seed: Any) -> dict[str, Any]:
        """Take one step of each optimizer; return the losses.

        Args:
            batch: s `[M, B, O]`, a `[M, B, A]`, r `[M, B]`, following, ended of M tasks; then their
                context `[M, C, W]`, what of it z is inferred from and what of that was first, each
                `[M, C]` of 1 and 0.
            seed: of the noise, `[2]`.
        """
        m, b = batch[0].shape[:2]
        shapes = ((m, self.config.latent), (m * b, self.actions), (m * b, self.actions))
        return self.update_with(batch, tuple(
            tf.random.stateless_normal(shape, seed + (number << 20))
            for number, shape in enumerate(shapes)
        ))  # fmt: skip

    def update_with(self, batch: Any, noise: Any) -> dict[str, Any]:
        """Take the same step with given noise: of z `[M, Z]`, actions and next ones `[M B, A]`."""
        c, (*steps, context, seen, first) = self.config, batch
        s, a, r, following, ended = (tf.reshape(x, (-1, *x.shape[2:])) for x in steps)
        temperature = tf.exp(self.log_temperature)
        with tf.GradientTape() as tape:
            z, kl, gap = self.infer(context, seen, first, noise[0])
            z = tf.repeat(z, steps[0].shape[1], axis=0)
            fixed = tf.stop_gradient(z)
            target = soft_target(
                c.reward_scale * r, ended, self._next_value(following, fixed, noise[2]), c.discount
            )
            of_critics = critic_loss(
                self.critics(tf.concat([s, a, z], -1)), tf.stop_gradient(target)
            )
            free = c.free_nats * context.shape[0]
            bottleneck = c.kl_weight * tf.maximum(kl, free) + c.prefix_weight * gap
            loss = of_critics + bottleneck
        self._descend("critics", tape, loss)
        x = tf.concat([s, fixed], -1)
        with tf.GradientTape() as tape:
            raw, log_pi, mean, log_std = self.sample(x, noise[1])
            values = self.critics(tf.concat([s, tf.tanh(raw), fixed], -1))
            of_policy = policy_loss(log_pi, values, temperature)
            loss = of_policy + penalty(mean, log_std, c.penalty)
        self._descend("policy", tape, loss)
        if self.value is not None:
            with tf.GradientTape() as tape:
                loss = value_loss(self.value(x)[0], values, log_pi, temperature)
            self._descend("value", tape, loss)
        if c.temperature is None:
            with tf.GradientTape() as tape:
                loss = temperature_loss(self.log_temperature, log_pi, -float(self.actions))
            self._descend("temperature", tape, loss)
        follow(self.targets, self.value or self.critics, c.tau)
        tasks = context.shape[0]
        return {"critics": of_critics, "kl": kl / tasks, "prefix": gap / tasks,
                "policy": of_policy, "temperature": temperature}  # fmt: skip

    def infer(self, context: Any, seen: Any, first: Any, noise: Any) -> tuple[Any, Any, Any]:
        """Return z `[M, Z]`, and KL of its posterior from the prior and from that of the `first`.

        Both are summed. The second teaches the posterior of the first transitions alone.
        """
        c, factors = self.config, encode(self.encoder, context)
        sums = add_up(factors, seen)
        z = self.fuse(*sums, noise)
        if c.factors == "embedding":
            return z, tf.constant(0.0), tf.constant(0.0)
        mean, variance = posterior(*sums, c.factors)
        gap = tf.constant(0.0)
        if c.prefix_weight:
            known = tf.stop_gradient(mean), tf.stop_gradient(variance)
            gap = kl_between(*known, *posterior(*add_up(factors, first), c.factors))
        return z, kl_divergence(mean, variance), gap

    def _next_value(self, following: Any, z: Any, noise: Any) -> Any:
        x = tf.concat([following, z], -1)
        if self.value is not None:
            return self.targets(x)[0]
        raw, log_pi, _, _ = self.sample(x, noise)
        values = self.targets(tf.concat([following, tf.tanh(raw), z], -1))
        return tf.reduce_min(values, axis=0) - tf.exp(self.log_temperature) * log_pi

    def _descend(self, name: str, tape: Any, loss: Any) -> None:
        descend(self.optimizers[name], tape, loss, self.trained[name])
