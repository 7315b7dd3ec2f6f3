"""Published networks as op lists, written from their papers' layer tables.

tests/benchmarks/test_networks.py compares every count with a published one. Where the file that was
timed departs from the paper, the timed file counts; the docstring says how.
"""

from __future__ import annotations

from collections.abc import Callable

from edgekit.profile.graph import Graph
from op_list import Builder, Map, channels_of


def _divisible(value: float, divisor: int = 8) -> int:
    """The rule of tensorflow/models: to the nearest multiple, never more than 10% down."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


# t, c, n, s of table 2 in arXiv:1801.04381.
MOBILENET_V2 = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                (6, 160, 3, 2), (6, 320, 1, 1))  # fmt: skip
# t, c, n, s, k: arXiv:1807.11626, B1.
MNASNET = ((1, 16, 1, 1, 3), (3, 24, 3, 2, 3), (3, 40, 3, 2, 5), (6, 80, 3, 2, 5), (6, 96, 2, 1, 3),
           (6, 192, 4, 2, 5), (6, 320, 1, 1, 3))  # fmt: skip
# t, c, k, s of each block: arXiv:1812.00332.
PROXYLESS = (
    (1, 32, 3, 1), (None, 32, 5, 2), (3, 32, 3, 1), (3, 40, 7, 2), (3, 40, 3, 1), (3, 40, 5, 1),
    (3, 40, 5, 1), (6, 80, 7, 2), (3, 80, 5, 1), (3, 80, 5, 1), (3, 80, 5, 1), (6, 96, 5, 1),
    (3, 96, 5, 1), (3, 96, 5, 1), (3, 96, 5, 1), (6, 192, 7, 2), (6, 192, 7, 1), (3, 192, 7, 1),
    (3, 192, 7, 1), (6, 320, 7, 1),
)  # fmt: skip
# t, c, n, s, k of table 1 in arXiv:1905.11946.
EFFICIENTNET_B0 = ((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3),
                   (6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3))  # fmt: skip
# expansion, c, k, s, squeeze and excite, hard swish: table 1 in arXiv:1905.02244.
MOBILENET_V3 = (
    (16, 16, 3, 1, 0, 0), (64, 24, 3, 2, 0, 0), (72, 24, 3, 1, 0, 0), (72, 40, 5, 2, 1, 0),
    (120, 40, 5, 1, 1, 0), (120, 40, 5, 1, 1, 0), (240, 80, 3, 2, 0, 1), (200, 80, 3, 1, 0, 1),
    (184, 80, 3, 1, 0, 1), (184, 80, 3, 1, 0, 1), (480, 112, 3, 1, 1, 1), (672, 112, 3, 1, 1, 1),
    (672, 160, 5, 1, 1, 1), (672, 160, 5, 2, 1, 1), (960, 160, 5, 1, 1, 1),
)  # fmt: skip
# Branches of each inception module: 1x1; 3x3 reduce, 3x3; 5x5 reduce, 5x5; pool projection:
# table 1 in arXiv:1409.4842.
GOOGLENET = (
    (64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), None, (192, 96, 208, 16, 48, 64),
    (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64), (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128), None, (256, 160, 320, 32, 128, 128),
    (384, 192, 384, 48, 128, 128),
)  # fmt: skip


def inverted_residual(
    b: Builder, x: Map, wide: int, channels: int, kernel: int, stride: int, *,
    expand: bool = True, squeeze: int = 0, swish: str = "",
) -> Map:  # fmt: skip
    """Expand 1x1, filter depthwise, project 1x1; `swish` names an activation that runs apart."""

    def activate(y: Map) -> Map:
        return b.elementwise(swish, y) if swish else y

    y = activate(b.conv(x, wide)) if expand else x
    y = b.depthwise(y, kernel, stride)
    y = b.squeeze_excite(activate(y), squeeze) if squeeze else activate(y)
    y = b.conv(y, channels)
    return b.elementwise("add", y, x) if stride == 1 and channels_of(x) == channels else y


def mobilenet_v1(alpha: float = 1.0, resolution: int = 224, dtype: str = "float32") -> Graph:
    """arXiv:1704.04861, table 1."""
    b = Builder("mobilenet", resolution, dtype)
    x = b.conv(b.image, int(32 * alpha), 3, 2)
    for channels, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
                             *[(512, 1)] * 5, (1024, 2), (1024, 1)):  # fmt: skip
        x = b.conv(b.depthwise(x, 3, stride), int(channels * alpha))
    return b.classify(x)


def mobilenet_v2(
    alpha: float = 1.0, resolution: int = 224, dtype: str = "float32", *, classes: int = 1000,
    expand_first: bool = False,
) -> Graph:  # fmt: skip
    """arXiv:1801.04381, table 2; `expand_first` keeps the 1x1 convolution of t = 1."""
    b = Builder("mobilenet_v2", resolution, dtype)
    x = b.conv(b.image, _divisible(32 * alpha), 3, 2)
    for t, c, n, s in MOBILENET_V2:
        for i in range(n):
            wide, out = t * channels_of(x), _divisible(c * alpha)
            expand = t > 1 or expand_first
            x = inverted_residual(b, x, wide, out, 3, s if i == 0 else 1, expand=expand)
    return b.classify(b.conv(x, _divisible(1280 * max(1.0, alpha))), classes)


def mnasnet(dtype: str = "float32") -> Graph:
    b = Builder("mnasnet", 224, dtype)
    x = b.conv(b.image, 32, 3, 2)
    for t, c, n, s, k in MNASNET:
        for i in range(n):
            stride = s if i == 0 else 1
            x = inverted_residual(b, x, t * channels_of(x), c, k, stride, expand=t > 1)
    return b.classify(b.conv(x, 1280))


def proxylessnasnet(dtype: str = "float32") -> Graph:
    """Its second block widens to 48, whatever comes in."""
    b = Builder("proxylessnasnet", 224, dtype)
    x = b.conv(b.image, 32, 3, 2)
    for t, c, k, s in PROXYLESS:
        wide = 48 if t is None else t * channels_of(x)
        x = inverted_residual(b, x, wide, c, k, s, expand=t != 1)
    return b.classify(b.conv(x, 1280))


def efficientnet_b0(dtype: str = "float32") -> Graph:
    b = Builder("efficientnet_b0", 224, dtype)
    x = b.elementwise("swish", b.conv(b.image, 32, 3, 2))
    for t, c, n, s, k in EFFICIENTNET_B0:
        for i in range(n):
            stride, depth = s if i == 0 else 1, channels_of(x)
            x = inverted_residual(b, x, t * depth, c, k, stride, expand=t > 1,
                                  squeeze=depth // 4, swish="swish")  # fmt: skip
    return b.classify(b.elementwise("swish", b.conv(x, 1280)))


def shufflenet_v2(dtype: str = "float32") -> Graph:
    """arXiv:1807.11164, 1x: table 5."""
    b = Builder("shufflenet_v2", 224, dtype)
    x = b.pool(b.conv(b.image, 24, 3, 2), 3, 2)
    for channels, repeats in ((116, 3), (232, 7), (464, 3)):
        half = channels // 2
        left = b.conv(b.depthwise(x, 3, 2), half)
        right = b.conv(b.depthwise(b.conv(x, half), 3, 2), half)
        x = b.elementwise("transpose", b.concat(left, right))
        for _ in range(repeats):
            y = b.conv(b.depthwise(b.conv(b.slice(x, half), half)), half)
            x = b.elementwise("transpose", b.concat(b.slice(x, half), y))
    return b.classify(b.conv(x, 1024))


def shufflenet(dtype: str = "float32") -> Graph:
    """arXiv:1707.01083, 1x, 3 groups; a stage's first 1x1 convolution shrinks to a quarter."""
    b = Builder("shufflenet", 224, dtype)
    x = b.pool(b.conv(b.image, 24, 3, 2), 3, 2)
    for stage, (channels, repeats) in enumerate(((240, 3), (480, 7), (960, 3))):
        grown = channels - channels_of(x)
        y = b.conv(x, grown // 4, groups=3 if stage else 1)
        y = b.elementwise("transpose", y) if stage else y
        y = b.conv(b.depthwise(y, 3, 2), grown, groups=3)
        x = b.concat(b.pool(x, 3, 2), y)
        for _ in range(repeats):
            y = b.elementwise("transpose", b.conv(x, channels // 4, groups=3))
            x = b.elementwise("add", b.conv(b.depthwise(y), channels, groups=3), x)
    return b.classify(x)


def squeezenet(dtype: str = "float32") -> Graph:
    """SqueezeNet 1.1 at 227; the timed file pads its last convolution by one."""
    b = Builder("squeezenet", 227, dtype)
    x = b.conv(b.image, 64, 3, 2, pad=0)
    for stage in ((16, 16), (32, 32), (48, 48, 64, 64)):
        x = b.pool(x, 3, 2)
        for narrow in stage:
            y = b.conv(x, narrow)
            x = b.concat(b.conv(y, 4 * narrow), b.conv(y, 4 * narrow, 3))
    x = b.mean(b.conv(x, 1000, pad=1))
    return b.graph(b.elementwise("softmax", x))


def mobilenet_v3(dtype: str = "float32") -> Graph:
    """Large; the timed file squeezes to a quarter of the widened channels, unrounded."""
    b = Builder("mobilenet_v3", 224, dtype)
    x = b.elementwise("hard_swish", b.conv(b.image, 16, 3, 2))
    for wide, channels, kernel, stride, squeeze, hard in MOBILENET_V3:
        x = inverted_residual(
            b, x, wide, channels, kernel, stride, expand=wide != channels_of(x),
            squeeze=wide // 4 if squeeze else 0, swish="hard_swish" if hard else "",
        )  # fmt: skip
    x = b.mean(b.elementwise("hard_swish", b.conv(x, 960)))
    x = b.fully_connected(b.elementwise("hard_swish", x), 1280)
    x = b.fully_connected(b.elementwise("hard_swish", x), 1000)
    return b.graph(b.elementwise("softmax", x))


def regnety_400m(dtype: str = "float32") -> Graph:
    """arXiv:2003.13678: groups of 8 channels; squeezes to a quarter of the block's input."""
    b = Builder("regnety_400m", 224, dtype)
    x = b.conv(b.image, 32, 3, 2)
    for channels, repeats in ((48, 1), (104, 3), (208, 6), (440, 6)):
        for i in range(repeats):
            stride, squeeze = 2 if i == 0 else 1, channels_of(x) // 4
            side = b.conv(x, channels, 1, stride) if stride == 2 else x
            y = b.conv(b.conv(x, channels), channels, 3, stride, groups=channels // 8)
            y = b.conv(b.squeeze_excite(y, squeeze), channels)
            x = b.elementwise("add", y, side)
    return b.classify(x)


def googlenet(dtype: str = "float32") -> Graph:
    """The deploy network: no auxiliary classifiers."""
    b = Builder("googlenet", 224, dtype)
    x = b.elementwise("lrn", b.pool(b.conv(b.image, 64, 7, 2), 3, 2))
    x = b.elementwise("lrn", b.conv(b.conv(x, 64), 192, 3))
    x = b.pool(x, 3, 2)
    for branches in GOOGLENET:
        x = _inception(b, x, branches) if branches else b.pool(x, 3, 2)
    return b.classify(x)


def _inception(b: Builder, x: Map, branches: tuple[int, ...]) -> Map:
    one, reduce_3, three, reduce_5, five, pooled = branches
    return b.concat(
        b.conv(x, one), b.conv(b.conv(x, reduce_3), three, 3),
        b.conv(b.conv(x, reduce_5), five, 5), b.conv(b.pool(x, 3, 1, 1), pooled),
    )  # fmt: skip


def resnet18(dtype: str = "float32") -> Graph:
    """arXiv:1512.03385, table 1; the timed file projects the first block's shortcut as well."""
    b = Builder("resnet18", 224, dtype)
    x = b.pool(b.conv(b.image, 64, 7, 2), 3, 2)
    for stage, channels in enumerate((64, 128, 256, 512)):
        for i in range(2):
            stride = 2 if stage and i == 0 else 1
            side = b.conv(x, channels, 1, stride) if i == 0 else x
            y = b.conv(b.conv(x, channels, 3, stride), channels, 3)
            x = b.elementwise("add", y, side)
    return b.classify(x)


def resnet50(dtype: str = "float32") -> Graph:
    """arXiv:1512.03385, table 1: the stride stands on the first 1x1 convolution."""
    b = Builder("resnet50", 224, dtype)
    x = b.pool(b.conv(b.image, 64, 7, 2), 3, 2)
    for stage, (channels, repeats) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for i in range(repeats):
            stride = 2 if stage and i == 0 else 1
            side = b.conv(x, 4 * channels, 1, stride) if i == 0 else x
            y = b.conv(b.conv(b.conv(x, channels, 1, stride), channels, 3), 4 * channels)
            x = b.elementwise("add", y, side)
    return b.classify(x)


def alexnet(dtype: str = "float32") -> Graph:
    """BVLC's, at 227, with its groups."""
    b = Builder("alexnet", 227, dtype)
    x = b.conv(b.image, 96, 11, 4, pad=0)
    x = b.pool(b.elementwise("lrn", x), 3, 2)
    x = b.pool(b.elementwise("lrn", b.conv(x, 256, 5, groups=2)), 3, 2)
    x = b.conv(b.conv(x, 384, 3), 384, 3, groups=2)
    x = b.pool(b.conv(x, 256, 3, groups=2), 3, 2)
    for width in (4096, 4096, 1000):
        x = b.fully_connected(x, width)
    return b.graph(b.elementwise("softmax", x))


def vgg16(dtype: str = "float32") -> Graph:
    """arXiv:1409.1556, table 1, D."""
    b = Builder("vgg16", 224, dtype)
    x = b.image
    for channels, repeats in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(repeats):
            x = b.conv(x, channels, 3)
        x = b.pool(x, 2, 2)
    for width in (4096, 4096, 1000):
        x = b.fully_connected(x, width)
    return b.graph(b.elementwise("softmax", x))


def _expanding_mobilenet_v2(dtype: str = "float32") -> Graph:
    return mobilenet_v2(dtype=dtype, expand_first=True)


def _mobilenet(dtype: str = "float32") -> Graph:
    return mobilenet_v1(dtype=dtype)


# By the name that ncnn's table gives them.
NETWORKS: dict[str, Callable[[str], Graph]] = {
    "squeezenet": squeezenet, "mobilenet": _mobilenet, "mobilenet_v2": _expanding_mobilenet_v2,
    "mobilenet_v3": mobilenet_v3, "shufflenet": shufflenet, "shufflenet_v2": shufflenet_v2,
    "mnasnet": mnasnet, "proxylessnasnet": proxylessnasnet, "efficientnet_b0": efficientnet_b0,
    "regnety_400m": regnety_400m, "googlenet": googlenet, "resnet18": resnet18,
    "alexnet": alexnet, "vgg16": vgg16, "resnet50": resnet50,
}  # fmt: skip
