"""The behaviour's variational auto-encoder: which actions the batch holds in a state."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras as keras

from edgekit.agents.networks import mlp

LOG_STD = (-4.0, 15.0)
LATENT = 0.5  # sampled latents are clipped to +-: near the mode lie actions that are common


def build_encoder(observations: int, actions: int, hidden: tuple[int, ...]) -> Any:
    """Return the network from `[N, O + A]` to mean and log std of the latent, `[N, 2 A]` each."""
    x = keras.Input((observations + actions,), name="encoder_input")
    features = mlp(x, hidden, "encoder")
    heads = [keras.layers.Dense(2 * actions, name=f"encoder_{n}") for n in ("mean", "log_std")]
    return keras.Model(x, [head(features) for head in heads], name="encoder")


def build_decoder(observations: int, actions: int, hidden: tuple[int, ...]) -> Any:
    """Return the network from `[N, O + 2 A]` to pre-tanh actions `[N, A]`."""
    x = keras.Input((observations + 2 * actions,), name="decoder_input")
    raw = keras.layers.Dense(actions, name="decoder_action")(mlp(x, hidden, "decoder"))
    return keras.Model(x, raw, name="decoder")


def vae_loss(action: Any, raw: Any, mean: Any, log_std: Any) -> Any:
    """Return the mean squared error of tanh(raw) plus half the KL divergence from N(0, I).

    Both are means over all entries; `log_std` is clipped already.
    """
    error = tf.reduce_mean((tf.tanh(raw) - action) ** 2)
    kl = -0.5 * tf.reduce_mean(1.0 + 2.0 * log_std - mean**2 - tf.exp(2.0 * log_std))
    return error + 0.5 * kl


def reconstruct(encoder: Any, decoder: Any, s: Any, a: Any, noise: Any) -> tuple[Any, Any, Any]:
    """Return pre-tanh actions, and mean and log std of the latent, whose noise is `[N, 2 A]`."""
    mean, log_std = encoder(tf.concat([s, a], -1))
    log_std = tf.clip_by_value(log_std, *LOG_STD)
    raw = decoder(tf.concat([s, mean + tf.exp(log_std) * noise], -1))
    return raw, mean, log_std


def imitate(decoder: Any, s: Any, noise: Any) -> Any:
    """Return K pre-tanh actions of the behaviour in each state, `[N, K, A]`.

    Args:
        decoder: see `build_decoder`.
        s: states, `[N, O]`.
        noise: standard normal latents `[N, K, 2 A]`, clipped here.
    """
    latent = tf.clip_by_value(noise, -LATENT, LATENT)
    repeated = tf.tile(s[:, None], (1, noise.shape[1], 1))
    pairs = tf.concat([repeated, latent], -1)
    raw = decoder(tf.reshape(pairs, (-1, pairs.shape[-1])))
    return tf.reshape(raw, (-1, noise.shape[1], raw.shape[-1]))
