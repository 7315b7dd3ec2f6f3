"""Parity by layer: the first place where a file departs from its source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgekit.parity import Array, Arrays, cosine, sqnr_db


@dataclass(frozen=True)
class LayerParity:
    """One layer of the source against the tensor of a file that holds its output."""

    layer: str  # the Keras name
    tensor: str
    sqnr_db: float
    cosine: float
    max_error: float
    verdict: str  # "ok", "warn" or "diverges"


def compare_layers(
    layers: Arrays, tensors: Arrays, warn_db: float, fail_db: float
) -> Iterator[LayerParity]:
    """Yield each layer whose output can be found among a file's tensors, in the network's order.

    The converters name a tensor after the layers that were fused into it; the last of them in the
    network's order is the one whose output it holds.
    """
    order = {layer: position for position, layer in enumerate(layers)}
    held: dict[str, str] = {}
    for tensor in tensors:
        inside = [part for path in tensor.split(";") for part in path.split("/") if part in order]
        if inside:
            last = max(inside, key=order.__getitem__)
            # Of several tensors of one layer the last is its output, unless one bears its name.
            if tensors[tensor].size == layers[last].size and held.get(last) != last:
                held[last] = tensor
    for layer, tensor in sorted(held.items(), key=lambda item: order[item[0]]):
        expected = layers[layer].astype(np.float64)
        got = _like(tensors[tensor], expected).astype(np.float64)
        ratio = sqnr_db(expected, got) if np.isfinite(got).all() else -999.0
        verdict = "diverges" if ratio < fail_db else "warn" if ratio < warn_db else "ok"
        error = float(np.abs(got - expected).max())
        yield LayerParity(layer, tensor, ratio, cosine(expected, got), error, verdict)


def _like(got: Array, expected: Array) -> Array:
    """Return `got` with channels last where the file has them first."""
    if got.ndim == 4 and got.shape != expected.shape:
        return got.transpose(0, 2, 3, 1)
    return got.reshape(expected.shape)
