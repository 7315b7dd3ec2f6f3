"""Masks of attention brought near to the scores, so that integers can tell the scores apart.

Keras puts -1e9 or the lowest number there is in the place of scores that do not count, or adds it
to them. A step of integers that reaches so far is larger than any difference between scores:
attention becomes a mean. A number just low enough, that softmax makes nothing of, does the same.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from edgekit.export.rewriting.functions import SavedFunctions
from edgekit.export.rewriting.mask_forms import FAR, Far, Mask, Nodes, captured_by, masks_of
from edgekit.export.rewriting.watching import Array, Examples, Watched
from edgekit.export.tracing.lowering import Lowered

_log = logging.getLogger("edgekit")

_PARTS = {8: 2 * 256, 16: 2 * 32768}  # half steps of a softmax's answer, which is at most 1


def with_near_masks(network: Lowered, examples: Examples, bits: int, folder: Path) -> Lowered:
    """Return the network with masks that activations of `bits` bear, saved in the free `folder`.

    What is masked has less than half a step of a softmax's answer in all. It is the network itself
    where nothing is masked. The lowest score is the examples' lowest one that counts.
    """
    saved, captured = SavedFunctions(network), captured_by(network.function)
    bodies = [Nodes(function, captured) for function in saved.all]
    found = [list(masks_of(nodes)) for nodes in bodies]
    everywhere = [mask for masks in found for mask in masks]
    told = _numbers(network, everywhere, examples, _PARTS[bits]) if everywhere else {}
    if not told:
        return network
    for nodes, masks in zip(bodies, found, strict=True):
        _replace(nodes, masks, told)
    _log.warning("activations of %d bits: attention is masked by %.4g: beside the model's own "
                 "number, below %.0g, all scores are one step", bits, min(told.values()),
                 -FAR)  # fmt: skip
    return saved.save(folder)


class _Range:
    """What scores are seen, of those that count and of those that do not."""

    def __init__(self) -> None:
        self.lowest, self.highest_masked, self.width = math.inf, -math.inf, 1
        self.unchanged = True  # the scores that count, by being masked

    def add(self, scores: Array, masked: Array) -> None:
        """See one example's."""
        scores, masked = np.broadcast_arrays(scores, masked)
        counts = masked > -FAR / 2
        self.unchanged &= bool((scores[counts] == masked[counts]).all())
        self.width = max(self.width, masked.shape[-1])
        self.lowest = min(self.lowest, float(masked[counts].min(initial=math.inf)))
        highest = float(scores[~counts].max(initial=-math.inf))
        self.highest_masked = max(self.highest_masked, highest)

    def number(self, parts: int, *, added: bool) -> float:
        """Return what leaves all that is masked less than one of so many parts of the whole."""
        lowest = self.lowest if math.isfinite(self.lowest) else 0.0
        low = lowest - math.log(parts * self.width)
        if not added:
            return low
        return min(low - max(self.highest_masked, lowest), 0.0)


def _numbers(
    network: Lowered, masks: list[Mask], examples: Examples, parts: int
) -> dict[Far, float]:
    """Return what to put for far numbers: where several scores meet one, the farthest."""
    watched = Watched(network.function)
    every = {mask: _places(watched, mask) for mask in masks}
    places = {mask: found for mask, found in every.items() if found}  # of what is called
    if not places:
        return {}
    ranges = {mask: _Range() for mask in places}
    for values in watched.over(list(places.values()), examples):
        for mask, answers in zip(places, values, strict=True):
            for scores, masked in answers:
                ranges[mask].add(scores.numpy(), masked.numpy())
    told: dict[Far, float] = {}
    for mask, seen in ranges.items():
        number = seen.number(parts, added=mask.added)
        told[mask.far] = min(told.get(mask.far, math.inf), number)
    soft = {m.far for m, seen in ranges.items() if m.far.sign == 0 and not seen.unchanged}
    return {far: number for far, number in told.items() if far not in soft}


def _places(watched: Watched, mask: Mask) -> list[tuple[Any, Any]]:
    """Return scores and masked ones wherever the function of a mask was called."""
    pairs = [
        (watched.value(call + mask.scores), watched.value(call + mask.masked))
        for call in watched.calls(mask.masked)
    ]
    return [pair for pair in pairs if pair[0] is not None]


def _replace(nodes: Nodes, masks: list[Mask], told: Mapping[Far, float]) -> None:
    """Let the readers of far numbers read near ones."""
    for far, added in {mask.far: mask.added for mask in masks if mask.far in told}.items():
        reader, number = nodes.by_name[far.reader], told[far]
        value = nodes.value(reader, far.index)
        assert value is not None
        near = np.where(far.of(value), np.copysign(number, value) if added else number, value)
        made = nodes.function.node_def.add(op="Const", name=f"{far.reader}/near{far.index}")
        made.attr["dtype"].type = tf.as_dtype(value.dtype).as_datatype_enum
        made.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(near, value.dtype))
        reader.input[far.index] = f"{made.name}:output:0"
