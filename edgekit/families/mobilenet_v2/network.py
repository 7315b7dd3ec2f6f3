"""The network, in tf_keras, since quantization-aware training takes Keras 2 models only."""

from __future__ import annotations

from typing import Any

import tf_keras as keras

from edgekit.families.mobilenet_v2 import BODY, Config, head_channels, make_divisible

layers = keras.layers


def build(config: Config) -> Any:
    """Return MobileNetV2: images `[N, H, W, C]` in [-1, 1] to probabilities `[N, classes]`.

    Padding is SAME throughout: for even sizes the numbers are those of explicit padding, and the
    exported graph holds no PAD. Layers bear keras.applications' names, so that published weights
    load by name. Without the top the result is the last feature map `[N, H/32, W/32, 1280]`, or
    with pooling its mean over places `[N, 1280]`.
    """
    image = layers.Input((config.resolution, config.resolution, config.channels), name="image")
    x = body(image, config)
    x = conv(x, "Conv_1", head_channels(config.alpha), config, relu="out_relu")
    if config.include_top or config.pooling:
        x = layers.GlobalAveragePooling2D(name="global_average_pooling2d")(x)
    if config.include_top:
        if config.dropout:
            x = layers.Dropout(config.dropout, name="dropout")(x)
        x = layers.Dense(config.classes, activation="softmax", name="predictions")(x)
    return keras.Model(image, x, name="mobilenet_v2")


def body(image: Any, config: Config, output_stride: int = 32) -> Any:
    """Return what the 17 inverted residuals make of images: `[N, H/stride, W/stride, 320 alpha]`.

    From `output_stride` on (32, 16 or 8) a block's stride is left out, and the depthwise filters
    behind it are dilated by as much: they see what they saw, on a finer map (Chen et al.,
    arXiv:1706.05587, section 3.1).
    """
    x = conv(
        image,
        "Conv1",
        make_divisible(32 * config.alpha, config.divisor),
        config,
        kernel=3,
        strides=2,
    )
    block, reached, dilation = 0, 2, 1
    for expansion, channels, repeats, stride in BODY:
        out = make_divisible(channels * config.alpha, config.divisor)
        strides, widened = (1, stride) if reached == output_stride else (stride, 1)
        reached *= strides
        for repeat in range(repeats):
            x = _block(x, block, expansion, out, 1 if repeat else strides, dilation, config)
            dilation *= 1 if repeat else widened
            block += 1
    return x


def conv(
    x: Any,
    name: str,
    channels: int,
    config: Config,
    kernel: int = 1,
    strides: int = 1,
    dilation: int = 1,
    relu: str | None = None,
    limit: float | None = 6.0,
) -> Any:
    """Convolution, batch norm, ReLU up to `limit`."""
    x, padding = _pad(x, f"{name}_pad", strides, config)
    x = layers.Conv2D(
        channels, kernel, strides=strides, padding=padding, dilation_rate=dilation, use_bias=False,
        name=name,
    )(x)  # fmt: skip
    bn = {"Conv1": "bn_Conv1", "Conv_1": "Conv_1_bn"}.get(name, f"{name}_BN")
    x = _normalize(x, bn, config)
    return layers.ReLU(limit, name=relu or f"{name}_relu")(x)


def _block(
    x: Any, index: int, expansion: int, channels: int, stride: int, dilation: int, config: Config
) -> Any:
    """One inverted residual: expand 1x1, filter depthwise 3x3, project 1x1 without activation."""
    name = f"block_{index}" if index else "expanded_conv"
    inputs, width = x, x.shape[-1]
    if expansion > 1:
        x = conv(x, f"{name}_expand", expansion * width, config)
    x, padding = _pad(x, f"{name}_pad", stride, config)
    x = layers.DepthwiseConv2D(
        3, strides=stride, padding=padding, dilation_rate=dilation, use_bias=False,
        name=f"{name}_depthwise",
    )(x)  # fmt: skip
    x = _normalize(x, f"{name}_depthwise_BN", config)
    x = layers.ReLU(6.0, name=f"{name}_depthwise_relu")(x)
    x = layers.Conv2D(channels, 1, padding="same", use_bias=False, name=f"{name}_project")(x)
    x = _normalize(x, f"{name}_project_BN", config)
    if stride == 1 and width == channels:
        x = layers.Add(name=f"{name}_add")([inputs, x])
    return x


def _pad(x: Any, name: str, strides: int, config: Config) -> tuple[Any, str]:
    """Return the input of a 3x3 convolution and the padding that is left to the layer itself.

    For even sizes SAME at stride 2 pads behind the last pixel alone, PyTorch before the first one.
    The PAD op that this makes costs nothing where the kernels take it in, as XNNPACK's do; a 4x4
    kernel with a row and a column of zeros would need none, and took 13% longer in int8.
    """
    if strides == 1 or config.padding == "same":
        return x, "same"
    return layers.ZeroPadding2D(1, name=name)(x), "valid"


def _normalize(x: Any, name: str, config: Config) -> Any:
    return layers.BatchNormalization(
        epsilon=config.bn_epsilon, momentum=config.bn_momentum, name=name
    )(x)
