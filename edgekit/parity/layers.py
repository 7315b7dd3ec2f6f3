"""Parity by layer: the first place where a file departs from its source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgekit.parity import Array, Arrays, cosine, sqnr_db
from edgekit.parity.diagnosis import Diagnosis, Written, diagnose

_CALLS = ("PartitionedCall", "StatefulPartitionedCall")


@dataclass(frozen=True)
class Layers:
    """What the layers of a network answer, and how a file's tensors are told to be theirs."""

    values: Arrays  # [N, ...] by layer, in the network's order
    scopes: tuple[Mapping[str, str], ...]  # layer by the scope in its tensors' names; by tracer
    outputs: Mapping[str, str] = field(default_factory=dict)  # layer by output of the file
    followers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # that may be fused in
    calls: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # further ones, by the first


@dataclass(frozen=True)
class LayerParity(Diagnosis):
    """One layer of the source against the tensor of a file that holds its output."""

    layer: str  # the Keras name
    position: int  # in the network's order
    tensor: str
    sqnr_db: float
    cosine: float
    max_error: float | None  # None where the file answers what is no number
    verdict: str  # "ok", "warn" or "diverges", by the SQNR
    warn_db: float  # below which it is doubtful
    fail_db: float  # below which it diverges


def compare_layers(
    layers: Layers,
    tensors: Arrays,
    warn_db: float,
    fail_db: float,
    written: Mapping[str, Written] | None = None,
) -> list[LayerParity]:
    """Return each layer whose output can be found among a file's tensors, in the network's order.

    Converters fuse a batch norm and an activation into the layer before, and the name of what comes
    out does not always say so. Of the layers that may be fused into a tensor it is taken for the
    one that it is nearest to; one that is wrong is near to none. Of several tensors of one layer
    the file's own output counts, else the nearest: what lies inside the layer is no answer of it.
    Of several tracers' names, those count by which the most layers are right.

    Args:
        layers: what the source answers.
        tensors: the file's, in real values.
        warn_db: SQNR below which a layer is doubtful.
        fail_db: SQNR below which it diverges.
        written: how the file holds its tensors, by name, for what is told beside the error.
    """
    found: list[list[LayerParity]] = []
    for number, scopes in enumerate(layers.scopes):
        if scopes not in layers.scopes[:number]:
            held = _held(layers, scopes, tensors, (warn_db, fail_db), written or {})
            rows = (held[layer] for layer in layers.values if layer in held)
            found.append([row for row in rows if not _inside(row, held, layers)])
    return max(found, key=lambda rows: sum(row.verdict != "diverges" for row in rows))


def _held(
    layers: Layers,
    scopes: Mapping[str, str],
    tensors: Arrays,
    limits: tuple[float, float],
    written: Mapping[str, Written],
) -> dict[str, LayerParity]:
    positions = {layer: position for position, layer in enumerate(layers.values)}
    warn_db, fail_db = limits
    held: dict[str, LayerParity] = {}
    for tensor, value in tensors.items():
        owner = layers.outputs.get(tensor) or _owner(tensor, scopes)
        fits = [
            (layer, arranged, _sqnr(layers.values[layer], arranged))
            for layer in reversed([*_candidates(owner, layers)])
            for arranged in _arranged(value, layers.values[layer])
        ]
        layer, value, ratio = max(fits, key=lambda found: found[2], default=("", value, 0.0))
        if layer and not (layer in held and _better(held[layer], tensor, ratio, layers)):
            held[layer] = LayerParity(
                layer=layer,
                position=positions[layer],
                tensor=tensor,
                sqnr_db=ratio,
                verdict="diverges" if ratio < fail_db else "warn" if ratio < warn_db else "ok",
                warn_db=warn_db,
                fail_db=fail_db,
                **_figures(layers.values[layer], value, written.get(tensor, Written())),
            )
    return held


def _candidates(owner: str | None, layers: Layers) -> Iterator[str]:
    """Yield the layers that a tensor of that owner may be of: each call, and what follows it."""
    for call in (owner, *layers.calls.get(owner, ())) if owner else ():
        yield from (call, *layers.followers.get(call, ()))


def _better(held: LayerParity, tensor: str, ratio: float, layers: Layers) -> bool:
    """Whether a layer's answer is rather what is held already than this tensor of that ratio."""
    one, other = (name in layers.outputs for name in (held.tensor, tensor))
    return one if one != other else held.sqnr_db > ratio


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


def _sqnr(reference: Array, answer: Array) -> float:
    """Return the SQNR in decibels, -999 where the answer holds what is no number."""
    if not np.isfinite(answer).all():
        return -999.0
    return sqnr_db(reference.astype(np.float64), answer.astype(np.float64))


def _figures(reference: Array, answer: Array, written: Written) -> dict[str, Any]:
    expected, got = reference.astype(np.float64), answer.astype(np.float64)
    finite = bool(np.isfinite(got).all())
    return {
        "cosine": cosine(expected, got) if finite else 0.0,
        "max_error": float(np.abs(got - expected).max()) if finite else None,
        **vars(diagnose(expected, got, written)),
    }


def worst_first(layers: Iterable[LayerParity]) -> list[LayerParity]:
    """Return the layers by rising SQNR; of equal ones the earlier first."""
    return sorted(layers, key=lambda layer: (layer.sqnr_db, layer.position))
