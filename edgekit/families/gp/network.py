"""A Gaussian process as a Keras network: its device form in float, and its integer form.

Inputs are `[N, D]`, scaled to -1..1; outputs are mean, std_f and std_y `[N, 1]` in the units of the
target.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from edgekit.families.gp import Config
from edgekit.families.gp.drawn import draw_form, draw_integer
from edgekit.families.gp.form import MAX_CORRECTION, Form, offset
from edgekit.families.gp.integer import IntegerForm
from edgekit.families.gp.kernel import Array, Kernel, Product, Scaled, Sum
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
from edgekit.families.gp.units import Units

INPUT = "x"
OUTPUTS = ("mean", "std_f", "std_y")
_LEAST = 1e-30  # under a root, whose gradient nobody asks for


def build(config: Config) -> Any:
    """Return the network of a posterior on data that are drawn: right in size and speed alone."""
    form, units = draw_form(config)
    return float_network(form, units)


def build_integer(config: Config) -> dict[int, Any]:
    """Return the integer form of the same posterior, by activation bits."""
    network = integer_network(*draw_integer(config))
    return {8: network, 16: network}


def float_network(form: Form, units: Units) -> Any:
    """Return the device form, its constants rounded to float32 once, at the end."""
    dims = form.support.shape[1]
    x = keras.Input((dims,), name=INPUT)
    k = Covariance(form, name="covariance")(x)
    mean = _dense(k, form.mean_weights[:, None] * units.y_scale,
                  [form.mean_bias * units.y_scale + units.y_shift], "weighted")  # fmt: skip
    coefficients = form.gp.split(form.theta, dims)[0]
    mean = MeanFunction(form, coefficients * units.y_scale, name="mean")([mean, x])
    phi = _dense(Leading(len(form.features), name="leading")(k), form.features, form.feature_bias,
                 "features")  # fmt: skip
    logarithm = _dense(k, form.correction[:, None], [form.correction_bias], "correction")
    variance = Variance(form, name="variance")([phi, logarithm, x])
    std_f = Deviation(units.y_scale, 0.0, name="std_f")(variance)
    std_y = Deviation(units.y_scale, form.noise, name="std_y")(variance)
    return _named(x, mean, std_f, std_y)


def integer_network(form: IntegerForm, units: Units) -> Any:
    """Return the integer form: one hidden layer whose weights are integers already."""
    x = keras.Input((form.directions.shape[0],), name=INPUT)
    hidden = _dense(x, form.directions, form.bias, "projection", "relu")
    hidden = AtMostOne(name="hidden")(hidden)
    scales = (units.y_scale,) * 3
    shifts = (units.y_shift, 0.0, 0.0)
    heads = [
        _dense(hidden, form.readout[:, [i]] * scales[i],
               [form.readout_bias[i] * scales[i] + shifts[i]], name)
        for i, name in enumerate(OUTPUTS)
    ]  # fmt: skip
    return _named(x, *heads)


def _named(x: Any, mean: Any, std_f: Any, std_y: Any) -> Any:
    return keras.Model(x, dict(zip(OUTPUTS, (mean, std_f, std_y), strict=True)), name="gp")


def _dense(x: Any, kernel: Array, bias: Any, name: str, activation: str | None = None) -> Any:
    layer = keras.layers.Dense(kernel.shape[1], activation=activation, name=name)
    y = layer(x)
    layer.set_weights([kernel.astype(np.float32), np.asarray(bias, np.float32)])
    return y


class Covariance(keras.layers.Layer):  # type: ignore[misc]
    """k(x, Z) without its offset, `[N, points]`."""

    def __init__(self, form: Form, **options: Any) -> None:
        super().__init__(trainable=False, **options)
        self._form = form

    def call(self, x: Any) -> Any:
        """Return the covariances."""
        form = self._form
        return covariance(form.gp.kernel, form.kernel_theta, x, form.support)[0]


class MeanFunction(keras.layers.Layer):  # type: ignore[misc]
    """Adds m(x), whose constant comes last: powers of x with these coefficients."""

    def __init__(self, form: Form, coefficients: Array, **options: Any) -> None:
        super().__init__(trainable=False, **options)
        self._coefficients = coefficients
        self._degree = (len(coefficients) - 1) // form.support.shape[1] if len(coefficients) else -1

    def call(self, inputs: Any) -> Any:
        """Return the mean, `[N, 1]`."""
        mean, x = inputs
        if self._degree < 0:
            return tf.identity(mean)
        for power in range(1, self._degree + 1):
            dims = x.shape[1]
            own = self._coefficients[1 + (power - 1) * dims : 1 + power * dims]
            mean += tf.linalg.matmul(x if power == 1 else x * x, _constant(own[:, None]))
        return mean + _constant(self._coefficients[0])


class Leading(keras.layers.Layer):  # type: ignore[misc]
    """The first columns."""

    def __init__(self, count: int, **options: Any) -> None:
        super().__init__(trainable=False, **options)
        self._count = count

    def call(self, x: Any) -> Any:
        """Return `[N, count]`."""
        return x[:, : self._count] if self._count < x.shape[1] else x


class Variance(keras.layers.Layer):  # type: ignore[misc]
    """The variance of f from the features, as a sum of non-negative terms (see `form`)."""

    def __init__(self, form: Form, **options: Any) -> None:
        super().__init__(trainable=False, **options)
        self._form = form

    def call(self, inputs: Any) -> Any:
        """Return the variance, `[N, 1]`."""
        phi, logarithm, x = inputs
        form = self._form
        prior = diagonal(form.gp.kernel, form.kernel_theta, x)
        squares = phi * phi / prior
        explained = tf.reduce_sum(squares, axis=1, keepdims=True)
        u = tf.nn.relu(_constant(1.0 - form.dead_zone) - explained)
        terms = u * (u + _constant(form.rest) * (1.0 - u))
        terms += tf.linalg.matmul(squares, _constant(form.spread[:, None]))
        logarithm = tf.clip_by_value(logarithm, -MAX_CORRECTION, MAX_CORRECTION)
        return prior * terms * tf.exp(logarithm)


class Deviation(keras.layers.Layer):  # type: ignore[misc]
    """scale * sqrt(variance + noise)."""

    def __init__(self, scale: float, noise: float, **options: Any) -> None:
        super().__init__(trainable=False, **options)
        self._scale, self._noise = scale, noise

    def call(self, variance: Any) -> Any:
        """Return the standard deviation, `[N, 1]`."""
        return tf.sqrt(variance + _constant(max(self._noise, _LEAST))) * _constant(self._scale)


class AtMostOne(keras.layers.Layer):  # type: ignore[misc]
    """min(x, 1): the range of the hidden layer is then known, whatever calibrates it."""

    def call(self, x: Any) -> Any:
        """Return `[N, features]`."""
        return tf.minimum(x, 1.0)


def covariance(kernel: Kernel, theta: Array, x: Any, z: Array) -> tuple[Any, float]:
    """Return k(x, z) less its offset, `[N, M]`, and the offset."""
    dims = z.shape[1]
    left_out = offset(kernel, theta, dims)
    if isinstance(kernel, Scaled):
        inner, _ = covariance(kernel.kernel, theta[1:], x, z)
        return _constant(np.exp(theta[0])) * inner, left_out
    if isinstance(kernel, Sum | Product):
        one, other = kernel.split(theta, dims)
        (a, a0), (b, b0) = (covariance(kernel.first, one, x, z),
                            covariance(kernel.second, other, x, z))  # fmt: skip
        if isinstance(kernel, Sum):
            return a + b, left_out
        product = a * b
        product = product + _constant(b0) * a if b0 else product
        return product + _constant(a0) * b if a0 else product, left_out
    if isinstance(kernel, Stationary):
        return _stationary(kernel, theta, x, z), left_out
    if isinstance(kernel, Periodic):
        period, scale = np.exp(theta)
        turn = np.pi / period
        sine = tf.sin(x[:, None, :] * _constant(turn) - _constant(turn * z[None]))
        return tf.exp(_constant(-2.0 / scale**2) * tf.reduce_sum(sine * sine, axis=2)), left_out
    if isinstance(kernel, Linear):
        return tf.linalg.matmul(x, _constant(z.T)) + _constant(np.exp(theta[0])), left_out
    raise TypeError(f"no graph for {type(kernel).__name__}")


def diagonal(kernel: Kernel, theta: Array, x: Any) -> Any:
    """Return k(x, x), `[N, 1]`, or a constant where it does not vary."""
    if isinstance(kernel, Scaled):
        return _constant(np.exp(theta[0])) * diagonal(kernel.kernel, theta[1:], x)
    if isinstance(kernel, Sum | Product):
        one, other = kernel.split(theta, x.shape[1])
        a, b = diagonal(kernel.first, one, x), diagonal(kernel.second, other, x)
        return a + b if isinstance(kernel, Sum) else a * b
    if isinstance(kernel, Linear):
        return tf.reduce_sum(x * x, axis=1, keepdims=True) + _constant(np.exp(theta[0]))
    return _constant(1.0)


def _stationary(kernel: Stationary, theta: Array, x: Any, z: Array) -> Any:
    scales, shape = kernel.split(theta)
    scaled = x * _constant(1.0 / scales)
    s = tf.reduce_sum(
        tf.math.squared_difference(scaled[:, None, :], _constant((z / scales)[None])), axis=2
    )
    if isinstance(kernel, SquaredExponential):
        return tf.nn.elu(_constant(-0.5) * s)  # expm1 of what is never above 0
    if isinstance(kernel, RationalQuadratic):
        alpha = float(np.exp(shape[0]))
        return tf.exp(_constant(-alpha) * tf.math.log(1.0 + _constant(0.5 / alpha) * s))
    factor = {Matern12: 1.0, Matern32: 3.0, Matern52: 5.0}[type(kernel)]
    a = tf.sqrt(_constant(factor) * s)
    decay = tf.exp(-a)
    if isinstance(kernel, Matern12):
        return decay
    polynomial = 1.0 + a if isinstance(kernel, Matern32) else 1.0 + a + a * a * _constant(1 / 3)
    return polynomial * decay


def _constant(value: Any) -> Any:
    return tf.constant(np.asarray(value), tf.float32)
