"""An agent at play, in an environment's own units."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from edgekit.agents import Agent, Array, Scaling
from edgekit.environments.episodes import Act

Choose = Any  # compiled: (observations [N, O], seed [2]) -> actions [N, A], all in outer units


def compile_choice(agent: Agent, scaling: Scaling) -> Choose:
    """Return the compiled function from observations `[N, O]` and a seed `[2]` to actions."""
    mean, std, limit = (tf.constant(x) for x in (scaling.mean, scaling.std, scaling.limit))

    @tf.function(autograph=False, reduce_retracing=True)  # type: ignore[untyped-decorator]
    def choose(observations: Any, seed: Any) -> Any:
        shape = (tf.shape(observations)[0], agent.samples, len(scaling.limit))
        noise = tf.ensure_shape(tf.random.stateless_normal(shape, seed),
                                (None, agent.samples, len(scaling.limit)))  # fmt: skip
        return agent.choose((observations - mean) / std, noise) * limit

    return choose


def actor(choose: Choose, seed: int) -> Act:
    """Return who acts by `choose`; each step has noise of its own, the same in the next run."""
    steps = iter(range(2**31))

    def act(observations: Array) -> Array:
        actions: Array = choose(tf.constant(observations), tf.constant([seed, next(steps)])).numpy()
        return np.asarray(actions, np.float32)

    return act
