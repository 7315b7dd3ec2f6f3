"""BEAR (Kumar et al., arXiv:1906.00949): values maximized where the batch has seen actions."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras as keras

from edgekit.agents.networks import act, build_critics, build_policy, clone, descend, follow
from edgekit.agents.sac import critic_loss, soft_target
from edgekit.families.bear import Config
from edgekit.families.bear.mmd import mmd, spread
from edgekit.families.bear.vae import build_decoder, build_encoder, imitate, reconstruct, vae_loss

LOG_ALPHA = (-5.0, 10.0)


def mixed_minimum(values: Any, share: float) -> Any:
    """Return share times the least plus (1 - share) times the greatest of members' values.

    `[E, ...]` to `[...]`; share is .75 (section 5, "practical algorithm"; BCQ's equation 8).
    """
    return share * tf.reduce_min(values, axis=0) + (1 - share) * tf.reduce_max(values, axis=0)


def actor_loss(values: Any, divergence: Any, log_alpha: Any, warm: Any, spread: float) -> Any:
    """Return the mean of -Q + alpha MMD, `[E, N]` and `[N]`; while not `warm`, of alpha MMD alone.

    Q is the least of the members' values, less `spread` of their standard deviation.
    """
    q = tf.reduce_min(values, axis=0)
    if spread:
        q -= spread * tf.math.reduce_std(values, axis=0)
    weighted = tf.stop_gradient(tf.exp(log_alpha)) * divergence
    return tf.reduce_mean(weighted - tf.cast(warm, tf.float32) * q)


def dual_loss(log_alpha: Any, divergence: Any, epsilon: float) -> Any:
    """Return -alpha (mean MMD - epsilon): alpha grows while the divergence is above epsilon."""
    return -tf.exp(log_alpha) * (tf.reduce_mean(tf.stop_gradient(divergence)) - epsilon)


class Bear(tf.Module):  # type: ignore[misc]
    """An agent; actions are in -1..1."""

    REPORTS = ("vae", "critics", "actor", "mmd", "alpha")

    def __init__(self, observations: int, actions: int, config: Config) -> None:
        super().__init__("bear")
        c = self.config = config
        self.actions, self.samples = actions, c.act_samples
        self.policy = build_policy(observations, actions, c.hidden_units)
        self.critics = build_critics(observations + actions, c.hidden_units, c.critics)
        self.policy_target, self.targets = clone(self.policy), clone(self.critics)
        self.encoder = build_encoder(observations, actions, c.vae_units)
        self.decoder = build_decoder(observations, actions, c.vae_units)
        self.log_alpha = tf.Variable(0.0, name="log_alpha")
        self.updates = tf.Variable(0, dtype=tf.int32, trainable=False, name="updates")
        self.trained = {
            "vae": [*self.encoder.trainable_variables, *self.decoder.trainable_variables],
            "critics": self.critics.trainable_variables,
            "policy": self.policy.trainable_variables,
            "alpha": [self.log_alpha],
        }
        rates = {"vae": c.vae_rate, "critics": c.critic_rate, "policy": c.actor_rate,
                 "alpha": c.alpha_rate}  # fmt: skip
        self.optimizers = {name: keras.optimizers.Adam(rate) for name, rate in rates.items()}
        for name, optimizer in self.optimizers.items():
            optimizer.build(self.trained[name])

    def draw(self, rows: int, seed: Any) -> tuple[Any, ...]:
        """Return the noise of updates: VAE, target actions, behaviour's, actor's."""
        c, a = self.config, self.actions
        shapes = ((2 * a,), (c.target_samples, a), (c.samples, 2 * a), (c.samples, a))
        return tuple(
            tf.random.stateless_normal((rows, *shape), seed + (number << 20))
            for number, shape in enumerate(shapes)
        )

    def update(self, batch: Any, seed: Any = None) -> dict[str, Any]:
        """Take one step of each optimizer on transitions with noise; return what to report."""
        s, a, r, following, ended, *noise = batch
        with tf.GradientTape() as tape:
            of_vae = vae_loss(a, *reconstruct(self.encoder, self.decoder, s, a, noise[0]))
        descend(self.optimizers["vae"], tape, of_vae, self.trained["vae"])
        target = self._target(r, following, ended, noise[1])
        with tf.GradientTape() as tape:
            of_critics = critic_loss(self.critics(tf.concat([s, a], -1)), target)
        descend(self.optimizers["critics"], tape, of_critics, self.trained["critics"])
        warm = self.updates >= self.config.warm_up
        with tf.GradientTape() as tape:
            of_actor, divergence = self.actor_loss(s, noise[2], noise[3], warm)
        descend(self.optimizers["policy"], tape, of_actor, self.trained["policy"])
        with tf.GradientTape() as tape:
            dual = dual_loss(self.log_alpha, divergence, self.config.epsilon)
        descend(self.optimizers["alpha"], tape, dual, self.trained["alpha"])
        self.log_alpha.assign(tf.clip_by_value(self.log_alpha, *LOG_ALPHA))
        follow(self.targets, self.critics, self.config.tau)
        follow(self.policy_target, self.policy, self.config.tau)
        self.updates.assign_add(1)
        return {"vae": of_vae, "critics": of_critics, "actor": of_actor,
                "mmd": tf.reduce_mean(divergence), "alpha": tf.exp(self.log_alpha)}  # fmt: skip

    def actor_loss(self, s: Any, latent: Any, noise: Any, warm: Any) -> tuple[Any, Any]:
        """Return the actor's loss, and the MMD `[N]` of its actions from the behaviour's."""
        behaviour = tf.stop_gradient(imitate(self.decoder, s, latent))
        raw, _ = act(self.policy, s, noise)
        c = self.config
        sigma = c.sigma * spread(behaviour, c.kernel) if c.relative else c.sigma
        divergence = mmd(behaviour, raw, c.kernel, sigma, unbiased=c.unbiased)
        values = self.critics(tf.concat([s, tf.tanh(raw[:, 0])], -1))
        return (
            actor_loss(values, divergence, self.log_alpha, warm, c.spread),
            divergence,
        )

    def _target(self, r: Any, following: Any, ended: Any, noise: Any) -> Any:
        """Return r + gamma of the best of the target actor's actions in the next state, `[N]`."""
        k = self.config.target_samples
        raw, _ = act(self.policy_target, following, noise)
        value = self._values(self.targets, following, tf.tanh(raw), k)
        best = tf.reduce_max(mixed_minimum(value, self.config.minimum_share), axis=1)
        return soft_target(r, ended, best, self.config.discount)

    def choose(self, s: Any, noise: Any) -> Any:
        """Return the action of K sampled ones that the first critic values most, `[N, A]`."""
        actions = tf.tanh(act(self.policy, s, noise)[0])
        values = self._values(self.critics, s, actions, noise.shape[1])[0]
        return tf.gather(actions, tf.argmax(values, axis=1), batch_dims=1)

    def _values(self, critics: Any, s: Any, actions: Any, k: int) -> Any:
        """Return the members' values of K actions in each state, `[E, N, K]`."""
        repeated = tf.tile(s[:, None], (1, k, 1))
        pairs = tf.concat([repeated, actions], -1)
        flat = critics(tf.reshape(pairs, (-1, pairs.shape[-1])))
        return tf.reshape(flat, (self.config.critics, -1, k))
