"""Networks of actor-critic agents: a tanh-Gaussian policy, and critics as one ensemble."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras as keras

LOG_STD = (-20.0, 2.0)  # limits of the policy's (Haarnoja et al., arXiv:1801.01290)
_LOG_2 = math.log(2.0)
_LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)


def mlp(x: Any, hidden: Sequence[int], name: str) -> Any:
    """Return `x` behind dense layers with ReLU."""
    for index, units in enumerate(hidden):
        x = keras.layers.Dense(units, "relu", name=f"{name}_{index}")(x)
    return x


def build_policy(inputs: int, actions: int, hidden: Sequence[int], name: str = "policy") -> Any:
    """Return the network from `[N, inputs]` to mean and log std of pre-tanh actions, `[N, A]`."""
    x = keras.Input((inputs,), name="policy_input")
    features = mlp(x, hidden, name)
    mean = keras.layers.Dense(actions, name=f"{name}_mean")(features)
    log_std = keras.layers.Dense(actions, name=f"{name}_log_std")(features)
    return keras.Model(x, [mean, log_std], name=name)


def act(policy: Any, x: Any, noise: Any) -> tuple[Any, Any]:
    """Return sampled pre-tanh actions and the log density of their tanh, `[..., A]` and `[...]`.

    Args:
        policy: see `build_policy`.
        x: `[N, inputs]`.
        noise: standard normal, `[N, A]`, or `[N, K, A]` for K actions each.
    """
    mean, log_std = policy(x)
    log_std = tf.clip_by_value(log_std, *LOG_STD)
    if noise.shape.rank == 3:
        mean, log_std = mean[:, None], log_std[:, None]
    return mean + tf.exp(log_std) * noise, log_density(mean, log_std, noise)


def log_density(mean: Any, log_std: Any, noise: Any) -> Any:
    """Return log p(tanh(mean + std * noise)) (arXiv:1801.01290, appendix C, equation 21).

    log(1 - tanh(u)^2) is written 2 (log 2 - u - softplus(-2 u)), which does not overflow.
    """
    raw = mean + tf.exp(log_std) * noise
    normal = -0.5 * noise**2 - log_std - _LOG_ROOT_2PI
    squashed = 2.0 * (_LOG_2 - raw - tf.nn.softplus(-2.0 * raw))
    return tf.reduce_sum(normal - squashed, axis=-1)


class Affine(keras.layers.Layer):  # type: ignore[misc]
    """x * scale + shift, of each column, with weights that are set and not trained.

    A product, since TFLite divides no integers.
    """

    def __init__(self, width: int, **options: Any) -> None:
        super().__init__(trainable=False, **options)
        self.scale = self.add_weight("scale", (width,), initializer="ones", trainable=False)
        self.shift = self.add_weight("shift", (width,), initializer="zeros", trainable=False)

    def call(self, x: Any) -> Any:
        """Return the columns."""
        return x * self.scale + self.shift


class EnsembleDense(keras.layers.Layer):  # type: ignore[misc]
    """A dense layer in each of E networks at once: `[E, N, in]` to `[E, N, units]`.

    Each is initialised as a dense layer of its own would be (Glorot uniform).
    """

    def __init__(self, members: int, units: int, activation: str | None = None, **rest: Any):
        super().__init__(**rest)
        self.members, self.units = members, units
        self.activation = keras.activations.get(activation)

    def build(self, shape: Any) -> None:
        """Make kernels `[E, in, units]` and biases `[E, 1, units]`."""
        limit = math.sqrt(6.0 / (int(shape[-1]) + self.units))
        uniform = keras.initializers.RandomUniform(-limit, limit)
        self.kernel = self.add_weight(
            "kernel", (self.members, int(shape[-1]), self.units), initializer=uniform
        )
        self.bias = self.add_weight("bias", (self.members, 1, self.units), initializer="zeros")

    def call(self, x: Any) -> Any:
        """Return the outputs."""
        return self.activation(tf.matmul(x, self.kernel) + self.bias)


def build_critics(inputs: int, hidden: Sequence[int], members: int, name: str = "critics") -> Any:
    """Return the networks from `[N, inputs]` to the values of each member, `[E, N]`."""
    x = keras.Input((inputs,), name=f"{name}_input")
    h = tf.tile(x[None], (members, 1, 1))
    for index, units in enumerate(hidden):
        h = EnsembleDense(members, units, "relu", name=f"{name}_{index}")(h)
    values = EnsembleDense(members, 1, name=f"{name}_value")(h)
    return keras.Model(x, values[..., 0], name=name)


def clone(network: Any) -> Any:
    """Return a target network: a copy with the same weights."""
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    return copy


def follow(target: Any, network: Any, tau: float) -> None:
    """Move each weight of `target` by a share `tau` towards that of `network`."""
    for there, here in zip(target.variables, network.variables, strict=True):
        there.assign_add(tau * (here - there))


def descend(optimizer: Any, tape: Any, loss: Any, variables: Any) -> None:
    """Take one step of `optimizer` down the gradient of `loss`."""
    gradients = tape.gradient(loss, variables)
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
