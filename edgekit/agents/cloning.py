"""Behaviour cloning: the policy's mean action is fitted to the batch's, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras as keras

from edgekit.agents.networks import build_policy, descend


class BehaviourCloning(tf.Module):  # type: ignore[misc]
    """An agent; actions are in -1..1."""

    REPORTS = ("error",)
    samples = 1

    def __init__(
        self, observations: int, actions: int, hidden: Sequence[int], *, learning_rate: float = 1e-3
    ) -> None:
        super().__init__("bc")
        self.policy = build_policy(observations, actions, hidden)
        # The deviation that a policy has beside its mean is not trained.
        self.trained = [v for v in self.policy.trainable_variables if "log_std" not in v.name]
        self.optimizers = {"policy": keras.optimizers.Adam(learning_rate)}
        self.optimizers["policy"].build(self.trained)

    def draw(self, rows: int, seed: Any) -> tuple[Any, ...]:
        """Return nothing: no chance plays but in the choice of rows."""
        return ()

    def update(self, batch: Any, seed: Any = None) -> dict[str, Any]:
        """Take a step down the mean squared error of the actions."""
        s, a, *_ = batch
        with tf.GradientTape() as tape:
            error = tf.reduce_mean((tf.tanh(self.policy(s)[0]) - a) ** 2)
        descend(self.optimizers["policy"], tape, error, self.trained)
        return {"error": error}

    def choose(self, s: Any, noise: Any) -> Any:
        """Return the mean action, `[N, A]`."""
        return tf.tanh(self.policy(s)[0])
