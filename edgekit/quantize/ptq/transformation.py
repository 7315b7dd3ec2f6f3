"""What changes a network, still in float, mostly channel by channel: half of the techniques."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edgekit.quantize.graph.float_graph import FloatGraph
from edgekit.quantize.graph.observation import Statistics
from edgekit.quantize.ptq.alignment import align
from edgekit.quantize.ptq.clipping import clip
from edgekit.quantize.ptq.collapse import collapse
from edgekit.quantize.ptq.equalization import equalize
from edgekit.quantize.ptq.joining import join
from edgekit.quantize.ptq.network import Array, Changes, Network
from edgekit.quantize.ptq.pruning import prune
from edgekit.quantize.ptq.ranges import ESTIMATORS
from edgekit.quantize.ptq.shifting import shift
from edgekit.quantize.ptq.splitting import multiply_adds, split
from edgekit.quantize.ptq.techniques import PostTraining
from edgekit.quantize.ptq.weight_steps import step_finder

_log = logging.getLogger("edgekit")


def transform(network: Network, options: PostTraining) -> Network:
    """Return the network changed channel by channel, as the options say: still in float."""
    graph, observed = network.graph.copy(), dict(network.observed)
    if "collapse" in options.techniques:
        graph = collapse(graph, observed, network.examples, options)
    given = multiply_adds(graph)
    changed = _change_channels(graph, observed, options)
    network = _aligned(replace(network, graph=graph, observed=observed, before=network), options)
    if options.ranges == "effect":
        found = join(graph, network.examples, clip(graph, network.examples))
        network = replace(network, ranges=found | {**network.ranges})
    copies = _split(network, given, changed[0], options) if "split" in options.techniques else {}
    changes = Changes(
        *({graph.name(tensor): values for tensor, values in each.items()}
          for each in (*changed, copies))
    )  # fmt: skip
    return replace(network, changes=changes)


def _change_channels(
    graph: FloatGraph, observed: dict[int, Statistics], options: PostTraining
) -> tuple[dict[int, Array], ...]:
    """Change graph and statistics; return constants, shifts and factors by tensor, see Changes."""
    constants: dict[int, Array] = {}
    shifts: dict[int, Array] = {}
    factors: dict[int, Array] = {}
    if "prune" in options.techniques:
        constants = prune(graph, observed)
        for tensor, values in constants.items():
            observed[tensor] = observed[tensor].of_channels(np.isnan(values))
        _log.info("pruned %d constant channels of %d tensors",
                  _gone(constants), len(constants))  # fmt: skip
    if "shift" in options.techniques:
        shifts = shift(graph, observed)
        for tensor, added in shifts.items():
            observed[tensor] = observed[tensor].shifted(added)
        _log.info("shifted %d tensors", len(shifts))
    if "equalize" in options.techniques:
        factors = equalize(graph, observed, find_steps=step_finder(options))
        _log.info("equalized %d tensors", len(factors))
    return constants, shifts, factors


def _aligned(network: Network, options: PostTraining) -> Network:
    """Return the network with pixels on the steps of its input, where that is wanted and can be."""
    before = network.inputs[0]
    found = align(network.graph, before) if "align" in options.techniques else None
    if not found:
        return network
    (spec, range_), (tensor,) = found, network.graph.inputs
    pixels = spec.renormalize(network.examples[tensor], before.mean or (), before.std or ())
    ranges = {**network.ranges, tensor: range_}
    return replace(network, inputs=(spec,), examples={tensor: pixels}, ranges=ranges)


def _split(
    network: Network, given: int, pruned: Mapping[int, Array], options: PostTraining
) -> dict[int, Array]:
    """Make channels twice in the network's graph; return which, by tensor.

    `given` are the multiply-adds before channels were pruned.
    """
    estimate, ranges = ESTIMATORS[options.ranges], network.ranges
    limit = round(given * (1 + options.extra_madds / 100))
    copies = split(
        network.graph, network.examples, limit - multiply_adds(network.graph),
        lambda tensor, values: ranges.get(tensor) or estimate(values), step_finder(options),
        among=None if options.extra_madds else pruned,
    )  # fmt: skip
    _log.info("split channels of %d tensors: %.2f M multiply-adds, %.2f M before",
              len(copies), multiply_adds(network.graph) / 1e6, given / 1e6)  # fmt: skip
    return copies


def _gone(constants: Mapping[int, Array]) -> int:
    """Return how many channels were taken out."""
    return sum(int((~np.isnan(values)).sum()) for values in constants.values())
