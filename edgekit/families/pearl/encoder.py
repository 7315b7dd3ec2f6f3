"""The encoder (section 4): every transition is a Gaussian factor of the posterior of z.

A factor is kept as natural parameters, precision and precision times mean. Those of a product are
the sums, so that a posterior is a running sum of fixed size, whatever the order of transitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras as keras

from edgekit.agents.networks import mlp

LEAST_VARIANCE = 1e-7  # of a factor, as the authors'


def natural(mean: Any, raw: Any, factors: str, softplus: Any = tf.nn.softplus) -> tuple[Any, Any]:
    """Return precision and precision times mean of factors, `[N, Z]` each.

    Args:
        mean: of each factor, `[N, Z]`.
        raw: what its weight is made of, `[N, Z]`.
        factors: `variance`: raw is softplus^-1 of the variance, as the authors have it.
            `precision`: it is that of the precision, so that a factor may weigh nothing.
            `embedding`: it is not used; every factor weighs 1.
        softplus: log(1 + e^x).
    """
    if factors == "precision":
        precision = softplus(raw)
    elif factors == "embedding":
        precision = tf.ones_like(raw)
    else:
        precision = 1.0 / tf.maximum(softplus(raw), LEAST_VARIANCE)
    return precision, precision * mean


class NaturalParameters(keras.layers.Layer):  # type: ignore[misc]
    """`[N, 2 Z]`, means and raw weights, to natural parameters; see `natural`."""

    def __init__(self, factors: str, **rest: Any) -> None:
        super().__init__(**rest)
        self.factors = factors

    def call(self, x: Any) -> tuple[Any, Any]:
        """Return the parameters."""
        mean, raw = tf.split(x, 2, axis=-1)
        return natural(mean, raw, self.factors)


def build_encoder(inputs: int, latent: int, hidden: Sequence[int], factors: str) -> Any:
    """Return the network from transitions `[N, inputs]` to natural parameters, `[N, Z]` each."""
    x = keras.Input((inputs,), name="encoder_input")
    # Precisions of all transitions add up: each begins with about a fiftieth of the prior's.
    start = _halves(latent, 0.0, -4.0) if factors == "precision" else "zeros"
    raw = keras.layers.Dense(2 * latent, bias_initializer=start, name="encoder_raw")(
        mlp(x, hidden, "encoder")
    )
    return keras.Model(x, NaturalParameters(factors, name="encoder_natural")(raw), name="encoder")


def encode(encoder: Any, context: Any) -> tuple[Any, Any]:
    """Return the natural parameters of transitions `[M, C, W]`: `[M, C, Z]` each."""
    precision, weighted = encoder(tf.reshape(context, (-1, context.shape[-1])))
    shape = (-1, context.shape[1] or tf.shape(context)[1], precision.shape[-1])
    return tf.reshape(precision, shape), tf.reshape(weighted, shape)


def add_up(factors: tuple[Any, Any], seen: Any) -> tuple[Any, Any]:
    """Return the sums of natural parameters over each task's transitions, `[M, Z]` each.

    Args:
        factors: see `encode`.
        seen: `[M, C]`, 1 where a transition counts, else 0.
    """
    precision, weighted = (tf.reduce_sum(seen[..., None] * part, axis=1) for part in factors)
    return precision, weighted


def posterior(precision: Any, weighted: Any, factors: str) -> tuple[Any, Any]:
    """Return mean and variance of the product of factors (equation 2), `[M, Z]` each.

    The prior N(0, I) is one more of them where they are precisions. Where they are variances it
    stands for a product of no factor at all.
    """
    if factors == "precision":
        precision = precision + 1.0
    else:
        precision = tf.where(precision > 0, precision, 1.0)
    return weighted / precision, 1.0 / precision


def draw(precision: Any, weighted: Any, noise: Any, factors: str) -> Any:
    """Return z `[M, Z]` of the posterior by normal noise; of embeddings their mean, or 0."""
    if factors == "embedding":
        return tf.math.divide_no_nan(weighted, precision)
    mean, variance = posterior(precision, weighted, factors)
    return mean + tf.sqrt(variance) * noise


def kl_divergence(mean: Any, variance: Any) -> Any:
    """Return KL(N(mean, variance) | N(0, I)) in nats, summed over tasks and dimensions."""
    return 0.5 * tf.reduce_sum(variance + mean**2 - 1.0 - tf.math.log(variance))


def kl_between(mean: Any, variance: Any, other_mean: Any, other_variance: Any) -> Any:
    """Return KL(N(mean, variance) | N(other mean, other variance)), summed likewise."""
    deviation = (mean - other_mean) / tf.sqrt(other_variance)
    return kl_divergence(deviation, variance / other_variance)


def _halves(size: int, first: float, second: float) -> Any:
    return keras.initializers.Constant([first] * size + [second] * size)
