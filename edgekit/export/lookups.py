"""Embeddings traced as the one lookup that they are.

Keras 3 counts negative ids from the end of the table, by three more ops on ids, which delegates
lack and TensorFlow's quantizer for 16-bit activations fails on. An Embedding takes none: its
documentation says nonnegative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras as keras3
import tensorflow as tf

from edgekit.export.replaced_calls import called_by


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


def _looking_up(layer: Any) -> Callable[[Any], Any]:
    def look_up(ids: Any) -> Any:
        whole = ids if ids.dtype in (tf.int32, tf.int64) else tf.cast(ids, tf.int32)
        return tf.cast(tf.gather(layer.embeddings.value, whole), layer.compute_dtype)

    return look_up
