"""The network, and what stands behind it in a file."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from edgekit.families.deeplab_v3 import ATROUS_RATES, HEAD_CHANNELS, Config
from edgekit.families.deeplab_v3.lean import lean
from edgekit.families.mobilenet_v2.network import body, conv

layers = keras.layers
CLASSIFIER = "semantic"  # the last convolution


def build(config: Config) -> Any:
    """Return the network: images `[N, H, W, C]` in [-1, 1] to logits `[N, H/stride, W/stride, K]`.

    The body of MobileNetV2 up to its 320 channels, whose layers bear keras.applications' names;
    then a 1x1 convolution beside the mean over the picture, with the full head three dilated 3x3
    convolutions as well, one projection and the classifier. The head's ReLUs have no limit. Sizes
    need not be 1 + 16k.
    """
    image = layers.Input((config.resolution, config.resolution, config.channels), name="image")
    head = partial(conv, channels=HEAD_CHANNELS, config=config.backbone, limit=None)
    x = body(image, config.backbone, config.output_stride)
    size = x.shape[1:3]
    pooled = layers.GlobalAveragePooling2D(keepdims=True, name="image_mean")(x)
    pooled = head(pooled, "image_pooling")
    pooled = layers.UpSampling2D(size, interpolation="bilinear", name="image_spread")(pooled)
    branches = [pooled, head(x, "aspp0")]
    for number, rate in enumerate(ATROUS_RATES if config.aspp else (), start=1):
        dilation = rate * 16 // config.output_stride
        branches.append(head(x, f"aspp{number}", kernel=3, dilation=dilation))
    x = layers.Concatenate(name="branches")(branches)
    x = head(x, "concat_projection")
    x = layers.Conv2D(config.classes, 1, name=CLASSIFIER)(x)
    return keras.Model(image, x, name="deeplab_v3")


def finish(network: Any, config: Config) -> Any:
    """Return the network, lean, with what its files answer behind it, of `config.answer_size`.

    The logits grow bilinearly, then become probabilities or the label of the largest. With an
    `answer_stride` above 1 the arg-max stands before the last part of the growing, which is left to
    whoever lays the answer over the picture; with a larger `argmax_stride` each label is repeated.
    """
    network = lean(network)
    x = network.output
    if x.shape[1] != config.argmax_size:
        x = Resize(config.argmax_size, config.align_corners, name="grown")(x)
    last = {
        "labels": Labels,
        "logits": lambda name: layers.Activation("linear", name=name),
        "probabilities": layers.Softmax,
    }[config.answer]
    repeated = config.argmax_size != config.answer_size
    x = last(name="few_labels" if repeated else config.answer)(x)
    if repeated:
        x = Repeat(config.answer_size, config.align_corners, name=config.answer)(x)
    return keras.Model(network.input, x, name=network.name)


def resize(maps: Any, size: Any, align_corners: bool) -> Any:
    """Return maps `[N, h, w, C]` as `[N, *size, C]`, bilinear."""
    return tf.raw_ops.ResizeBilinear(
        images=maps, size=size, align_corners=align_corners, half_pixel_centers=not align_corners
    )


class Resize(keras.layers.Layer):  # type: ignore[misc]
    """Bilinear, by either of the two conventions: Keras has the half-pixel one alone."""

    def __init__(self, size: int, align_corners: bool, **options: Any) -> None:
        super().__init__(**options)
        self.size, self.align_corners = size, align_corners

    def call(self, maps: Any) -> Any:
        """Return `[N, h, w, C]` as `[N, size, size, C]`."""
        return resize(maps, (self.size, self.size), self.align_corners)


class Labels(keras.layers.Layer):  # type: ignore[misc]
    """The index of the largest logit of each place; of equal ones the first."""

    def call(self, logits: Any) -> Any:
        """Return `[N, H, W, K]` as `[N, H, W]` int32."""
        return tf.argmax(logits, axis=-1, output_type=tf.int32)


class Repeat(keras.layers.Layer):  # type: ignore[misc]
    """Labels repeated, each place that of the nearest: rows last, which are copied whole."""

    def __init__(self, size: int, align_corners: bool, **options: Any) -> None:
        super().__init__(**options)
        self.size, self.align_corners = size, align_corners

    def call(self, labels: Any) -> Any:
        """Return `[N, h, w]` as `[N, size, size]`."""
        places = nearest(labels.shape[1], self.size, self.align_corners)
        return tf.gather(tf.gather(labels, places, axis=2), places, axis=1)


def nearest(few: int, many: int, align_corners: bool) -> Any:
    """Return which of `few` places is nearest to each of `many` along the same side, `[many]`."""
    if align_corners:
        return np.floor(np.arange(many) * (few - 1) / max(many - 1, 1) + 0.5).astype(np.int32)
    return np.floor((np.arange(many) + 0.5) * few / many).astype(np.int32)
