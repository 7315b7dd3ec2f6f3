"""Tensors of a file as its source has them, where quantization changed channels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

CHANGES = ("copies", "factors", "shifts", "constants")  # in the order in which they are undone

_REAL = re.compile("_(pre|de)quant(_.*)?$")  # behind the name of integers

Array = npt.NDArray[Any]
Arrays = dict[str, Array]


def undo(
    tensors: Arrays,
    copies: Arrays,
    factors: Arrays,
    shifts: Arrays,
    constants: Arrays,
    *,
    of_onnx: bool = False,
) -> Arrays:
    """Return tensors `[N, ..., C]` without what was done to channels, by the tensor's name.

    Args:
        tensors: of a file.
        copies: which channels were made twice, `[K]`; the copies stand behind the others.
        factors: by which those left over by pruning were multiplied, `[C]`.
        shifts: what was added to them before, `[C]`.
        constants: what the channels that were pruned always are, `[C]`, NaN for the others.
        of_onnx: whether maps may be `[N, C, H, W]`, and a tensor also be called as it is before
            it is rounded and after.

    Returns:
        All but those that have as many channels on no axis.
    """
    undone = dict(tensors)
    for name in tensors:
        known = _REAL.sub("", name) if of_onnx else name
        changes = [kind.get(known) for kind in (copies, factors, shifts, constants)]
        if not any(change is not None for change in changes):
            continue
        value = undone.pop(name)
        first = channel_axis(value.shape, of_onnx=of_onnx)
        count = _channels(*changes)
        axis = next((axis for axis in (first, -1) if count in (None, value.shape[axis])), None)
        if axis is not None:
            undone[name] = np.moveaxis(_undone(np.moveaxis(value, axis, -1), *changes), -1, axis)
    return undone


def channel_axis(shape: Sequence[int], *, of_onnx: bool) -> int:
    """Return the axis on which a tensor has its channels."""
    return 1 if of_onnx and len(shape) > 2 else -1


def _channels(
    copies: Array | None, factors: Array | None, shifts: Array | None, constants: Array | None
) -> int | None:
    """Return how many channels a changed tensor has; None where that is not told."""
    told = [len(values) for values in (factors, shifts) if values is not None]
    told += [] if constants is None else [int(np.isnan(constants).sum())]
    return told[0] + (0 if copies is None else len(copies)) if told else None


def _undone(
    value: Array, copies: Array | None, factors: Array | None, shifts: Array | None,
    constants: Array | None,
) -> Array:  # fmt: skip
    value = value if copies is None else value[..., : -len(copies)]
    value = value if factors is None else value / factors
    value = value if shifts is None else value - shifts
    if constants is None:
        return value
    whole: Array = np.broadcast_to(constants, (*value.shape[:-1], len(constants))).copy()
    whole[..., np.isnan(constants)] = value
    return whole
