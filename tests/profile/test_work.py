"""Kernel classes of one convolution told from Keras, TFLite and ONNX alike."""

from __future__ import annotations

import pytest

from edgekit.profile.cost.work import list_work
from edgekit.profile.graph import Graph, Op, Tensor


def convolution(format: str, kernel: int, stride: int, deep: int, wide: int, groups: int) -> Graph:
    """A convolution of a 16 x 16 map with the layouts of a format."""
    size = 16 // stride
    shapes: dict[str, tuple[tuple[int, ...], ...]] = {
        "onnx": ((1, deep, 16, 16), (wide, deep // groups, kernel, kernel), (1, wide, size, size)),
        "keras": ((1, 16, 16, deep), (kernel, kernel, deep // groups, wide), (1, size, size, wide)),
        "tflite": (
            (1, 16, 16, deep),
            (wide, kernel, kernel, deep // groups),
            (1, size, size, wide),
        ),
    }
    source, weights, made = shapes[format]
    x, y = Tensor(0, "x", source, "float32"), Tensor(1, "y", made, "float32")
    w = Tensor(2, "w", weights, "float32", True, True)
    attributes = {"weights": (1,), "channel_axis": 1 if format == "onnx" else -1}
    return Graph("g", format, (x,), (y,), (Op("conv", "conv", (x, w), (y,), "", attributes),))


@pytest.mark.parametrize("format", ["onnx", "keras", "tflite"])
@pytest.mark.parametrize(
    ("kernel", "stride", "deep", "wide", "groups", "kind", "channels"),
    [
        (1, 1, 24, 32, 1, "pointwise", (24, 32)),
        (1, 2, 16, 16, 1, "pointwise", (16, 16)),
        (3, 1, 3, 3, 1, "conv3x3", (3, 3)),
        (3, 2, 3, 32, 1, "conv", (3, 32)),
        (3, 1, 24, 48, 3, "conv", (8, 16)),
        (5, 1, 8, 8, 1, "conv", (8, 8)),
    ],
)
def test_kernel_class(
    format: str, kernel: int, stride: int, deep: int, wide: int, groups: int, kind: str,
    channels: tuple[int, int],
) -> None:  # fmt: skip
    (work,) = list_work(convolution(format, kernel, stride, deep, wide, groups))
    assert (work.kind, work.channels) == (kind, channels)
    assert work.madds == (16 // stride) ** 2 * kernel**2 * deep // groups * wide


def test_padding_rounds_channels_up() -> None:
    (work,) = list_work(convolution("tflite", 1, 1, 24, 40, 1))
    assert work.padding(16) == pytest.approx(32 / 24 * 48 / 40)
    assert work.padding(8) == 1


@pytest.mark.parametrize("fused", [None, "clip", "relu"])
def test_quantize_pairs_of_onnx_are_int8_kernels(fused: str | None) -> None:
    """Bytes are those of the int8 tensors; the pairs and a Clip before one cost nothing."""
    shape = (1, 8, 4, 4)
    q, x, y, made, out = (Tensor(i, f"t{i}", shape, d) for i, d in enumerate(
        ("int8", "float32", "float32", "int8", "float32")))  # fmt: skip
    wq, w = (
        Tensor(i, f"w{i}", (8, 8, 1, 1), d, True, True) for i, d in ((5, "int8"), (6, "float32"))
    )
    attributes = {"weights": (1,), "channel_axis": 1}
    last = Tensor(7, "t7", shape, "float32") if fused else y
    ops = (
        Op("dequantize_linear", "DQ", (wq,), (w,)),
        Op("dequantize_linear", "DQ", (q,), (x,)),
        Op("conv", "Conv", (x, w), (y,), "c", attributes),
        *([Op(fused, fused, (y,), (last,))] if fused else []),
        Op("quantize_linear", "Q", (last,), (made,)),
        Op("dequantize_linear", "DQ", (made,), (out,)),
    )
    (work,) = list_work(Graph("g", "onnx", (q,), (out,), ops))
    assert (work.op.layer, work.dtype) == ("c", "int8")
    assert (work.activation_bytes, work.weight_bytes) == (2 * 128, 64)
