"""A Gaussian process as a Keras network: its device form in float, and its integer form.

Inputs are `[N, D]`, scaled to -1..1; outputs are mean, std_f and std_y `[N, 1]` in the units of the
target.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from edgekit.families.gp import Config
from edgekit.families.gp.device.drawn import draw_form, draw_integer
from edgekit.families.gp.device.form import Form
from edgekit.families.gp.device.graph import centred, diagonal, differences
from edgekit.families.gp.device.integer import IntegerForm
from edgekit.families.gp.device.variance import POWERS, Variance
from edgekit.families.gp.prior.kernel import Array, rescale
from edgekit.families.gp.units import Units

INPUT = "x"
OUTPUTS = ("mean", "std_f", "std_y")
_LEAST = 1e-30  # under a root, whose gradient nobody asks for


def build(config: Config) -> Any:
    """Return the network of a posterior on data that are drawn: right in size and speed alone."""
    form, units = draw_form(config)
    return float_network(form, units)


def build_integer(config: Config) -> dict[int, Callable[[], Any]]:
    """Return what builds the integer form of the same posterior, by activation bits."""

    def network() -> Any:
        return integer_network(*draw_integer(config))

    return {8: network, 16: network}


def float_network(form: Form, units: Units) -> Any:
    """Return the device form, its constants rounded to float32 once, at the end."""
    x = keras.Input((form.support.shape[1],), name=INPUT)
    k = Covariance(form, name="covariance")(x)
    scale, shift = units.y_scale, units.y_shift
    if units.curve is not None:
        scale, shift = 1.0 / units.curve, 0.0
    mean = _dense(k, form.mean_weights[:, None] * scale, [form.mean_bias * scale + shift],
                  "weighted")  # fmt: skip
    coefficients = form.gp.split(form.theta, form.support.shape[1])[0]
    mean = MeanFunction(form, coefficients * scale, name="mean")([mean, x])
    known = form.variance
    leading = Leading(len(known.features), name="leading")(k)
    raw = _dense(leading, known.features, known.feature_bias, "features")
    prior = [PriorVariance(form, name="prior")(x)] if known.varies else []
    left = LeftByData(known, name="left_by_data")([raw, *prior])
    if not known.varies:
        left = keras.layers.Concatenate(name="left")([left, LeftAlone(form, name="left_alone")(k)])
    variance = Pooled(form, name="variance")([left, *prior])
    if units.curve is not None:
        return _named(x, *LogNormal(form.noise, units, name="log_normal")([mean, variance]))
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


def _in_unit(form: Form) -> Array:
    """Return the kernel's parameters for covariances in the form's unit."""
    return rescale(form.gp.kernel, form.kernel_theta, 1.0 / form.unit, form.support.shape[1])


class Covariance(keras.layers.Layer):  # type: ignore[misc]
    """k(x, Z) without its offset, `[N, points]`."""

    def __init__(self, form: Form, **options: Any) -> None:
        super().__init__(trainable=False, **options)
        self._form = form

    def call(self, x: Any) -> Any:
        """Return the covariances."""
        form = self._form
        return centred(form.gp.kernel, _in_unit(form), x, form.support, differences)


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


class PriorVariance(keras.layers.Layer):  # type: ignore[misc]
    """k(x, x), `[N, 1]`, for a process whose prior variance varies."""

    def __init__(self, form: Form, **options: Any) -> None:
        super().__init__(trainable=False, **options)
        self._form = form

    def call(self, x: Any) -> Any:
        """Return the variance, in the form's unit."""
        return diagonal(self._form.gp.kernel, _in_unit(self._form), x)[:, None]


class LeftByData(keras.layers.Layer):  # type: ignore[misc]
    """T from the features, and the prior variance where it varies (see `variance`)."""

    def __init__(self, variance: Variance, **options: Any) -> None:
        super().__init__(trainable=False, **options)
        self._known = variance

    def call(self, inputs: Any) -> Any:
        """Return the share of the prior variance, `[N, 1]`."""
        raw, *prior = inputs
        first, others = raw[:, :1], raw[:, 1:]
        squares = tf.square(others)
        left = first * (2.0 - first) - tf.reduce_sum(squares, axis=1, keepdims=True)
        squares = tf.concat([tf.square(1.0 - first), squares], axis=1)
        if prior:
            left = (left + (prior[0] - 1.0)) / prior[0]
            squares = squares / prior[0]
        left = tf.nn.relu(left)
        e = self._known.softness
        beyond = left * tf.square(_constant(1.0 + e) * left / (left + _constant(e)))
        return beyond + tf.linalg.matmul(squares, _constant(self._known.kept[:, None]))


class LeftAlone(keras.layers.Layer):  # type: ignore[misc]
    """Means of powers of 1/r for what each datum leaves alone, times 1 + noise, and the largest.

    See `variance.left_alone`, whose logarithms `Pooled` takes.
    """

    def __init__(self, form: Form, **options: Any) -> None:
        super().__init__(trainable=False, **options)
        self._noise = form.noise / form.unit

    def call(self, k: Any) -> Any:
        """Return the means, `[N, powers + 1]`."""
        root = tf.math.rsqrt(_constant(self._noise) - k * (2.0 + k))
        means, raised = [], root  # r^-1/2 to begin with: each power is the one before, squared
        for _ in POWERS:
            means.append(tf.reduce_mean(raised, axis=1, keepdims=True))
            raised = tf.square(raised)
        return tf.concat([*means, tf.reduce_max(root, axis=1, keepdims=True)], axis=1)


class Pooled(keras.layers.Layer):  # type: ignore[misc]
    """The variance of f: the prior's, times the shares that are left to their exponents."""

    def __init__(self, form: Form, **options: Any) -> None:
        super().__init__(trainable=False, **options)
        known = form.variance
        of_data, of_each = known.exponents[:1], known.exponents[1:]
        # Of a power mean of r the network holds the mean of 1/r's powers: minus its logarithm over
        # the power counts; the largest is a root's.
        turned = of_each / -np.array([*POWERS, 0.5])[: len(of_each)]
        self._exponents = np.concatenate([of_data, turned])
        self._bias = np.log(form.unit) - np.log1p(form.noise / form.unit) * of_each.sum()

    def call(self, inputs: Any) -> Any:
        """Return the variance, `[N, 1]`."""
        left, *prior = inputs
        logarithm = tf.linalg.matmul(tf.math.log(left), _constant(self._exponents[:, None]))
        variance = tf.exp(logarithm + _constant(self._bias))
        return variance * prior[0] if prior else variance


class Deviation(keras.layers.Layer):  # type: ignore[misc]
    """scale * sqrt(variance + noise)."""

    def __init__(self, scale: float, noise: float, **options: Any) -> None:
        super().__init__(trainable=False, **options)
        self._scale, self._noise = scale, noise

    def call(self, variance: Any) -> Any:
        """Return the standard deviation, `[N, 1]`."""
        return tf.sqrt(variance + _constant(max(self._noise, _LEAST))) * _constant(self._scale)


class LogNormal(keras.layers.Layer):  # type: ignore[misc]
    """Moments of a target that was bent (see `Units.unbent`), in the table's units."""

    def __init__(self, noise: float, units: Units, **options: Any) -> None:
        super().__init__(trainable=False, **options)
        self._noise, self._units = noise, units

    def call(self, inputs: Any) -> Any:
        """Return mean, std_f and std_y, `[N, 1]`, from z's mean over c and its variance."""
        mean, variance = inputs
        curve = self._units.curve or 1.0
        of_f = _constant(curve**-2.0) * variance
        of_y = of_f + _constant(self._noise / curve**2)
        scale = _constant(self._units.y_scale * curve)
        above = scale * _expm1(mean + _constant(0.5) * of_y)
        level = above + scale
        of_f, of_y = (level * tf.sqrt(_expm1(variance)) for variance in (of_f, of_y))
        return above + _constant(self._units.y_shift), of_f, of_y


class AtMostOne(keras.layers.Layer):  # type: ignore[misc]
    """min(x, 1): the range of the hidden layer is then known, whatever calibrates it."""

    def call(self, x: Any) -> Any:
        """Return `[N, features]`."""
        return tf.minimum(x, 1.0)


def _expm1(x: Any) -> Any:
    """Return exp(x) - 1, whose relative error stays small near 0 on both sides."""
    above = tf.nn.relu(x)
    return tf.nn.elu(tf.minimum(x, 0.0)) - tf.nn.elu(-above) * tf.exp(above)


def _constant(value: Any) -> Any:
    return tf.constant(np.asarray(value), tf.float32)
