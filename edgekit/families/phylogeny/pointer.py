"""The paper's pointer network: it points at entries to flip, one after another; a critic says what
to expect; both learn by policy gradient.

A matrix becomes A'': a row for each entry with its location, its state and the rate of its error,
alpha for a 1 and beta for a 0. An encoder of three attention blocks and 16 heads reads them
(Vaswani et al. 2017), a decoder with a glimpse points (Bello et al. 2017; Deudon et al. 2018). The
order's cost is that of its best beginning, the empty one included, so that it depends on what is
pointed at.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from edgekit.families.phylogeny import Config
from edgekit.families.phylogeny.layers import Entries, Gametes

HEADS, BLOCKS = 16, 3
CLIP = 10.0  # of the pointer's logits, times tanh
GAMMA = 0.04  # of a nat, against conflicts
CERTAIN = 3.0  # log odds that the answer says of every entry
_NEVER = -1e6  # the logit of what was pointed at already, or is not there

dense = keras.layers.Dense


def flip_costs(matrix: Any, config: Config) -> Any:
    """Return what -log likelihood gains by a flip of each entry, 0 where there is none."""
    up = np.log((1 - config.alpha) / config.beta)  # a 0 that is taken for a 1
    down = np.log((1 - config.beta) / config.alpha)
    return tf.nn.relu(-matrix) * float(up) + tf.nn.relu(matrix) * float(down)


def conflict_cost(matrix: Any) -> Any:
    """Return the sum of n11 n10 n01 over ordered pairs of columns, `[N]`."""
    counts = Gametes()(Entries()(matrix))
    return tf.reduce_sum(counts[..., 0] * counts[..., 1] * counts[..., 2], axis=(1, 2))


class Rows(keras.layers.Layer):  # type: ignore[misc]
    """A'': location, rate and state of every entry, `[N, rows * columns, 4]`."""

    def __init__(self, config: Config, **options: Any) -> None:
        super().__init__(trainable=False, **options)
        self._config = config

    def call(self, matrix: Any) -> Any:
        """Return the rows; an entry that is not there has rate and state 0."""
        c = self._config
        places = np.stack(np.meshgrid(np.arange(c.rows) / c.rows, np.arange(c.columns) / c.columns,
                                      indexing="ij"), axis=-1)  # fmt: skip
        ones, zeros = tf.nn.relu(matrix), tf.nn.relu(-matrix)
        features = tf.stack([ones * c.alpha + zeros * c.beta, ones], axis=-1)
        located = tf.zeros_like(features) + tf.constant(places, tf.float32)
        return tf.reshape(tf.concat([located, features], axis=-1), (-1, c.rows * c.columns, 4))


class Signs(keras.layers.Layer):  # type: ignore[misc]
    """What was -1, 0 and 1 before it went through 8 bits is so again."""

    def call(self, matrix: Any) -> Any:
        """Return the matrix without its rounding."""
        return tf.clip_by_value(2.0 * matrix, -1.0, 1.0)


class Pointer(keras.layers.Layer):  # type: ignore[misc]
    """Points `flips` times and flips what it points at."""

    def __init__(self, config: Config, **options: Any) -> None:
        super().__init__(**options)
        self._config, width = config, config.channels
        names = ("glimpse_keys", "glimpse_query", "keys", "query", "last", "before", "earlier")
        self._dense = {n: dense(width, use_bias=n == "last", name=n) for n in names}
        self._glimpse = dense(1, use_bias=False, name="glimpse")
        self._point = dense(1, use_bias=False, name="point")

    @property
    def flips(self) -> int:
        """How often it points, at the most."""
        return self._config.flips

    def call(self, inputs: Any) -> tuple[Any, Any, Any]:
        """Return the best matrix on the way, its cost and the log probability of the order.

        Args:
            inputs: encoded entries, the matrix, and Gumbel noise `[N, flips, entries]` to sample
                an order; without it the likeliest entry is taken.
        """
        encoded, matrix, *noise = inputs
        c, use = self._config, self._dense
        count = c.rows * c.columns
        costs = tf.reshape(flip_costs(matrix, c), (-1, count))
        closed = tf.cast(tf.reshape(tf.abs(matrix), (-1, count)) < 0.5, tf.float32) * _NEVER
        glimpse_keys, keys = use["glimpse_keys"](encoded), use["keys"](encoded)
        mean = tf.reduce_mean(encoded, axis=1)
        trail = [mean, mean, mean]
        best, best_cost = matrix, conflict_cost(matrix)
        spent = log_probability = tf.zeros_like(best_cost)
        current = matrix
        for step in range(c.flips):
            query = tf.nn.relu(use["last"](trail[0]) + use["before"](trail[1])
                               + use["earlier"](trail[2]))  # fmt: skip
            logits = self._logits(encoded, glimpse_keys, keys, query) + closed
            chosen = tf.argmax(logits + noise[0][:, step] if noise else logits, axis=1)
            picked = tf.one_hot(chosen, count)
            log_probability += tf.reduce_sum(tf.nn.log_softmax(logits) * picked, axis=1)
            closed += picked * _NEVER
            trail = [tf.reduce_sum(encoded * picked[:, :, None], axis=1), *trail[:2]]
            current *= 1.0 - 2.0 * tf.reshape(picked, (-1, c.rows, c.columns))
            spent += tf.reduce_sum(costs * picked, axis=1)
            cost = GAMMA * spent + conflict_cost(current)
            better = tf.cast(cost < best_cost, tf.float32)
            best_cost += better * (cost - best_cost)
            best += better[:, None, None] * (current - best)
        return best, best_cost, log_probability

    def _logits(self, encoded: Any, glimpse_keys: Any, keys: Any, query: Any) -> Any:
        asked = self._dense["glimpse_query"](query)[:, None]
        weights = tf.nn.softmax(self._glimpse(tf.tanh(glimpse_keys + asked)), axis=1)
        seen = query + tf.reduce_sum(encoded * weights, axis=1)
        pointed = self._point(tf.tanh(keys + self._dense["query"](seen)[:, None]))
        return CLIP * tf.tanh(pointed[:, :, 0])


def elimination(matrix: Any, config: Config) -> dict[str, Any]:
    """Return the network as it is exported: the likeliest order, the loop inside the graph."""
    best, _, _ = Pointer(config, name="pointer")([_encode(matrix, config), matrix])
    return {"scores": keras.layers.Rescaling(CERTAIN, name="scores")(best)}


def reader(network: Any) -> Any:
    """Return the part that reads: the encoded entries, and the matrix itself to go on with."""
    encoded, matrix = network.get_layer("encoded").output, network.inputs[0]
    passed = keras.layers.Activation("linear", name="passed")(matrix)
    return keras.Model(matrix, {"encoded": encoded, "passed": passed}, name=network.name)


def pointing(network: Any) -> Any:
    """Return the part that points: it compares costs and ranks logits, no work for 8 bits."""
    encoded = keras.Input(network.get_layer("encoded").output.shape[1:], name="encoded")
    passed = keras.Input(network.inputs[0].shape[1:], name="passed")
    best, _, _ = network.get_layer("pointer")([encoded, Signs(name="signs")(passed)])
    scores = network.get_layer("scores")(best)
    return keras.Model([encoded, passed], {"scores": scores}, name="pointing")


def actor_and_critic(network: Any, config: Config) -> Any:
    """Return what is trained: `network` with sampled orders, and a critic of its encoding."""
    matrix = network.inputs[0]
    noise = keras.Input((config.flips, config.rows * config.columns), name="noise")
    encoded = network.get_layer("encoded").output
    _, cost, log_probability = network.get_layer("pointer")([encoded, matrix, noise])
    weights = keras.layers.Softmax(axis=1)(dense(1, name="critic_glimpse")(encoded))
    seen = keras.layers.Dot(axes=1, name="critic_seen")([weights, encoded])
    value = dense(config.channels, activation="relu", name="critic_hidden")(seen)
    value = keras.layers.Reshape((1,), name="critic")(dense(1, name="critic_value")(value))
    outputs = {"cost": cost, "log_probability": log_probability, "value": value}
    return keras.Model([matrix, noise], outputs, name="actor_and_critic")


def policy_gradient(targets: Any, outputs: Any) -> Any:
    """Return REINFORCE's loss with the critic as its baseline, and the critic's own, `[N]`.

    What is left of the cost is taken in standard deviations of the batch, which bounds the step as
    the paper's clipped gradients do.
    """
    cost, value = tf.stop_gradient(outputs["cost"]), outputs["value"][:, 0]
    left = cost - tf.stop_gradient(value)
    scaled = left / (tf.math.reduce_std(left) + 1e-6)
    return scaled * outputs["log_probability"] + keras.losses.huber(cost[:, None], value[:, None])


def _encode(matrix: Any, config: Config) -> Any:
    """Embed A'' and let its rows attend to each other; width is `channels`."""
    width = config.channels
    x = dense(width, name="embedding")(Rows(config, name="rows")(matrix))
    x = keras.layers.BatchNormalization(name="embedding_norm")(x)
    for number in range(BLOCKS):
        attention = keras.layers.MultiHeadAttention(
            HEADS, max(width // HEADS, 1), name=f"attention_{number}"
        )
        x = keras.layers.Add(name=f"attended_{number}")([x, attention(x, x)])
        x = keras.layers.BatchNormalization(name=f"attended_norm_{number}")(x)
        y = dense(4 * width, activation="relu", name=f"wide_{number}")(x)
        x = keras.layers.Add(name=f"fed_{number}")([x, dense(width, name=f"narrow_{number}")(y)])
        x = keras.layers.BatchNormalization(name=f"fed_norm_{number}")(x)
    return keras.layers.Activation("linear", name="encoded")(x)
