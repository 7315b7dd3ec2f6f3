"""Collapse: a linear op and the one that alone reads it made one, so that nothing is rounded there.

A bottleneck without activation, as the first of MobileNetV2 between two resolutions, is stored in 8
bits only to be multiplied again. W2 (W1 x + b1) + b2 is one op with weights W2 W1: no activation
lies between, and one tensor less is rounded and written. It is the other way round than in Bhardwaj
et al., arXiv:2103.09404, section 3.1, where such pairs are laid out to be trained and then merged.

A bottleneck may be there to save work, and weights of a product need not round as well as their
factors do. A pair is made one where the network's multiply-adds grow by little, and the answers of
the second op err less by it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from edgekit.quantize.graph.float_graph import FloatGraph, FloatOp
from edgekit.quantize.graph.linear import rows_of
from edgekit.quantize.graph.observation import Observed
from edgekit.quantize.graph.replay import Values, run_op, steps
from edgekit.quantize.ptq.ranges import grid
from edgekit.quantize.ptq.reconstruction import measure
from edgekit.quantize.ptq.rounding import error_energy, round_rows
from edgekit.quantize.ptq.splitting import multiply_adds
from edgekit.quantize.ptq.techniques import PostTraining
from edgekit.quantize.ptq.weight_steps import step_finder

_log = logging.getLogger("edgekit")

Array = npt.NDArray[np.float64]
Pair = tuple[int, int]  # the numbers of two ops
Rounding = Callable[[Array, Array], Array]  # of rows `[O, K]`, for inputs of moments `[1, K, K]`

_GROWTH = 1 / 16  # of the network's multiply-adds, that all pairs together may add


def collapse(
    graph: FloatGraph,
    statistics: Observed,
    examples: Values,
    options: PostTraining,
) -> FloatGraph:
    """Return the graph with pairs made one, those first that add the least multiply-adds.

    Args:
        graph: stays as it is.
        statistics: of its activations.
        examples: `[N, ...]` by input tensor.
        options: how weights will be rounded.
    """
    limit, apart = multiply_adds(graph) * (1 + _GROWTH), set[int]()
    while pairs := [
        (multiply_adds(merged := merge(graph, pair)), merged, pair)
        for pair in linear_pairs(graph)
        if graph.ops[pair[0]].outputs[0] not in apart
    ]:
        madds, merged, (first, second) = min(pairs, key=lambda found: found[0])
        between, behind = (graph.ops[number].outputs[0] for number in (first, second))
        if madds > limit:
            break
        if _serves(graph, (first, second), statistics, examples, options):
            _log.info("collapsed %s into %s", graph.name(between), graph.name(behind))
            graph = merged
        else:
            apart.add(between)
    return graph


def linear_pairs(graph: FloatGraph) -> Iterator[Pair]:
    """Yield each linear op without activation, and the one that alone reads it place by place."""
    for number, op in enumerate(graph.ops):
        (between, *_), readers = op.outputs, [*graph.consumers(op.outputs[0])]
        if between in graph.outputs or len(readers) != 1 or not _mixes(graph, op):
            continue
        (reader,) = readers
        if op.activation == "none" and _mixes(graph, reader) and reader.inputs[0] == between:
            places, answer = graph.shape(between), graph.shape(reader.outputs[0])
            pointwise = graph.weights(reader)[0].size == places[-1] and answer[:-1] == places[:-1]
            if op.kind == reader.kind and pointwise and reader.strides == (1, 1):
                yield number, graph.ops.index(reader)


def _mixes(graph: FloatGraph, op: FloatOp) -> bool:
    """Whether each output channel of a linear op reads all input channels."""
    if op.kind not in ("CONV_2D", "FULLY_CONNECTED") or not graph.changeable(op):
        return False
    channels = graph.shape(op.inputs[0])[-1]
    return op.kind == "FULLY_CONNECTED" or graph.weights(op).shape[-1] == channels


def merge(graph: FloatGraph, pair: Pair) -> FloatGraph:
    """Return a graph in which the first of two ops answers what the second did."""
    first, second = (graph.ops[number] for number in pair)
    across = rows_of(graph, second)  # [O, M]
    weights = np.tensordot(across, graph.weights(first).astype(np.float64), (1, 0))
    return graph.merged(pair, weights, across @ graph.bias(first) + graph.bias(second))


def _serves(
    graph: FloatGraph, pair: Pair, statistics: Observed, examples: Values, options: PostTraining
) -> bool:
    """Whether what the second op answers errs less if both are one."""
    first, second = (graph.ops[number] for number in pair)
    read = _read(graph, pair[0], examples)
    energy = measure(graph, first, read, read).energy.mean(axis=0, keepdims=True)
    seen = statistics[first.outputs[0]]
    step, _ = grid((float(seen.low.min()), float(seen.high.max())))
    apart, whole = errors(
        rows_of(graph, first), rows_of(graph, second), energy, step, _rounding(options)
    )
    return bool(whole.sum() < apart.sum())


def errors(
    first: Array, second: Array, energy: Array, step: float, rounded: Rounding
) -> tuple[Array, Array]:
    """Return the expected squared error `[O]` of two ops and of their product, over the answer's.

    Args:
        first: rows `[M, K]` of the op that is read in between.
        second: rows `[O, M]` of the one that reads it.
        energy: `[1, K, K]`, the second moments of what the first reads.
        step: to which the tensor in between is rounded.
        rounded: how weights are.
    """
    product = second @ first
    answer = np.maximum(error_energy(product, energy), 1e-30)
    whole = error_energy(rounded(product, energy) - product, energy)
    between = first @ energy[0] @ first.T + step**2 / 12 * np.eye(len(first))
    apart = error_energy(second @ (rounded(first, energy) - first), energy)
    apart += error_energy(rounded(second, between[np.newaxis]) - second, between[np.newaxis])
    apart += np.square(second).sum(axis=1) * step**2 / 12
    return apart / answer, whole / answer


def _rounding(options: PostTraining) -> Rounding:
    find = step_finder(options)
    return lambda rows, energy: round_rows(rows, energy, find(rows), options.techniques)[0]


def _read(graph: FloatGraph, wanted: int, examples: Values) -> npt.NDArray[np.float32]:
    """Return what the op of that number reads, `[N, ...]`."""
    live = dict(examples)
    for number, op, dead in steps(graph):
        if number == wanted:
            return live[op.inputs[0]]
        live.update(run_op(graph, number, live))
        for tensor in dead:
            live.pop(tensor, None)
    raise IndexError(wanted)
