"""Post-training quantization: a float network made ready for the ordinary quantizer.

Twelve techniques, each of which can be left out, and a range for every activation:

collapse     two linear ops made one                       (collapse)
prune        constant channels moved into biases           (pruning)
align        pixels on the steps of the input              (alignment)
shift        channels around zero                          (shifting)
equalize     channels of a tensor to one range             (equalization)
split        channels that matter made twice               (splitting)
steps        weight steps of the least error               (weight_steps, rounding)
headroom     room beyond what the examples reached         (headroom)
refine       a second op for what rounding leaves          (refinement)
reconstruct  weights for what is read in integers          (reconstruction)
round        weights rounded together                      (rounding)
bias         mean errors taken back                        (reconstruction)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from edgekit.errors import InputError
from edgekit.quantize.graph.float_graph import FloatGraph, FloatOp, Range
from edgekit.quantize.graph.linear import rows_of, shaped
from edgekit.quantize.graph.replay import run_op, steps
from edgekit.quantize.ptq.headroom import HEADROOM
from edgekit.quantize.ptq.network import Array, Changes, Network
from edgekit.quantize.ptq.ranges import ESTIMATORS, fake_quantize
from edgekit.quantize.ptq.reconstruction import measure
from edgekit.quantize.ptq.refinement import Rest, refine
from edgekit.quantize.ptq.rounding import round_rows
from edgekit.quantize.ptq.techniques import PostTraining
from edgekit.quantize.ptq.weight_steps import rounded_to, step_finder
from edgekit.signature import TensorSpec

Kept = frozenset[int]  # ops that stay in float, by their first output

_MOVING = (  # ops that hand values on: their output has the input's range
    "RESHAPE", "PAD", "MAX_POOL_2D", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "SQUEEZE",
    "EXPAND_DIMS", "GATHER", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "SPLIT", "SPLIT_V", "UNPACK",
    "REVERSE_V2",
)  # fmt: skip


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
    rests: Mapping[str, Rest] = field(repr=False, default_factory=dict)  # by output
    kept: frozenset[str] = frozenset()  # the ops to be left in float, by their first output's name
    half: frozenset[str] = frozenset()  # those whose weights are held as 16-bit floats


def prepare(
    network: Network,
    options: PostTraining,
    kept: Kept = frozenset(),
    plain: Kept | None = None,
    *,
    round_activations: bool = True,
) -> Prepared:
    """Return a transformed network made ready for weights of 8 bits.

    Args:
        network: from `transform`.
        options: which techniques.
        kept: the ops that will stay in float.
        plain: those of them whose weights are not rounded; all of them if not given.
        round_activations: to 8 bits; beside these 16 are as good as none.
    """
    graph, plain = network.graph.copy(), kept if plain is None else plain
    best = step_finder(options)
    steps = {op.outputs[0]: best(rows_of(graph, op)) for op in graph.ops
             if graph.changeable(op) and op.outputs[0] not in plain}  # fmt: skip
    float_held = held_in_float(graph, kept) if round_activations else set(graph.activations())
    room = HEADROOM if "headroom" in options.techniques else 1.0
    rests = refine(network, steps, room) if "refine" in options.techniques else {}
    corrected = {tensor: own for tensor, own in steps.items() if tensor not in rests}
    ranges = _correct(graph, network, options, corrected, float_held)
    steps |= corrected
    return Prepared(
        graph.pack(ranges), network.inputs, ranges,
        {graph.name(tensor): values for tensor, values in steps.items()},
        network.changes, {graph.name(tensor): rest for tensor, rest in rests.items()},
        graph.names_of(kept),
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
            if np.isnan(rounded[tensor]).any():
                raise InputError(
                    f"post-training quantization: {graph.layer(op) or graph.name(tensor)}",
                    got=f"{op.kind} of rounded values, which is no number",
                    do="take --ptq none, or scheme mixed with --keep of what is before",
                )
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
    seen = measure(source, op, *fed, second=bool({"reconstruct", "round"} & {*chosen}))

    def rounded(wanted: Array) -> tuple[Array, Array]:
        return round_rows(wanted, seen.energy, steps, chosen)

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
