"""The network: MobileNetV2, four more maps, and a predictor on each of the six."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras as keras

from edgekit.families.mobilenet_v2 import head_channels, make_divisible
from edgekit.families.mobilenet_v2.network import body, conv
from edgekit.families.ssdlite import EXTRA, Config

layers = keras.layers

MIDDLE = "block_13_expand_relu"  # the expansion of layer 15, the last map of stride 16
PRIOR = 0.01  # what a class's sigmoid begins with: negatives are many (arXiv:1708.02002, 4.1)
CODES, LOGITS = "codes", "logits"


def build(config: Config) -> Any:
    """Return the network: images `[N, H, W, C]` in [-1, 1] to codes and logits.

    They are `[N, A, 4]` and `[N, A, classes]`, by anchor in the order of `tasks.anchors`. The
    body's layers bear keras.applications' names.
    """
    image = layers.Input((config.resolution, config.resolution, config.channels), name="image")
    codes, logits = [], []
    for number, (x, anchors) in enumerate(
        zip(_maps(image, config), config.anchors.per_place, strict=True)
    ):
        codes.append(_predict(x, f"box_{number}", anchors, 4, config))
        logits.append(_predict(x, f"class_{number}", anchors, config.classes, config))
    found = [layers.Concatenate(axis=1, name=CODES)(codes),
             layers.Concatenate(axis=1, name=LOGITS)(logits)]  # fmt: skip
    return keras.Model(image, found, name="ssdlite")


def finish(network: Any, config: Config) -> Any:
    """Return the network with names for its answers, which are those of its files."""
    codes, logits = network.outputs
    return keras.Model(network.input, {CODES: codes, LOGITS: logits}, name=network.name)


def tail(network: Any, config: Config) -> Callable[[str], Any] | None:
    """Return what builds the boxes behind codes and logits, for a format: see `postprocess`."""
    if config.answer == "raw":
        return None

    def build_tail(format: str) -> Any:
        from edgekit.families.ssdlite.postprocess import CustomOp, Suppressed, postprocess

        custom = config.answer == "postprocess" and format == "tflite"
        return postprocess(CustomOp if custom else Suppressed, config)

    return build_tail


def _maps(image: Any, config: Config) -> list[Any]:
    """Return the six maps, of strides 16, 32 and so on."""
    backbone = config.backbone
    x = body(image, backbone)
    middle = keras.Model(image, x).get_layer(MIDDLE).output
    x = conv(x, "Conv_1", head_channels(config.alpha), backbone, relu="out_relu")
    found = [middle, x]
    for number, full in enumerate(EXTRA, start=2):
        channels = make_divisible(full * config.alpha)
        x = conv(x, f"extra_{number}_reduce", make_divisible(channels / 2), backbone)
        if config.head == "ssd":
            x = conv(x, f"extra_{number}", channels, backbone, kernel=3, strides=2)
        else:
            x = _depthwise(x, f"extra_{number}", 2, config)
            x = conv(x, f"extra_{number}", channels, backbone)
        found.append(x)
    return found


def _predict(x: Any, name: str, anchors: int, values: int, config: Config) -> Any:
    """Return what a map says of its anchors, `[N, h * w * anchors, values]`."""
    bias = "zeros"
    if name.startswith("class"):
        bias = keras.initializers.Constant(float(-tf.math.log((1 - PRIOR) / PRIOR)))
    kernel = 3 if config.head == "ssd" else 1
    if kernel == 1:
        x = _depthwise(x, name, 1, config)
    x = layers.Conv2D(
        anchors * values, kernel, padding="same", name=name, bias_initializer=bias,
        kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.03),
    )(x)  # fmt: skip
    return layers.Reshape((-1, values), name=f"{name}_flat")(x)


def _depthwise(x: Any, name: str, strides: int, config: Config) -> Any:
    x = layers.DepthwiseConv2D(
        3, strides=strides, padding="same", use_bias=False, name=f"{name}_depthwise"
    )(x)
    x = layers.BatchNormalization(
        epsilon=config.bn_epsilon, momentum=config.bn_momentum, name=f"{name}_depthwise_BN"
    )(x)
    return layers.ReLU(6.0, name=f"{name}_depthwise_relu")(x)
