"""Embeddings and places of extremes traced as the one op that they are.

Keras 3 counts negative ids from the end of the table, by three more ops on ids, which delegates
lack and TensorFlow's quantizer for 16-bit activations fails on. An Embedding takes none: its
documentation says nonnegative. Before it looks for the place of an extreme it tells a negative zero
from zero, by the bits of numbers, on which TFLite has no ops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras as keras3
import tensorflow as tf
from keras.src import backend

from edgekit.export.tracing.replaced_calls import called_by


@contextmanager
def plain_lookups(model: Any) -> Iterator[None]:
    """Let the embeddings of a Keras 3 model look up their ids as they are meanwhile.

    One with additions of low rank, or with integer weights, is left as it is.
    """
    with ExitStack() as stack:
        for layer in model._flatten_layers():
            ordinary = type(layer) is keras3.layers.Embedding
            if ordinary and not layer.lora_enabled and layer.quantization_mode is None:
                stack.enter_context(called_by(layer, _looking_up(layer)))
        yield


@contextmanager
def plain_extremes() -> Iterator[None]:
    """Let Keras 3 tell the place of the first extreme, zeros of either sign being alike."""
    own = backend.numpy.argmax, backend.numpy.argmin
    backend.numpy.argmax, backend.numpy.argmin = _finding(tf.argmax), _finding(tf.argmin)
    try:
        yield
    finally:
        backend.numpy.argmax, backend.numpy.argmin = own


def _finding(find: Callable[..., Any]) -> Callable[..., Any]:
    def find_place(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
        values = tf.convert_to_tensor(x)
        if axis is None:
            place = find(tf.reshape(values, [-1]), axis=0, output_type=tf.int32)
            return tf.reshape(place, [1] * values.shape.rank) if keepdims else place
        place = find(values, axis=axis, output_type=tf.int32)
        return tf.expand_dims(place, axis) if keepdims else place

    return find_place


def _looking_up(layer: Any) -> Callable[[Any], Any]:
    def look_up(ids: Any) -> Any:
        whole = ids if ids.dtype in (tf.int32, tf.int64) else tf.cast(ids, tf.int32)
        return tf.cast(tf.gather(layer.embeddings.value, whole), layer.compute_dtype)

    return look_up
