"""Upsampling by whole numbers traced as the one op that it is.

Keras 3 repeats rows, then columns: TFLite gets five ops for that, which part a delegate's network
in two, and ONNX six with two transpositions, in float whatever the scheme.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras as keras3
import numpy as np
import tensorflow as tf

from edgekit.export.tracing.replaced_calls import called_by


@contextmanager
def plain_enlargements(model: Any) -> Iterator[None]:
    """Let the layers of a Keras 3 model that repeat rows and columns resize meanwhile."""
    layers = keras3.layers
    with ExitStack() as stack:
        for layer in model._flatten_layers():
            if type(layer) is layers.UpSampling1D:
                stack.enter_context(called_by(layer, _lengthening(layer.size)))
            elif type(layer) is layers.UpSampling2D and layer.interpolation == "nearest":
                stack.enter_context(called_by(layer, _enlarging(layer)))
        yield


def _lengthening(factor: int) -> Callable[[Any], Any]:
    def lengthen(series: Any) -> Any:
        return tf.squeeze(_repeated(tf.expand_dims(series, 2), factor, 1), 2)

    return lengthen


def _enlarging(layer: Any) -> Callable[[Any], Any]:
    def enlarge(maps: Any) -> Any:
        if layer.data_format == "channels_last":
            return _repeated(maps, *layer.size)
        return tf.transpose(_repeated(tf.transpose(maps, (0, 2, 3, 1)), *layer.size), (0, 3, 1, 2))

    return enlarge


def _repeated(maps: Any, high: int, wide: int) -> Any:
    """Return `[N, H, W, C]` with each row and column repeated.

    A place is found by a product in float32, just a whole number where a row begins, which may be
    rounded to less where 41 are made of one; half a pixel further it is not.
    """
    if maps.dtype == tf.bool:  # which cannot be resized
        return tf.repeat(tf.repeat(maps, high, 1), wide, 2)
    _, height, width, _ = maps.shape
    exact = _begins(height, high) and _begins(width, wide)
    return tf.raw_ops.ResizeNearestNeighbor(
        images=maps, size=[height * high, width * wide], half_pixel_centers=not exact
    )


def _begins(side: int, factor: int) -> bool:
    """Whether each row begins where the product says so."""
    places = np.arange(side * factor, dtype=np.float32) * np.float32(side / (side * factor))
    return bool((np.floor(places) == np.arange(side * factor) // factor).all())
