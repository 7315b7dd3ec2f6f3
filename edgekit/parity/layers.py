"""Parity by layer: the first place where a file departs from its source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from edgekit.parity import Array, Arrays, cosine, sqnr_db

_CALLS = ("PartitionedCall", "StatefulPartitionedCall")


@dataclass(frozen=True)
class Layers:
    """What the layers of a network answer, and how a file's tensors are told to be theirs."""

    values: Arrays  # [N, ...] by layer, in the network's order
    scopes: Mapping[str, str]  # layer by the scope that the names of its tensors hold
    outputs: Mapping[str, str] = field(default_factory=dict)  # layer by output of the file
    followers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # that may be fused in


@dataclass(frozen=True)
class LayerParity:
    """One layer of the source against the tensor of a file that holds its output."""

    layer: str  # the Keras name
    tensor: str
    sqnr_db: float
    cosine: float
    max_error: float | None  # None where the file answers what is no number
    verdict: str  # "ok", "warn" or "diverges"
    fail_db: float  # below which it diverges


def compare_layers(
    layers: Layers, tensors: Arrays, warn_db: float, fail_db: float
) -> Iterator[LayerParity]:
    """Yield each layer whose output can be found among a file's tensors, in the network's order.

    Converters fuse a batch norm and an activation into the layer before, and the name of what comes
    out does not always say so. Of the layers that may be fused into a tensor it is taken for the
    one that it is nearest to; one that is wrong is near to none. Of several tensors of one layer
    the file's own output counts, else the last.
    """
    held: dict[str, LayerParity] = {}
    for tensor, value in tensors.items():
        owner = layers.outputs.get(tensor) or _owner(tensor, layers.scopes)
        chain = (owner, *layers.followers.get(owner, ())) if owner else ()
        fits = [
            _compare(layer, tensor, layers.values[layer], arranged, warn_db, fail_db)
            for layer in reversed(chain)
            for arranged in _arranged(value, layers.values[layer])
        ]
        best = max(fits, key=lambda found: found.sqnr_db, default=None)
        if best and not (best.layer in held and held[best.layer].tensor in layers.outputs):
            held[best.layer] = best
    for layer in layers.values:
        if layer in held and not _inside(held[layer], held, layers):
            yield held[layer]


def _inside(found: LayerParity, held: Mapping[str, LayerParity], layers: Layers) -> bool:
    """Whether a tensor that looks wrong lies in the midst of fused layers whose end is right."""
    ends = (held[layer] for layer in layers.followers.get(found.layer, ()) if layer in held)
    return found.verdict == "diverges" and any(end.verdict != "diverges" for end in ends)


def _owner(tensor: str, scopes: Mapping[str, str]) -> str | None:
    """Return the layer that a tensor is named after.

    Names are paths as NET/SCOPE/OP, joined by semicolons where ops were fused: the last of them
    first, then the others, and after these the owners of constants that are shared.
    """
    for path in tensor.split(";"):
        parts = path.split("/")
        inside = parts[1 + (parts[0] in _CALLS) : -1]
        for end in range(len(inside), 0, -1):  # a name may itself hold slashes
            if layer := scopes.get("/".join(inside[:end])):
                return layer
    return None


def _arranged(value: Array, expected: Array) -> Iterator[Array]:
    """Yield `value` in each way in which it fits: as it is, from channels first, without ones."""
    if value.dtype.kind != expected.dtype.kind:
        return  # integers whose scale is not known
    for view in (value, value.transpose(0, 2, 3, 1)) if value.ndim == 4 else (value,):
        if _without_ones(view) == _without_ones(expected) and len(view) == len(expected):
            yield view.reshape(expected.shape)


def _without_ones(array: Array) -> list[int]:
    return [size for size in array.shape if size != 1]


def _compare(
    layer: str, tensor: str, reference: Array, answer: Array, warn_db: float, fail_db: float
) -> LayerParity:
    expected, got = reference.astype(np.float64), answer.astype(np.float64)
    finite = bool(np.isfinite(got).all())
    ratio = sqnr_db(expected, got) if finite else -999.0
    angle = cosine(expected, got) if finite else 0.0
    error = float(np.abs(got - expected).max()) if finite else None
    verdict = "diverges" if ratio < fail_db else "warn" if ratio < warn_db else "ok"
    return LayerParity(layer, tensor, ratio, angle, error, verdict, fail_db)
