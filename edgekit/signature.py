"""What goes into a model file and comes out of it: named tensors, quantized or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError

DEFAULT_SIGNATURE = "serving_default"


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a signature.

    Quantization is affine, real = scale * (raw - zero_point); `mean` and `std` take a picture's
    pixels (0 to 255) to the real values that the network was trained on, (pixel - mean) / std.
    """

    name: str
    shape: tuple[int, ...]  # -1 where the dimension is free
    dtype: str  # as NumPy spells it
    scale: float | None = None
    zero_point: int | None = None
    layout: str | None = None  # "NHWC" or "NCHW" for pictures
    mean: tuple[float, ...] | None = None  # per channel or one for all, in pixel units
    std: tuple[float, ...] | None = None

    @property
    def open_shape(self) -> tuple[int | None, ...]:
        """The shape with None where a dimension is free, as TensorFlow spells it."""
        return tuple(None if size < 0 else size for size in self.shape)

    def quantize(self, real: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return `real` values as this tensor's dtype, rounded half to even and clipped."""
        if self.scale is None:
            return np.asarray(real, self.dtype)
        limits = np.iinfo(self.dtype)
        raw = np.rint(np.asarray(real, np.float32) / np.float32(self.scale)) + (
            self.zero_point or 0
        )
        clipped: npt.NDArray[Any] = np.clip(raw, limits.min, limits.max)
        return clipped.astype(self.dtype)

    def renormalize(
        self, real: npt.NDArray[Any], mean: Sequence[float], std: Sequence[float]
    ) -> npt.NDArray[Any]:
        """Return real values that were made with another `mean` and `std` as this tensor's own."""
        if (self.mean, self.std) == (tuple(mean), tuple(std)) or not (self.mean and self.std):
            return real
        pixels = real.astype(np.float64) * np.asarray(std) + np.asarray(mean)
        own: npt.NDArray[Any] = (pixels - np.asarray(self.mean)) / np.asarray(self.std)
        return own.astype(real.dtype)

    def dequantize(self, raw: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the real values, float32 where the tensor is quantized and unchanged where not."""
        if self.scale is None:
            return raw
        real: npt.NDArray[Any] = raw.astype(np.float32) - np.float32(self.zero_point or 0)
        return real * np.float32(self.scale)


@dataclass(frozen=True)
class Signature:
    """The named inputs and outputs of one entry point of a model file."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def entry_signatures(signatures: Mapping[str, Signature]) -> Mapping[str, Signature]:
    """Return a file's default entry point, of which others give a part; else all that it has."""
    chosen = {k: v for k, v in signatures.items() if k == DEFAULT_SIGNATURE}
    return chosen or signatures


def main_signature(signatures: Mapping[str, Signature]) -> tuple[str, Signature]:
    """Return name and signature of a file's default entry point, or of its only one.

    Raises:
        InputError: there are several, none of them the default.
    """
    if DEFAULT_SIGNATURE in signatures:
        return DEFAULT_SIGNATURE, signatures[DEFAULT_SIGNATURE]
    if len(signatures) != 1:
        raise InputError("signatures", got=", ".join(signatures), expected=DEFAULT_SIGNATURE)
    return next(iter(signatures.items()))
