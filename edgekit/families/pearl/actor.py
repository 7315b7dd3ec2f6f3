"""What acts and infers (section 4): encoder and policy, all that a device needs of an agent."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from edgekit.agents.networks import LOG_STD, build_policy, log_density
from edgekit.families.pearl import Config
from edgekit.families.pearl.encoder import build_encoder, draw


class Actor(tf.Module):  # type: ignore[misc]
    """Encoder and policy; actions are in -1..1."""

    def __init__(self, observations: int, actions: int, config: Config) -> None:
        super().__init__("actor")
        c = self.config = config
        self.observations, self.actions = observations, actions
        self.context_width = observations + actions + 1 + observations * c.next_state
        self.encoder = build_encoder(self.context_width, c.latent, c.encoder_units, c.factors)
        self.policy = build_policy(observations + c.latent, actions, c.hidden_units)

    def fuse(self, precision: Any, weighted: Any, noise: Any) -> Any:
        """Return z `[M, Z]`, given the sums of natural parameters `[M, Z]` over a context.

        Sums of zero, where nothing is known, give the prior's: the noise, or 0 for embeddings.
        """
        return draw(precision, weighted, noise, self.config.factors)

    def sample(self, x: Any, noise: Any) -> tuple[Any, Any, Any, Any]:
        """Return pre-tanh actions, their log density, mean and log std in states beside z."""
        mean, log_std = self.policy(x)
        log_std = tf.clip_by_value(log_std, *LOG_STD)
        raw = mean + tf.exp(log_std) * noise
        return raw, log_density(mean, log_std, noise), mean, log_std
