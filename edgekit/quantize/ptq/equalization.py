"""Equalization: channels of one tensor brought to one range, so that all use the same 256 steps.

A factor s on an output channel of one linear op is undone by 1/s in the ops that read the channel;
what lies between must let factors through. Nagel et al., arXiv:1906.04721, section 4.1, with three
differences: a tensor's channels are what is equalized (weights have a scale a channel anyway), all
tensors that additions join share their factors, and the strength is chosen by a model of the noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.quantize.graph.float_graph import FloatGraph, FloatOp
from edgekit.quantize.graph.linear import rows_of
from edgekit.quantize.graph.observation import Observed
from edgekit.quantize.ptq.ranges import STEPS
from edgekit.quantize.ptq.weight_steps import LEVELS, largest_steps, rounded_to

Array = npt.NDArray[Any]
FindSteps = Callable[[Array], Array]
Errors = Mapping[int, Array]  # of an op's weights, [O], by its first output; none: one step for all

_JOINING = ("ADD", "MEAN", "AVERAGE_POOL_2D", "MAX_POOL_2D", "RELU", "RELU6")
_CAP = 6.0  # of ReLU6
# A channel is widened to this share of the cap at most: what calibration did not see must fit too.
_HEADROOM = 0.25
_ON_GRID = 0.1  # of the usual squared error: weights that err less came from a grid
_STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, eq=False)
class Group:
    """Tensors whose channels must bear the same factors, and the ops around them."""

    tensors: tuple[int, ...]
    producers: tuple[FloatOp, ...]
    consumers: tuple[FloatOp, ...]
    capped: bool  # by a ReLU6, through which only factors pass that stay below its cap


def equalize(
    graph: FloatGraph,
    statistics: Observed,
    *,
    per_channel: bool = True,
    find_steps: FindSteps = largest_steps,
) -> dict[int, Array]:
    """Change the weights of `graph`; return the factors `[C]` of each tensor that was equalized.

    Args:
        graph: answers as before, but for what a ReLU6 cuts off that calibration never saw.
        statistics: of its activations.
        per_channel: whether each output channel's weights will have a scale of their own.
        find_steps: of weights `[O, K]`, how they will be rounded. Where they lie on a grid already,
            only factors on their output channels leave them there.
    """
    changed: dict[int, Array] = {}
    errors = (
        {op.outputs[0]: _errors(rows_of(graph, op), find_steps)
         for op in graph.ops if graph.changeable(op)}
        if per_channel else {}
    )  # fmt: skip
    for group in groups(graph):
        factors = _best(graph, group, statistics, errors)
        if (factors != 1).any():
            changed |= dict.fromkeys(group.tensors, factors)
            for op in group.producers:
                graph.set_constant(op.inputs[1], _outputs_times(graph.weights(op), op, factors))
                graph.set_constant(op.inputs[2], graph.bias(op) * factors)
            for op in group.consumers:
                graph.set_constant(op.inputs[1], graph.weights(op) / factors)
            errors |= {op.outputs[0]: _errors(rows_of(graph, op), find_steps)
                       for op in (*group.producers, *group.consumers) if errors}  # fmt: skip
    return changed


def groups(graph: FloatGraph) -> Iterator[Group]:
    """Yield the groups that can be equalized: linear ops before and after, nothing else around."""
    parents: dict[int, int] = {}

    def root(tensor: int) -> int:
        while (above := parents.setdefault(tensor, tensor)) != tensor:
            tensor = above
        return tensor

    barred = {*graph.inputs, *graph.outputs}
    for op in graph.ops:
        if graph.changeable(op) and _plain(op):
            continue
        read = [t for t in op.inputs if t >= 0 and graph.constant(t) is None and graph.is_float(t)]
        if op.kind in _JOINING and _plain(op) and _keeps_channels(graph, op):
            for tensor in read:
                parents[root(tensor)] = root(op.outputs[0])
            with_constant = any(graph.constant(t) is not None for t in op.inputs)
            barred |= {op.outputs[0]} if with_constant else set()
        else:
            barred |= {*read, *op.outputs}
    members: dict[int, list[int]] = {}
    for tensor in graph.activations():
        members.setdefault(root(tensor), []).append(tensor)
    for tensors in members.values():
        inside = set(tensors)
        producers = tuple(op for op in graph.ops if op.linear and inside & set(op.outputs))
        consumers = tuple(op for op in graph.ops if op.linear and op.inputs[0] in inside)
        if producers and consumers and not inside & barred:
            clipping = [op for op in graph.ops if inside & set(op.outputs)]
            capped = any(op.activation == "relu6" or op.kind == "RELU6" for op in clipping)
            yield Group(tuple(tensors), producers, consumers, capped)


def _plain(op: FloatOp) -> bool:
    """Whether factors can be moved into it: what is fused behind it lets them through."""
    return op.activation in ("none", "relu", "relu6")


def _keeps_channels(graph: FloatGraph, op: FloatOp) -> bool:
    """Whether a mean, which may go over any axes, leaves the channels alone."""
    if op.kind != "MEAN":
        return True
    rank = len(graph.shape(op.inputs[0]))
    axes = graph.integers(op.inputs[1])
    return bool(axes) and (rank - 1) not in {axis % rank for axis in axes}


def _best(graph: FloatGraph, group: Group, statistics: Observed, errors: Errors) -> Array:
    """Return the factors `[C]` of the least noise, among strengths of equal ranges."""
    seen = [statistics[t] for t in group.tensors]
    if len({len(s.high) for s in seen}) > 1 or any(
        _multiplied(graph, op) for op in group.consumers
    ):
        return np.ones(1)
    reach = np.max([np.maximum(s.high, -s.low) for s in seen], axis=0)
    wanted = _HEADROOM * _CAP if group.capped else reach.max()
    # A channel that is always zero has no range to bring anywhere.
    full = np.where(reach > 0, np.maximum(wanted / np.where(reach > 0, reach, 1), 1.0), 1.0)
    candidates = [full**strength for strength in _STRENGTHS]
    return min(candidates, key=lambda f: _noise(graph, group, statistics, f, errors))


def _noise(
    graph: FloatGraph, group: Group, statistics: Observed, factors: Array, errors: Errors
) -> float:
    """Return the expected noise over signal in what the consumers answer, summed over them.

    Rounding to steps of D adds D^2 / 12 to whatever is rounded: here activations, the consumers'
    weights, and the producers'. What weights that are as they were lose is known.
    """
    total = 0.0
    for op in group.consumers:
        weights = np.moveaxis(graph.weights(op) / factors, -1, 0)  # [C, ...]
        here = statistics[op.inputs[0]]
        span = max((here.high * factors).max(), 0.0) - min((here.low * factors).min(), 0.0)
        gain = (weights**2).reshape(len(weights), -1).sum(axis=1)
        noise = gain.sum() * (span / STEPS) ** 2 / 12
        energy = here.energy * factors**2
        noise += (_of_weights(op, weights, factors, errors) * _spread(energy, weights)).sum()
        for maker in group.producers:
            rows = rows_of(graph, maker)
            largest = np.abs(rows * np.reshape(factors, (-1, 1))).max()
            own = (errors[maker.outputs[0]] * factors**2 if errors
                   else np.square(largest / LEVELS) / 12)  # fmt: skip
            fed = statistics[maker.inputs[0]].energy.mean() * rows.shape[1]
            noise += (gain * own * fed).sum()
        signal = (gain * energy).sum()
        total += float(noise / max(signal, 1e-30))
    return total


def _of_weights(op: FloatOp, weights: Array, factors: Array, errors: Errors) -> Array:
    """Return the expected squared error of each of a consumer's weights, `[C, ...]`."""
    known = errors.get(op.outputs[0])
    if known is not None and op.kind == "DEPTHWISE_CONV_2D":  # a channel has a step of its own
        return _spread(known / factors**2, weights)
    # An output channel is the second axis, since the last came first.
    if known is not None and (factors == 1).all():
        return np.broadcast_to(known.reshape(1, -1, *[1] * (weights.ndim - 2)), weights.shape)
    axes = (0, *range(2, weights.ndim)) if known is not None else None
    largest = np.abs(weights).max(axis=axes, keepdims=True)
    return np.broadcast_to(np.square(largest / LEVELS) / 12, weights.shape)


def _errors(rows: Array, find_steps: FindSteps) -> Array:
    """Return the expected squared error of each row of weights `[O, K]` as they are.

    That is D^2 / 12, unless they lie on a grid.
    """
    error = np.square(rounded_to(find_steps(rows), rows) - rows).mean(axis=1)
    usual = np.square(largest_steps(rows)) / 12
    found: Array = np.where(error < _ON_GRID * usual, error, usual)
    return found


def _spread(energy: Array, weights: Array) -> Array:
    wide: Array = energy.reshape(-1, *[1] * (weights.ndim - 1))
    return np.broadcast_to(wide, weights.shape)


def _outputs_times(weights: Array, op: FloatOp, factors: Array) -> Array:
    if op.kind == "DEPTHWISE_CONV_2D":
        return weights * factors
    scaled: Array = weights * factors.reshape(-1, *[1] * (weights.ndim - 1))
    return scaled


def _multiplied(graph: FloatGraph, op: FloatOp) -> bool:
    """Whether an input channel feeds several depthwise outputs, or groups: no factor a channel."""
    channels = graph.shape(op.inputs[0])[-1]
    return graph.weights(op).shape[-1] != channels
