"""What quantization did to one tensor, beside the error: saturation, dead channels, spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.parity import Array
from edgekit.signature import TensorSpec

MAX_SATURATION = 0.01  # share of values that were cut off
MAX_SPREAD = 100.0  # largest over smallest weight scale of a layer's channels
_ENOUGH = 16  # values of a channel before one that never changes is called dead


@dataclass(frozen=True)
class Written:
    """How a file holds a tensor, and with which weights it computes it."""

    spec: TensorSpec | None = None  # with scale and zero point, where it holds integers
    spread: float | None = None  # largest over smallest scale of the weights; None for one scale
    one_scale: bool = False  # whether a depthwise convolution has one scale for all its filters
    ends: Array | None = None  # `[3, C]` of `ends_of` by the source's channels; None: those of spec


@dataclass(frozen=True)
class Diagnosis:
    """The figures of one tensor; None where they are not told."""

    at_limits: float | None  # share of values at the least or the greatest integer
    saturation: float | None  # share that was cut off: the source's value lies beyond that end
    channels: int  # of the last axis
    dead_channels: int | None  # that never change, over all examples and places
    dead_in_source: int | None  # of the source itself
    channel_spread: float | None
    findings: tuple[str, ...]  # what is beyond its limit


def diagnose(reference: Array, answer: Array, written: Written) -> Diagnosis:
    """Return what quantization did to a tensor.

    The zeros of a ReLU lie at the least integer and the sixes of a ReLU6 at the greatest, and are
    right there: what counts as saturation is a value at an end that the source has beyond it.

    Args:
        reference: the source's values `[N, ..., C]`.
        answer: the file's, in real values and of the same shape.
        written: how the file holds them.
    """
    at_limits, saturation = _at_ends(reference, answer, written)
    dead, dead_before = _dead(answer), _dead(reference)
    spread = written.spread
    findings = {
        "saturated": saturation is not None and saturation > MAX_SATURATION,
        "dead channels": (dead or 0) > (dead_before or 0),
        "channel spread": spread is not None and spread > MAX_SPREAD,
        "one depthwise scale": written.one_scale,
    }
    return Diagnosis(
        at_limits,
        saturation,
        answer.shape[-1],
        dead,
        dead_before,
        spread if spread is not None and np.isfinite(spread) else None,
        tuple(name for name, found in findings.items() if found),
    )


def ends_of(spec: TensorSpec) -> Array | None:
    """Return least value, greatest value and what is half a step above the least, `[3, 1]`.

    None of a tensor that holds no integers.
    """
    if spec.scale is None:
        return None
    limits = np.iinfo(spec.dtype)
    low, high = spec.dequantize(np.array([limits.min, limits.max], spec.dtype))
    return np.array([[low], [high], [low + spec.scale / 2]])


def _at_ends(
    reference: Array, answer: Array, written: Written
) -> tuple[float | None, float | None]:
    ends = written.ends
    if ends is None and written.spec is not None:
        ends = ends_of(written.spec)
    if ends is None:
        return None, None
    low, high, inner = ends
    half = np.abs(inner - low)  # within it the end is the nearest integer
    below, above = (answer <= low) & (low < high), (answer >= high) & (low < high)
    cut = (below & (reference < low - half)) | (above & (reference > high + half))
    return float((below | above).mean()), float(cut.mean())


def _dead(values: Array) -> int | None:
    rows = values.reshape(-1, values.shape[-1])
    return int((rows == rows[0]).all(axis=0).sum()) if len(rows) >= _ENOUGH else None
