"""A float network over its calibration examples: what every technique changes."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.quantize.advice import Remark, advise, check_input, same_samples
from edgekit.quantize.graph.float_graph import FloatGraph, Range
from edgekit.quantize.graph.observation import Observed, observe
from edgekit.quantize.graph.replay import Values, live_bytes
from edgekit.signature import TensorSpec

_log = logging.getLogger("edgekit")

Array = npt.NDArray[Any]
Examples = Iterable[Mapping[str, Array]]  # by input name, real values

_MEMORY_BYTES = 3 << 30  # for the activations of a replay, float and integer side by side


@dataclass(frozen=True, eq=False)
class Changes:
    """How a graph's activations differ from the source's, by the tensor's name."""

    constants: Mapping[str, Array] = field(default_factory=dict)  # [C]; NaN: not pruned
    shifts: Mapping[str, Array] = field(default_factory=dict)  # of what is left, [C]
    factors: Mapping[str, Array] = field(default_factory=dict)  # of what is shifted, [C]
    copies: Mapping[str, Array] = field(default_factory=dict)  # which stand behind the others, [K]


@dataclass(frozen=True, eq=False)
class Network:
    """A float network over its calibration examples, before anything is rounded."""

    graph: FloatGraph
    inputs: tuple[TensorSpec, ...]  # as the graph takes them now
    examples: Values = field(repr=False)  # [N, 1, ...] by input tensor, in those inputs' values
    observed: Observed = field(repr=False)
    ranges: Mapping[int, Range] = field(default_factory=dict)  # known beforehand
    changes: Changes = field(default_factory=Changes)
    before: Network | None = None  # what it was transformed from


def open_network(content: bytes, inputs: tuple[TensorSpec, ...], examples: Examples) -> Network:
    """Read a float .tflite and observe its activations.

    Args:
        content: of the file.
        inputs: by the names that its signature gives them.
        examples: for calibration.

    Raises:
        InputError: several subgraphs, or no examples.
    """
    graph = FloatGraph(content)
    stacked = _stacked(graph, inputs, examples)
    fed = {tensor: stacked[tensor] for tensor in graph.inputs}  # in the file's order
    return Network(graph, inputs, fed, observe(graph, fed))


def doubts(network: Network) -> list[Remark]:
    """Return what is doubtful about what the calibration examples do, however many they are."""
    graph = network.graph
    layers = {op.outputs[0]: graph.layer(op) for op in graph.ops}
    names = [layers.get(tensor) or graph.name(tensor) for tensor in network.observed]
    low, high = (
        np.stack([getattr(seen, side) for seen in network.observed.values()], axis=1)
        for side in ("example_low", "example_high")
    )
    places = graph.named_inputs
    fed = [(spec, network.observed.get(places[spec.name])) for spec in network.inputs]
    checked = [check_input(s, seen.example_low, seen.example_high) for s, seen in fed if seen]
    remarks = [*same_samples(low, high), *advise(low, high, names, enough=0)]
    return [*remarks, *itertools.chain(*checked)]


def _stacked(graph: FloatGraph, inputs: tuple[TensorSpec, ...], examples: Examples) -> Values:
    """Return the examples `[N, 1, ...]` by tensor, as many as fit into memory."""
    places = graph.named_inputs
    limit = 0
    kept: list[Mapping[str, Any]] = []
    for example in examples:
        if not kept:
            one = {places[spec.name]: np.asarray(example[spec.name])[np.newaxis] for spec in inputs}
            limit = max(1, _MEMORY_BYTES // (2 * live_bytes(graph, one)))
        if len(kept) == limit:
            _log.warning("prepared on %d examples: more do not fit into %d GB of memory",
                         limit, _MEMORY_BYTES >> 30)  # fmt: skip
            break
        kept.append(example)
    if not kept:
        raise InputError("post-training quantization: no calibration examples", got="none")
    return {
        places[spec.name]: np.stack([np.asarray(example[spec.name]) for example in kept])
        for spec in inputs
    }
