"""Post-training quantization: a float .tflite made ready for the ordinary quantizer.

Nine techniques, each of which can be left out, and a range for every activation:

prune        constant channels moved into biases           (pruning)
align        pixels on the steps of the input              (alignment)
shift        channels around zero                          (shifting)
equalize     channels of a tensor to one range             (equalization)
split        channels that matter made twice               (splitting)
steps        weight steps of the least error               (weight_steps, rounding)
reconstruct  weights for what is read in integers          (reconstruction)
round        weights rounded together                      (rounding)
bias         mean errors taken back                        (reconstruction)
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.quantize.advice import Remark, advise, check_input
from edgekit.quantize.alignment import align
from edgekit.quantize.clipping import clip
from edgekit.quantize.equalization import equalize
from edgekit.quantize.float_graph import FloatGraph, FloatOp, Range
from edgekit.quantize.observation import Observed, Statistics, observe
from edgekit.quantize.pruning import prune
from edgekit.quantize.ranges import ESTIMATORS, fake_quantize
from edgekit.quantize.reconstruction import measure
from edgekit.quantize.replay import Values, live_bytes, run_op, steps
from edgekit.quantize.rounding import round_together
from edgekit.quantize.shifting import shift
from edgekit.quantize.splitting import split
from edgekit.quantize.techniques import PostTraining
from edgekit.quantize.weight_steps import (
    largest_steps,
    least_error_steps,
    rounded_to,
    rows_of,
    shaped,
)
from edgekit.signature import TensorSpec

_log = logging.getLogger("edgekit")

Array = npt.NDArray[Any]
Kept = frozenset[int]  # ops that stay in float, by their first output
Examples = Iterable[Mapping[str, Array]]  # by input name, real values

_MEMORY_BYTES = 3 << 30  # for the activations of a replay, float and integer side by side
_MOVING = (  # ops that hand values on: their output has the input's range
    "RESHAPE", "PAD", "MAX_POOL_2D", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "SQUEEZE",
    "EXPAND_DIMS", "GATHER", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "SPLIT", "UNPACK",
)  # fmt: skip


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


@dataclass(frozen=True, eq=False)
class Prepared:
    """A float .tflite with the ranges of its activations in it."""

    content: bytes
    inputs: tuple[TensorSpec, ...]  # that it takes; a picture's mean may be another than before
    ranges: Mapping[int, Range] = field(repr=False)
    steps: Mapping[str, Array] = field(
        repr=False, default_factory=dict
    )  # of weights, [O] by output
    changes: Changes = field(default_factory=Changes)
    kept: frozenset[str] = frozenset()  # the ops to be left in float, by their first output's name


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
    return [*advise(low, high, names, enough=0), *itertools.chain(*checked)]


def transform(network: Network, options: PostTraining) -> Network:
    """Return the network changed channel by channel, as the options say: still in float."""
    graph, observed = network.graph.copy(), dict(network.observed)
    changed = _change_channels(graph, observed, options)
    network = _aligned(replace(network, graph=graph, observed=observed, before=network), options)
    if options.ranges == "effect":
        network = replace(network, ranges=clip(graph, network.examples) | {**network.ranges})
    copies = _split(network, changed[0], options) if "split" in options.techniques else {}
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
                  sum(_gone(constants).values()), len(constants))  # fmt: skip
    if "shift" in options.techniques:
        shifts = shift(graph, observed)
        for tensor, added in shifts.items():
            observed[tensor] = observed[tensor].shifted(added)
        _log.info("shifted %d tensors", len(shifts))
    if "equalize" in options.techniques:
        factors = equalize(graph, observed, find_steps=_steps_of(options))
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
    network: Network, constants: Mapping[int, Array], options: PostTraining
) -> dict[int, Array]:
    """Make channels twice in the network's graph; return which, by tensor."""
    estimate, ranges = ESTIMATORS[options.ranges], network.ranges
    copies = split(
        network.graph, network.examples, _gone(constants),
        lambda tensor, values: ranges.get(tensor) or estimate(values), _steps_of(options),
    )  # fmt: skip
    _log.info("split channels of %d tensors", len(copies))
    return copies


def _gone(constants: Mapping[int, Array]) -> dict[int, int]:
    """Return how many channels each tensor lost."""
    return {tensor: int((~np.isnan(values)).sum()) for tensor, values in constants.items()}


def _steps_of(options: PostTraining) -> Callable[[Array], Array]:
    return least_error_steps if "steps" in options.techniques else largest_steps


def prepare(
    network: Network,
    options: PostTraining,
    kept: Kept = frozenset(),
    *,
    round_activations: bool = True,
) -> Prepared:
    """Return a transformed network made ready for weights of 8 bits.

    Args:
        network: from `transform`.
        options: which techniques.
        kept: the ops that will stay in float.
        round_activations: to 8 bits; beside these 16 are as good as none.
    """
    graph = network.graph.copy()
    best = _steps_of(options)
    steps = {op.outputs[0]: best(rows_of(graph, op)) for op in graph.ops
             if graph.changeable(op) and op.outputs[0] not in kept}  # fmt: skip
    float_held = held_in_float(graph, kept) if round_activations else set(graph.activations())
    ranges = _correct(graph, network, options, steps, float_held)
    return Prepared(
        graph.pack(ranges), network.inputs, ranges,
        {graph.name(tensor): values for tensor, values in steps.items()},
        network.changes, graph.names_of(kept),
    )  # fmt: skip


def _correct(
    graph: FloatGraph, network: Network, options: PostTraining, weight_steps: dict[int, Array],
    float_held: set[int],
) -> dict[int, Range]:  # fmt: skip
    """Go through the network once, float and rounded side by side; return each tensor's range.

    Each op is changed, its range chosen and its output rounded before the next one sees it. The
    steps of its weights, which may be others then, are kept in `weight_steps`.
    """
    estimate, exact = ESTIMATORS[options.ranges], dict(network.examples)
    ranges = dict(network.ranges)
    ranges |= {t: estimate(v) for t, v in exact.items() if graph.is_float(t) and t not in ranges}
    rounded = {t: fake_quantize(v, ranges[t]) if t in ranges and t not in float_held else v
               for t, v in exact.items()}  # fmt: skip
    for number, op, dead in steps(graph):
        exact.update(run_op(network.graph, number, exact))
        if op.outputs[0] in weight_steps:
            fed = (exact[op.inputs[0]], rounded[op.inputs[0]])
            own = weight_steps[op.outputs[0]]
            weight_steps[op.outputs[0]] = _round(graph, op, network.graph, fed, own, options)
        rounded.update(run_op(graph, number, rounded))
        for tensor in filter(graph.is_float, op.outputs):
            moved = op.kind in _MOVING and op.inputs[0] in ranges
            if moved:
                ranges[tensor] = ranges[op.inputs[0]]
            elif tensor not in ranges:
                ranges[tensor] = estimate(exact[tensor])
            if not moved and tensor not in float_held:
                rounded[tensor] = fake_quantize(rounded[tensor], ranges[tensor])
        for tensor in dead:
            exact.pop(tensor, None)
            rounded.pop(tensor, None)
    return ranges


def _round(
    graph: FloatGraph, op: FloatOp, source: FloatGraph, fed: tuple[Array, Array], steps: Array,
    options: PostTraining,
) -> Array:  # fmt: skip
    """Round one op's weights, make up for what changes, and return the steps `[O]` of its weights.

    Args:
        graph: that is changed.
        op: a linear op.
        source: where it still has its float weights.
        fed: what it reads there and in integers, `[N, ...]`.
        steps: to begin with, `[O]`.
        options: which techniques.
    """
    rows, chosen = rows_of(source, op), options.techniques
    if not {"reconstruct", "round", "bias"} & {*chosen}:
        graph.set_constant(op.inputs[1], shaped(graph, op, rounded_to(steps, rows)))
        return steps
    seen = measure(source, op, *fed)

    def rounded(wanted: Array) -> tuple[Array, Array]:
        if "round" in chosen:
            return round_together(wanted, seen.energy, steps, search="steps" in chosen)
        return rounded_to(steps, wanted), steps

    made, own = rounded(rows)
    if "reconstruct" in chosen:  # a channel where that promises less error once it is rounded
        other, others = rounded(seen.reconstruct(rows))
        promised = seen.expected_error(other, rows) * seen.unseen()
        better = promised < seen.expected_error(made, rows)
        made, own = np.where(better[:, np.newaxis], other, made), np.where(better, others, own)
    graph.set_constant(op.inputs[1], shaped(graph, op, made))
    if "bias" in chosen:
        graph.set_constant(op.inputs[2], source.bias(op) - seen.bias_shift(made, rows))
    return own


def held_in_float(graph: FloatGraph, kept: Kept) -> set[int]:
    """Return the tensors that no op outside of `kept` makes or reads, inputs and outputs aside."""
    touched = {*graph.inputs, *graph.outputs}
    for op in graph.ops:
        if op.outputs[0] not in kept:
            touched |= {*op.inputs, *op.outputs}
    return {tensor for tensor in graph.activations() if tensor not in touched}


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
