"""Kernels as TensorFlow graphs: parameters are variables in training, constants on a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from edgekit.families.gp.device.form import offset
from edgekit.families.gp.prior.kernel import Kernel, Product, Scaled, Sum
from edgekit.families.gp.prior.linear import Linear
from edgekit.families.gp.prior.periodic import Periodic
from edgekit.families.gp.prior.stationary import (
    Matern12,
    Matern32,
    Matern52,
    RationalQuadratic,
    SquaredExponential,
    Stationary,
)

# Of inputs [N, D] and [M, D] and inverse length-scales to squares of distances [N, M].
Distances = Callable[[Any, Any, Any], Any]

_ROOTS = {Matern12: 1.0, Matern32: 3.0, Matern52: 5.0}
_LEAST = 1e-20  # under a root, for its gradient
_LACKS = 3e-7  # what a logarithm near 1 lacks in float32 at the most
_SERIES = 100.0  # alpha of a rational quadratic, from which a series says its logarithm


def covariance(kernel: Kernel, theta: Any, x: Any, z: Any) -> Any:
    """Return k(x, z), `[N, M]`; `theta` holds logarithms, as in `kernel`."""
    left_out = offset(kernel, theta, x.shape[1], tf.exp)
    return centred(kernel, theta, x, z, products) + _like(left_out, x)


def centred(kernel: Kernel, theta: Any, x: Any, z: Any, distances: Distances) -> Any:
    """Return k(x, z) without its offset, `[N, M]`, in the type of `x`.

    Only the offset is subtracted where that costs nothing: each kernel says k - 1, whose relative
    error is that of float32 even where k is all but 1.
    """
    exp = _exponential(theta)
    if isinstance(kernel, Scaled):
        inner = centred(kernel.kernel, theta[1:], x, z, distances)
        one = isinstance(theta, np.ndarray) and abs(theta[0]) < 1e-15
        return inner if one else _like(exp(theta[0]), x) * inner
    if isinstance(kernel, Sum | Product):
        one, other = kernel.split(theta, x.shape[1])
        a = centred(kernel.first, one, x, z, distances)
        b = centred(kernel.second, other, x, z, distances)
        if isinstance(kernel, Sum):
            return a + b
        a0, b0 = (_like(offset(part, own, x.shape[1], exp), x)
                  for part, own in ((kernel.first, one), (kernel.second, other)))  # fmt: skip
        return a * b + b0 * a + a0 * b
    if isinstance(kernel, Stationary):
        return _stationary(kernel, theta, x, z, distances)
    if isinstance(kernel, Periodic):
        turn = np.pi * exp(-theta[0])
        sine = tf.sin(x[:, None, :] * _like(turn, x) - _like(z * turn, x))
        squares = tf.reduce_sum(tf.square(sine), axis=2)
        return tf.nn.elu(_like(-2.0 * exp(-2.0 * theta[1]), x) * squares)
    if isinstance(kernel, Linear):
        return tf.matmul(x, _like(z, x), transpose_b=True) + _like(exp(theta[0]), x)
    raise TypeError(f"no graph for {type(kernel).__name__}")


def diagonal(kernel: Kernel, theta: Any, x: Any) -> Any:
    """Return k(x, x) of each row with itself, `[N]`."""
    exp = _exponential(theta)
    if isinstance(kernel, Scaled):
        return _like(exp(theta[0]), x) * diagonal(kernel.kernel, theta[1:], x)
    if isinstance(kernel, Sum | Product):
        one, other = kernel.split(theta, x.shape[1])
        a, b = diagonal(kernel.first, one, x), diagonal(kernel.second, other, x)
        return a + b if isinstance(kernel, Sum) else a * b
    if isinstance(kernel, Linear):
        return tf.reduce_sum(x * x, axis=1) + _like(exp(theta[0]), x)
    return tf.ones_like(x[:, 0])


def products(x: Any, z: Any, inverse: Any) -> Any:
    """Return squares of distances by one matrix product: fast, and exact enough in float64."""
    a, b = x * _like(inverse, x), _like(z * inverse, x)
    s = tf.reduce_sum(a * a, axis=1)[:, None] + tf.reduce_sum(b * b, axis=1)
    return tf.maximum(s - 2.0 * tf.matmul(a, b, transpose_b=True), 0.0)


def differences(x: Any, z: Any, inverse: Any) -> Any:
    """Return squares of distances column by column, in float32 with a small relative error.

    Differences come before length-scales: of inputs that are near they are exact.
    """
    squares = tf.math.squared_difference(x[:, None, :], _like(z, x)[None])
    return tf.reduce_sum(squares * _like(inverse * inverse, x), axis=2)


def _stationary(kernel: Stationary, theta: Any, x: Any, z: Any, distances: Distances) -> Any:
    """Return k - 1."""
    exp = _exponential(theta)
    own = 1 if isinstance(kernel, RationalQuadratic) else 0
    count = int(theta.shape[0]) - own
    inverse = exp(-theta[:count])
    s = distances(x, z, inverse)
    if isinstance(kernel, SquaredExponential):
        return tf.nn.elu(-0.5 * s)  # expm1 of what is never above 0
    if isinstance(kernel, RationalQuadratic):
        alpha = exp(theta[count])
        if x.dtype == tf.float32 and alpha >= _SERIES:
            return tf.nn.elu(_like(-alpha, x) * _log1p_of_little(s, alpha))
        return tf.nn.elu(_like(-alpha, x) * _log1p(_like(0.5 / alpha, x) * s))
    a = tf.sqrt(_ROOTS[type(kernel)] * s + _LEAST)
    decay = tf.nn.elu(-a)
    if isinstance(kernel, Matern12):
        return decay
    polynomial = a if isinstance(kernel, Matern32) else a + a * a / 3.0
    return decay + polynomial * (1.0 + decay)


def _log1p(y: Any) -> Any:
    """Return log(1 + y) for y of at least 0, whose relative error stays small where y is.

    Mobile kernels of the logarithm are good to 2e-7 absolutely, which is nothing to be had near 1.
    One step of Newton's method on exp is: y + (exp(-l) - 1)(1 + y) is what l lacks. It is held to
    what l can lack: of a large y that difference is all rounding.
    """
    if y.dtype == tf.float64:
        return tf.math.log1p(y)
    whole = 1.0 + y
    near = tf.math.log(whole)
    lacks = y + tf.nn.elu(-near) * whole
    return near + tf.minimum(tf.maximum(lacks, -_LACKS), _LACKS)


def _log1p_of_little(s: Any, alpha: float) -> Any:
    """Return log(1 + s / 2 alpha) = 2 artanh(t), t = s / (s + 4 alpha), by three terms.

    Not all runtimes know exp(x) - 1 near 0 better than to 6e-8, which Newton's step would leave
    and `alpha` multiply. What the three terms lack shows where k is below float32 alone.
    """
    t = s / (s + _like(4.0 * alpha, s))
    square = t * t
    return t * (2.0 + square * (2.0 / 3.0 + 0.4 * square))


def _exponential(theta: Any) -> Any:
    """Return what takes logarithms back: constants are computed in float64, by NumPy."""
    return np.exp if isinstance(theta, np.ndarray) else tf.exp


def _like(value: Any, x: Any) -> Any:
    """Return a parameter in the type of `x`."""
    return tf.cast(value, x.dtype) if tf.is_tensor(value) else tf.constant(value, x.dtype)
