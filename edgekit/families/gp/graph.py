"""Kernels as TensorFlow graphs whose parameters may be variables, in float64 for training."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from edgekit.families.gp.kernel import Kernel, Product, Scaled, Sum
from edgekit.families.gp.linear import Linear
from edgekit.families.gp.periodic import Periodic
from edgekit.families.gp.stationary import (
    Matern12,
    Matern32,
    Matern52,
    RationalQuadratic,
    SquaredExponential,
    Stationary,
)

_ROOTS = {Matern12: 1.0, Matern32: 3.0, Matern52: 5.0}
_LEAST = 1e-20  # under a root, for its gradient


def covariance(kernel: Kernel, theta: Any, x: Any, z: Any) -> Any:
    """Return k(x, z), `[N, M]`; `theta` holds logarithms, as in `kernel`."""
    dims = x.shape[1]
    if isinstance(kernel, Scaled):
        return tf.exp(theta[0]) * covariance(kernel.kernel, theta[1:], x, z)
    if isinstance(kernel, Sum | Product):
        one, other = kernel.split(theta, dims)
        a, b = covariance(kernel.first, one, x, z), covariance(kernel.second, other, x, z)
        return a + b if isinstance(kernel, Sum) else a * b
    if isinstance(kernel, Periodic):
        turn = np.pi / tf.exp(theta[0])
        sine = tf.sin(turn * (x[:, None, :] - z[None, :, :]))
        return tf.exp(-2.0 * tf.exp(-2.0 * theta[1]) * tf.reduce_sum(sine * sine, axis=2))
    if isinstance(kernel, Linear):
        return tf.matmul(x, z, transpose_b=True) + tf.exp(theta[0])
    if isinstance(kernel, Stationary):
        return _stationary(kernel, theta, x, z)
    raise TypeError(f"no graph for {type(kernel).__name__}")


def diagonal(kernel: Kernel, theta: Any, x: Any) -> Any:
    """Return k(x, x) of each row with itself, `[N]`."""
    if isinstance(kernel, Scaled):
        return tf.exp(theta[0]) * diagonal(kernel.kernel, theta[1:], x)
    if isinstance(kernel, Sum | Product):
        one, other = kernel.split(theta, x.shape[1])
        a, b = diagonal(kernel.first, one, x), diagonal(kernel.second, other, x)
        return a + b if isinstance(kernel, Sum) else a * b
    if isinstance(kernel, Linear):
        return tf.reduce_sum(x * x, axis=1) + tf.exp(theta[0])
    return tf.ones(tf.shape(x)[0], x.dtype)


def _stationary(kernel: Stationary, theta: Any, x: Any, z: Any) -> Any:
    own = 1 if isinstance(kernel, RationalQuadratic) else 0
    count = int(theta.shape[0]) - own
    scales = tf.exp(theta[:count])
    a, b = x / scales, z / scales
    s = tf.reduce_sum(a * a, axis=1)[:, None] + tf.reduce_sum(b * b, axis=1)
    s = tf.maximum(s - 2.0 * tf.matmul(a, b, transpose_b=True), 0.0)
    if isinstance(kernel, SquaredExponential):
        return tf.exp(-0.5 * s)
    if isinstance(kernel, RationalQuadratic):
        alpha = tf.exp(theta[count])
        return tf.exp(-alpha * tf.math.log1p(0.5 * s / alpha))
    r = tf.sqrt(_ROOTS[type(kernel)] * s + _LEAST)
    if isinstance(kernel, Matern12):
        return tf.exp(-r)
    return (1.0 + r if isinstance(kernel, Matern32) else 1.0 + r + r * r / 3.0) * tf.exp(-r)
