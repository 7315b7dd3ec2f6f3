"""Layer normalizations traced as the arithmetic that they are, a difference from the mean.

Where it can, Keras 2 lays the rows out as the channels of one picture, for the op of a batch norm
in training: two transpositions more, and of 16-bit activations ops that LiteRT aborts at. Keras 3
multiplies the mean and the values apart and takes one product from the other: more passes over the
values, and in 8 bits the roundings of two large numbers in a small one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf
from keras.src import backend
from keras.src.ops import nn


@contextmanager
def plain_norms(model: Any) -> Iterator[None]:
    """Let the layer normalizations of a model compute moments of rows meanwhile."""
    fused = [layer for layer in model._flatten_layers() if getattr(layer, "_fused", None) is True]
    for layer in fused:
        layer._fused = False
    own = getattr(nn, "_layer_normalization", None)  # which old Keras has not: its layers stay
    if own is not None:
        nn._layer_normalization = _normalized
    try:
        yield
    finally:
        if own is not None:
            nn._layer_normalization = own
        for layer in fused:
            layer._fused = True


def _normalized(
    x: Any,
    gamma: Any = None,
    beta: Any = None,
    axis: int | Sequence[int] = -1,
    epsilon: float | None = None,
    rms_scaling: bool = False,
) -> Any:
    """Return what Keras 3 does, (x - mean) / sqrt(variance + epsilon) gamma + beta, in float32."""
    x = tf.convert_to_tensor(x)
    values = tf.cast(x, tf.float32) if x.dtype.size < tf.float32.size else x
    axes = [a % x.shape.rank for a in ([axis] if isinstance(axis, int) else axis)]
    shape = [size if a in axes else 1 for a, size in enumerate(x.shape)]
    difference = values - tf.reduce_mean(values, axes, keepdims=True)
    variance = tf.reduce_mean(difference * difference, axes, keepdims=True)
    inverse = tf.math.rsqrt(variance + (backend.epsilon() if epsilon is None else epsilon))
    # What Keras calls rms_scaling divides by the deviation from the mean all the same.
    answer = (values if rms_scaling else difference) * inverse
    if gamma is not None:
        answer *= tf.reshape(tf.cast(gamma, answer.dtype), shape)
    if beta is not None and not rms_scaling:
        answer += tf.reshape(tf.cast(beta, answer.dtype), shape)
    return tf.cast(answer, x.dtype)
