"""PEARL on a device: three functions, by which a phone infers the task from what it lives through.

`encode` says what transitions tell, `fuse` draws z from their sum, `act` acts. The sum is the
caller's, in float32 whatever the weights are, and of fixed size. Noise is an input, so that two
runtimes can be compared bit by bit. States and actions are in the environment's own units.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgekit.families.pearl.actor import Actor

Array = npt.NDArray[Any]


class OnDevice(tf.Module):  # type: ignore[misc]
    """An actor's encode, fuse and act, for N transitions or states at once."""

    def __init__(self, actor: Actor, limit: Array) -> None:
        """Take the actor; actions lie within -limit..limit `[A]`."""
        super().__init__("pearl_on_device")
        self.actor = actor
        self.limit = tf.constant(np.asarray(limit, np.float32))

    def encode(self, s: Any, a: Any, r: Any, following: Any = None) -> dict[str, Any]:
        """Return natural parameters of transitions, `[N, Z]` each.

        Args:
            s: states, `[N, O]`.
            a: actions, `[N, A]`.
            r: rewards, `[N, 1]`.
            following: `[N, O]`, for an encoder that sees them.
        """
        parts = [s, a / self.limit, r] + ([following] if self.actor.config.next_state else [])
        precision, weighted = self.actor.encoder(tf.concat(parts, -1))
        return {"precision": tf.cast(precision, tf.float32),
                "precision_mean": tf.cast(weighted, tf.float32)}  # fmt: skip

    def fuse(self, precision: Any, precision_mean: Any, noise: Any) -> dict[str, Any]:
        """Return z `[N, Z]`, given sums over all transitions so far and normal noise.

        Sums of zero, where nothing is known, give the prior's.
        """
        return {"z": self.actor.fuse(precision, precision_mean, noise)}

    def act(self, s: Any, z: Any) -> dict[str, Any]:
        """Return the mean action `[N, A]` in states `[N, O]`, given z `[N, Z]`."""
        mean, _ = self.actor.policy(tf.concat([s, z], -1))
        return {"action": tf.tanh(mean) * self.limit}
