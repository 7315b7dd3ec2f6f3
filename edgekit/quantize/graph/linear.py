"""What a linear op does to means and to noise: the arithmetic behind the techniques."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.quantize.graph.float_graph import FloatGraph, FloatOp

Array = npt.NDArray[Any]


def rows_of(graph: FloatGraph, op: FloatOp) -> Array:
    """Return a linear op's weights as `[output channels, K]`."""
    weights = graph.weights(op).astype(np.float64)
    rows: Array = weights.reshape(-1, weights.shape[-1]).T if _last(op) else weights
    return rows.reshape(len(rows), -1)


def shaped(graph: FloatGraph, op: FloatOp, rows: Array) -> Array:
    """Return rows `[output channels, K]` in the shape of the op's weights."""
    weights: Array = (rows.T if _last(op) else rows).reshape(graph.weights(op).shape)
    return weights


def by_channel(values: Array) -> Array:
    """Return values `[..., C]` as rows of channels `[M, C]`."""
    return values.reshape(-1, values.shape[-1])


def patches(op: FloatOp, weights: Array, values: Array) -> Array:
    """Return what each output position sees, `[M, taps, C]`, of inputs `[N, (1,) H, W, C]`.

    A fully connected op has one position and one tap, its whole input.
    """
    if op.kind == "FULLY_CONNECTED":
        return values.reshape(-1, 1, weights.shape[-1])
    height, width = weights.shape[1:3]
    images = values.reshape(-1, *values.shape[-3:])
    dilated = [(size - 1) * d + 1 for size, d in zip((height, width), op.dilations, strict=True)]
    images = _padded(op, images, dilated)
    across, down = op.strides, op.dilations
    windows: Array = np.lib.stride_tricks.sliding_window_view(images, tuple(dilated), (1, 2))  # type: ignore[call-overload]
    windows = windows[:, :: across[0], :: across[1], :, :: down[0], :: down[1]]
    taps = np.moveaxis(windows, 3, -1)  # [N, H', W', h, w, C]
    return taps.reshape(-1, height * width, images.shape[-1])


def channel_means(graph: FloatGraph, op: FloatOp, values: Array) -> Array:
    """Return each output channel's mean `[O]` over examples and positions, without the bias.

    A linear op's mean answer is its answer to the mean input: examples need not be run one by one.
    """
    weights, rows = graph.weights(op), rows_of(graph, op)
    mean = values.mean(axis=0, dtype=np.float64)
    seen = patches(op, weights, mean[np.newaxis]).mean(axis=0)  # [taps, C]
    own = channels_read(op, weights, seen.shape[-1])
    if own is None:
        shared: Array = rows @ seen.reshape(-1)
        return shared
    taps = np.moveaxis(seen[:, own], 1, 0)  # [O, taps, C']
    answer: Array = (rows * taps.reshape(len(rows), -1)).sum(axis=1)
    return answer


def channels_read(op: FloatOp, weights: Array, channels: int) -> Array | None:
    """Return which of so many input channels each output channel reads, `[O, C']`.

    None where each reads all. A depthwise convolution reads one, one in groups its group's.
    """
    depthwise = op.kind == "DEPTHWISE_CONV_2D"
    outputs, each = (weights.shape[-1], 1) if depthwise else (len(weights), weights.shape[-1])
    if op.kind == "FULLY_CONNECTED" or each == channels:
        return None
    first = np.arange(outputs) * (channels // each) // outputs * each
    return first[:, np.newaxis] + np.arange(each)


def _padded(op: FloatOp, images: Array, window: list[int]) -> Array:
    if op.padding == "VALID":
        return images
    pads = [(0, 0)]
    for size, stride, span in zip(images.shape[1:3], op.strides, window, strict=True):
        total = max((-(-size // stride) - 1) * stride + span - size, 0)
        pads.append((total // 2, total - total // 2))
    return np.pad(images, [*pads, (0, 0)])


def _last(op: FloatOp) -> bool:
    """Whether the output channels are the last axis of the weights."""
    return op.kind == "DEPTHWISE_CONV_2D"
