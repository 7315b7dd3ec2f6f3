"""What is exported: from raw observations to actions in the environment's units.

The student is a small deterministic network. The sampling form is the agent itself: it takes noise
as an input, makes an action of each row of it, and gives the one that the first critic values most.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from edgekit.agents import Scaling
from edgekit.agents.networks import LOG_STD, Affine, build_policy, mlp
from edgekit.errors import InputError
from edgekit.families.bear import Config


def build(config: Config) -> Any:
    """Return the untrained network of `config.form`.

    Raises:
        InputError: the configuration does not know the environment's sizes.
    """
    if not (config.observations and config.actions):
        raise InputError("bear: observations and actions", got="0",
                         expected="the environment's sizes")  # fmt: skip
    return {"student": build_student, "sampling": build_sampling}[config.form](config)


def build_student(config: Config) -> Any:
    """Return the network from observation `[N, O]` to {"action": `[N, A]`}."""
    seen = keras.Input((config.observations,), name="observation")
    x = mlp(Affine(config.observations, name="normalised")(seen), config.student_units, "student")
    x = keras.layers.Dense(config.actions, "tanh", name="squashed")(x)
    return keras.Model(seen, {"action": Affine(config.actions, name="action")(x)}, name="student")


def build_sampling(config: Config) -> Any:
    """Return the network from observation and noise `[N, K, A]` to {"action": `[N, A]`}.

    A cloned policy and an offline SAC's take their mean action, and no noise.
    """
    o, a, k = config.observations, config.actions, config.act_samples
    seen = keras.Input((o,), name="observation")
    s = Affine(o, name="normalised")(seen)
    policy = build_policy(o, a, config.hidden_units)
    if config.algorithm != "bear":
        action = keras.layers.Activation("tanh", name="squashed")(policy(s)[0])
        return keras.Model(seen, {"action": Affine(a, name="action")(action)}, name="policy_mean")
    noise = keras.Input((k, a), name="noise")
    actions = Sampled(name="sampled")([*policy(s), noise])
    value = keras.Sequential(_value_layers(config), name="critic")
    value.build((None, o + a))
    best = Best(name="best")([actions, value(Pairs(name="pairs")([s, actions]))])
    outputs = {"action": Affine(a, name="action")(best)}
    return keras.Model([seen, noise], outputs, name="sampling")


def set_scaling(network: Any, scaling: Scaling) -> None:
    """Set how a network of `build` normalises observations and scales actions."""
    network.get_layer("normalised").set_weights([1.0 / scaling.std, -scaling.mean / scaling.std])
    network.get_layer("action").set_weights([scaling.limit, np.zeros_like(scaling.limit)])


def set_agent(network: Any, agent: Any) -> None:
    """Set the weights of a sampling network to an agent's policy and first critic."""
    network.get_layer("policy").set_weights(agent.policy.get_weights())
    if "critic" in {layer.name for layer in network.layers}:
        first = [w[0] for w in agent.critics.get_weights()]  # [in, units] and [1, units] in turn
        network.get_layer("critic").set_weights(
            [w if number % 2 == 0 else w[0] for number, w in enumerate(first)]
        )


def _value_layers(config: Config) -> list[Any]:
    hidden = [keras.layers.Dense(units, "relu", name=f"critic_{i}")
              for i, units in enumerate(config.hidden_units)]  # fmt: skip
    return [*hidden, keras.layers.Dense(1, name="critic_value")]


class Sampled(keras.layers.Layer):  # type: ignore[misc]
    """Actions in -1..1 from mean and log std `[N, A]` and noise `[N, K, A]`."""

    def call(self, inputs: Any) -> Any:
        """Return the actions, `[N, K, A]`."""
        mean, log_std, noise = inputs
        spread = tf.exp(tf.clip_by_value(log_std, *LOG_STD))
        return tf.tanh(mean[:, None] + spread[:, None] * noise)


class Pairs(keras.layers.Layer):  # type: ignore[misc]
    """A state beside each of its actions: `[N, O]` and `[N, K, A]` to `[N K, O + A]`."""

    def call(self, inputs: Any) -> Any:
        """Return the pairs."""
        s, actions = inputs
        repeated = tf.tile(s[:, None], (1, actions.shape[1], 1))
        pairs = tf.concat([repeated, actions], -1)
        return tf.reshape(pairs, (-1, pairs.shape[-1]))


class Best(keras.layers.Layer):  # type: ignore[misc]
    """The action of the highest value: `[N, K, A]` and `[N K, 1]` to `[N, A]`."""

    def call(self, inputs: Any) -> Any:
        """Return the actions."""
        actions, values = inputs
        values = tf.reshape(values, (-1, actions.shape[1]))
        best = tf.argmax(values, axis=1, output_type=tf.int32)
        return tf.gather(actions, best, batch_dims=1)
