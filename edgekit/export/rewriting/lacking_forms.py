"""Ops that TFLite lacks, by ops that it has: how each is computed, to float32's rounding.

A form takes the operation that it replaces, for its attributes, and what that reads: tensors, and
arrays where it is constant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt
import tensorflow as tf

Array = npt.NDArray[Any]
Form = Callable[..., Any]

_RAW = tf.raw_ops
_OTHERS = ([1, 2, 0], [2, 0, 1])  # the two axes behind each of three


def _pooled_3d(pool: Callable[..., Any]) -> Form:
    """Pool rows and columns, then what lies one behind the other: a window is a box."""

    def form(made: Any, x: Any) -> Any:
        (_, *size, _), (_, *strides, _) = made.get_attr("ksize"), made.get_attr("strides")
        padding, (_, depth, height, width, channels) = made.get_attr("padding").decode(), x.shape
        maps = tf.reshape(x, [-1, height, width, channels])
        maps = pool(maps, size[1:], strides[1:], padding)
        _, height, width, _ = maps.shape
        columns = tf.reshape(maps, [-1, depth, height * width, channels])
        columns = pool(columns, [size[0], 1], [strides[0], 1], padding)
        return tf.reshape(columns, [-1, columns.shape[1], height, width, channels])

    return form


def _patches(made: Any, x: Any) -> Any:
    """Return patches `[N, H', W', k k C]`: such as tile the picture at once, others by places."""
    size, strides, rates = (made.get_attr(a)[1:3] for a in ("ksizes", "strides", "rates"))
    same = made.get_attr("padding") == b"SAME"
    spans = [(k - 1) * rate + 1 for k, rate in zip(size, rates, strict=True)]
    sides = list(zip(x.shape[1:3], spans, strides, strict=True))
    counts = [-(-n // step) if same else (n - span) // step + 1 for n, span, step in sides]
    if size[0] == size[1] and [*size] == [*strides] and [*rates] == [1, 1] and not same:
        height, width = (count * size[0] for count in counts)
        whole = x if x.shape[1:3] == [height, width] else x[:, :height, :width]
        return tf.nn.space_to_depth(whole, size[0])
    reach = [(count - 1) * step + 1 for count, step in zip(counts, strides, strict=True)]
    lacking = [max(far - 1 + span - n, 0) for far, (n, span, _) in zip(reach, sides, strict=True)]
    x = tf.pad(x, [[0, 0], *([n // 2, n - n // 2] for n in lacking), [0, 0]])
    places = [(i * rates[0], j * rates[1]) for i in range(size[0]) for j in range(size[1])]
    return tf.concat(
        [x[:, i : i + reach[0] : strides[0], j : j + reach[1] : strides[1]] for i, j in places], -1
    )


def _resized(resize: Callable[..., Any]) -> Form:
    """Multiply by what the op makes of unit vectors: of each side it is a linear map."""

    def form(made: Any, x: Any, *constants: Array) -> Any:
        def matrix(axis: int) -> Array:
            length, given = x.shape[1 + axis], [constant[axis] for constant in constants]
            with tf.init_scope():
                answer = resize(made, tf.reshape(tf.eye(length), [1, length, 1, length]), *given)
                found: Array = answer.numpy().reshape(-1, length)
            return found

        rows = tf.matmul(tf.transpose(x, [0, 3, 2, 1]), matrix(0).T)  # [N, C, W, H']
        both = tf.matmul(tf.transpose(rows, [0, 1, 3, 2]), matrix(1).T)
        return tf.transpose(both, [0, 2, 3, 1])

    return form


def _bicubic(made: Any, x: Any, size: int) -> Any:
    return _RAW.ResizeBicubic(images=x, size=[size, 1], **_corners(made))


def _area(made: Any, x: Any, size: int) -> Any:
    return _RAW.ResizeArea(images=x, size=[size, 1], align_corners=made.get_attr("align_corners"))


def _scaled(made: Any, x: Any, size: int, scale: float, translation: float) -> Any:
    return _RAW.ScaleAndTranslate(
        images=x, size=[size, 1], scale=[scale, 1.0], translation=[translation, 0.0],
        kernel_type=made.get_attr("kernel_type").decode(), antialias=made.get_attr("antialias"),
    )  # fmt: skip


def _corners(made: Any) -> dict[str, bool]:
    return {name: made.get_attr(name) for name in ("align_corners", "half_pixel_centers")}


def _erf(made: Any, x: Any) -> Any:
    """Return erf(x) to 1.5e-7 (Abramowitz and Stegun 1964, 7.1.26)."""
    terms = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
    t = 1 / (1 + 0.3275911 * tf.abs(x))
    polynomial = terms[0] * t
    for term in terms[1:]:
        polynomial = (polynomial + term) * t
    return tf.sign(x) * (1 - polynomial * tf.exp(-x * x))


def _asinh(made: Any, x: Any) -> Any:
    size = tf.abs(x)
    return tf.sign(x) * tf.math.log(size + tf.sqrt(size * size + 1))


def _cross(made: Any, a: Any, b: Any) -> Any:
    """Return the vector product, over the last axis of 3."""
    (a1, a2), (b1, b2) = ([tf.gather(v, places, axis=-1) for places in _OTHERS] for v in (a, b))
    return a1 * b2 - a2 * b1


def _contrast(made: Any, x: Any, factor: Any) -> Any:
    mean = tf.reduce_mean(x, axis=[-3, -2], keepdims=True)
    return (x - mean) * factor + mean


FORMS: dict[str, Form] = {
    "Acos": lambda made, x: tf.atan2(tf.sqrt(tf.nn.relu(1 - x * x)), x),
    "Acosh": lambda made, x: tf.math.log(x + tf.sqrt(x * x - 1)),
    "AdjustContrastv2": _contrast,
    "Asin": lambda made, x: tf.atan2(x, tf.sqrt(tf.nn.relu(1 - x * x))),
    "Asinh": _asinh,
    "Atan": lambda made, x: tf.atan2(x, tf.ones_like(x)),
    "Atanh": lambda made, x: 0.5 * (tf.math.log(1 + x) - tf.math.log(1 - x)),
    "AvgPool3D": _pooled_3d(tf.nn.avg_pool2d),
    "Cosh": lambda made, x: 0.5 * (tf.exp(x) + tf.exp(-x)),
    "Cross": _cross,
    "Erf": _erf,
    "ExtractImagePatches": _patches,
    "MaxPool3D": _pooled_3d(tf.nn.max_pool2d),
    "ResizeArea": _resized(_area),
    "ResizeBicubic": _resized(_bicubic),
    "ScaleAndTranslate": _resized(_scaled),
    "Sinh": lambda made, x: 0.5 * (tf.exp(x) - tf.exp(-x)),
    "Tan": lambda made, x: tf.sin(x) / tf.cos(x),
}
# Those that are made for the sides that they are given.
OF_SIDES = frozenset((
    "AvgPool3D", "ExtractImagePatches", "MaxPool3D", "ResizeArea", "ResizeBicubic",
    "ScaleAndTranslate",
))  # fmt: skip
