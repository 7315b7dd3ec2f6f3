"""How much noise each part of a network brings into its answers when it alone is rounded to 8 bits.

Noise of independent roundings adds up, so that what a set of parts brings is told by its sum: that
holds as long as the noise is small against the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from edgekit.quantize.graph.float_graph import FloatGraph, FloatOp, Range
from edgekit.quantize.graph.parts import ending_at
from edgekit.quantize.graph.replay import Values, behind, run_op, steps
from edgekit.quantize.ptq.ranges import fake_quantize
from edgekit.quantize.ptq.rounding import round_to_nearest

_NOISIEST = 1e30
HIDING = ("SOFTMAX", "LOGISTIC", "ARG_MAX")  # where a class is sure, they hide all noise


@dataclass(frozen=True)
class Sensitivity:
    """Noise over signal of the worst output, by what is rounded."""

    tensors: Mapping[int, float]  # activations
    weights: Mapping[int, float]  # of linear ops, by their first output

    @property
    def total(self) -> float:
        """What everything rounded together brings."""
        return sum(self.tensors.values()) + sum(self.weights.values())


@dataclass(frozen=True, eq=False)
class Effect:
    """One activation of a float network that is being replayed."""

    op: FloatOp  # that makes it
    tensor: int
    values: npt.NDArray[np.float32]  # of all examples
    judged: npt.NDArray[np.float32]  # of the few by which changes are told
    cost: Callable[[npt.NDArray[np.float32]], float]  # noise in the answers, others in their place


def effects(
    graph: FloatGraph, examples: Values, judged: int, among: Container[int] | None = None
) -> Iterator[Effect]:
    """Yield the activations op by op, inputs and answers aside; use each before the next.

    Args:
        graph: the float network, whose answers are compared before a softmax and the like.
        examples: `[N, ...]` by input tensor.
        judged: how many of them tell what a change costs, spread over all.
        among: the tensors that are wanted; all if not given.
    """
    graph = ending_at(graph, scores(graph))
    few = slice(None, None, max(1, len(next(iter(examples.values()))) // judged))
    answers = behind(graph, -1)({tensor: value[few] for tensor, value in examples.items()})
    live = dict(examples)
    for number, op, dead in steps(graph):
        live.update(run_op(graph, number, live))
        wanted = [t for t in op.outputs if graph.is_float(t) and t not in graph.outputs
                  and (among is None or t in among)]  # fmt: skip
        if wanted:
            finish, here = behind(graph, number), {t: v[few] for t, v in live.items()}
            for tensor in wanted:
                cost = partial(_cost, answers, finish, here, tensor)
                yield Effect(op, tensor, live[tensor], here[tensor], cost)
        for tensor in dead:
            live.pop(tensor, None)


def _cost(
    answers: Values, finish: Callable[[Values], Values], here: Values, tensor: int,
    changed: npt.NDArray[np.float32],
) -> float:  # fmt: skip
    return noise(answers, finish({**here, tensor: changed}))


def measure(
    graph: FloatGraph,
    ranges: Mapping[int, Range],
    weight_steps: Mapping[str, npt.NDArray[np.float64]],
    examples: Values,
) -> Sensitivity:
    """Round one activation or one op's weights at a time and run the rest of the network in float.

    Args:
        graph: the float network.
        ranges: of its activations.
        weight_steps: of the weights that are rounded, by the name of what their op answers.
        examples: `[N, ...]` by input tensor; a dozen tell the order.
    """
    finish = behind(graph, -1)
    answers = finish(examples)
    tensors = {
        tensor: noise(answers, finish({**examples, tensor: fake_quantize(value, ranges[tensor])}))
        for tensor, value in examples.items()
        if tensor in ranges
    }
    weights: dict[int, float] = {}
    live = dict(examples)
    for number, op, dead in steps(graph):
        finish = behind(graph, number)
        if (own := weight_steps.get(graph.name(op.outputs[0]))) is not None:
            other = graph.copy()
            other.set_constant(op.inputs[1], round_to_nearest(graph, op, own))
            changed = {**live, **run_op(other, number, live)}
            weights[op.outputs[0]] = noise(answers, finish(changed))
        live.update(run_op(graph, number, live))
        for tensor in op.outputs:
            if tensor in ranges and tensor not in graph.outputs:
                changed = {**live, tensor: fake_quantize(live[tensor], ranges[tensor])}
                tensors[tensor] = noise(answers, finish(changed))
        for tensor in dead:
            live.pop(tensor, None)
    return Sensitivity(tensors, weights)


def scores(graph: FloatGraph) -> tuple[int, ...]:
    """Return the outputs, or what a softmax, a sigmoid or an arg-max makes them from."""
    before = {op.outputs[0]: op.inputs[0] for op in graph.ops if op.kind in HIDING}
    found = []
    for tensor in graph.outputs:
        while tensor in before:
            tensor = before[tensor]
        found.append(tensor)
    return tuple(found)


def noise(expected: Values, got: Values) -> float:
    """Return the error's energy over that of the answers about their mean, of the worst output.

    Where an answer is no number, or infinite, nothing is noisier.
    """
    ratios = []
    for tensor, answer in expected.items():
        spread = float(np.square(answer - answer.mean()).sum())
        ratio = float(np.square(got[tensor] - answer).sum()) / max(spread, 1e-30)
        ratios.append(ratio if np.isfinite(ratio) else _NOISIEST)
    return max(ratios)
