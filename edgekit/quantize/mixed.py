"""Mixed precision: the fewest ops left in float so that answers change no more than allowed.

What is left in float goes by an order (bit_allocation); the weights of such an op are held in 8
bits all the same, or as 16-bit floats (weight_only). How many steps of that order are needed is
found by trying quantized files.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

from edgekit.errors import InputError
from edgekit.quantize.bit_allocation import Left, items, made_of, order
from edgekit.quantize.graph.float_graph import FloatGraph
from edgekit.quantize.graph.parts import ending_at
from edgekit.quantize.graph.replay import Values
from edgekit.quantize.ptq.network import Network
from edgekit.quantize.ptq.post_training import Kept, Prepared, prepare
from edgekit.quantize.ptq.sensitivity import HIDING, measure, scores
from edgekit.quantize.ptq.techniques import Mixed, PostTraining
from edgekit.quantize.quantizer import quantize

_log = logging.getLogger("edgekit")

Array = npt.NDArray[Any]
Steps = Mapping[str, Array]  # of weights, by the name of what their op answers
_PROBES = 12  # examples that tell the order of sensitivities


@dataclass(frozen=True, eq=False)
class Choice:
    """Which ops stay in float, and what that costs."""

    prepared: Prepared
    layers: tuple[str, ...]  # of the kept ops, in order
    half: tuple[str, ...]  # those with weights of 16 bits or more
    drop: float | None  # percent of answers that change, as `drop` says; None where not asked


def choose(network: Network, options: PostTraining, mixed: Mixed) -> Choice:
    """Return `network` made ready with the fewest ops in float that `mixed` allows.

    Raises:
        InputError: a pattern fits no layer, or even float does not keep what is asked.
    """
    graph = network.graph
    named = matching(graph, mixed.keep)
    left = items("op", named) | items("weights", named) | items("exact", named)
    told: float | None = None
    if mixed.max_drop is not None:
        left |= items("op", _behind(graph, scores(graph)))
        left, told = _search(network, options, left, mixed.max_drop)
    kept, plain, exact = (made_of(left, kind) for kind in ("op", "weights", "exact"))
    prepared = prepare(network, options, kept, plain)
    prepared = replace(prepared, half=graph.names_of(plain - exact))
    return Choice(prepared, _layers(graph, kept), _layers(graph, plain), told)


def _layers(graph: FloatGraph, ops: Kept) -> tuple[str, ...]:
    found = (graph.layer(op) for op in graph.ops if op.outputs[0] in ops)
    return tuple(dict.fromkeys(filter(None, found)))


def matching(graph: FloatGraph, patterns: Sequence[str]) -> Kept:
    """Return the ops whose layer fits one of the shell patterns, by its path or the path's end.

    So `block_1_*` is found in a network that lies in another, as `base/block_1_expand`. The name of
    an op, as `BATCH_MATMUL`, fits all of its kind.

    Raises:
        InputError: one of them fits none.
    """
    layers = {op.outputs[0]: graph.layer(op) for op in graph.ops}
    found: set[int] = set()
    for pattern in patterns:
        fits = {made for made, layer in layers.items() if _fits(layer, pattern)}
        fits |= {op.outputs[0] for op in graph.ops if op.kind == pattern}
        if not fits:
            known = sorted({*layers.values()} - {""})
            near = get_close_matches(pattern, known, n=3) or known[:3]
            raise InputError(
                f"--keep {pattern}: no such layer or kind of op",
                expected="a pattern, as " + ", ".join(near),
            )
        found |= fits
    return frozenset(found)


def _fits(layer: str, pattern: str) -> bool:
    parts = layer.split("/")
    return any(fnmatchcase("/".join(parts[start:]), pattern) for start in range(len(parts)))


def drop(expected: Array, got: Array) -> float:
    """Return how many percent of the answers change.

    Of scores `[N, C]` it is expected rather than counted: rounding noise has no sign, so that each
    example's error is both added and subtracted, which makes 2 N trials of N examples. Of anything
    else it is the part of a hundred that the cosine lacks.
    """
    expected, got = expected.astype(np.float64), got.astype(np.float64)
    if expected.ndim == 2 and expected.shape[1] > 1:
        best = expected.argmax(axis=1)
        mirrored = 2 * expected - got
        changed = [(scores.argmax(axis=1) != best).mean() for scores in (got, mirrored)]
        return 100 * float(np.mean(changed))
    norms = float(np.linalg.norm(expected) * np.linalg.norm(got))
    return 100 * (1 - float((expected * got).sum()) / norms) if norms else 0.0


def _search(
    network: Network, options: PostTraining, left: Left, max_drop: float
) -> tuple[Left, float]:
    """Return the smallest set of the order that keeps `max_drop`, and its own drop."""
    judged = replace(network, graph=ending_at(network.graph, scores(network.graph)))
    source = network.before or network
    expected = answers(ending_at(source.graph, scores(source.graph)).pack(), source.examples)
    ready = prepare(judged, options)
    maps = {op.inputs[0] for op in network.graph.ops if op.kind == "ARG_MAX"}
    mapped = [tensor in maps for tensor in scores(network.graph)]
    few = {t: v[:: max(1, len(v) // _PROBES)][:_PROBES] for t, v in judged.examples.items()}
    sets = order(judged.graph, measure(judged.graph, ready.ranges, ready.steps, few), left)

    def lost(candidate: Left, content: bytes, steps: Steps) -> float:
        kept, plain, exact = (judged.graph.names_of(made_of(candidate, kind))
                              for kind in ("op", "weights", "exact"))  # fmt: skip
        own = {name: values for name, values in steps.items() if name not in plain}
        made = quantize(content, "float32", kept=kept, steps=own, half=plain - exact)
        got = answers(made, judged.examples)
        pairs = zip(expected, got, mapped, strict=True)
        return max(
            drop(_places(one), _places(other)) if of_map else drop(one, other)
            for one, other, of_map in pairs
        )

    def enough(candidate: Left) -> bool:
        content = _restored(ready, judged.graph, made_of(candidate, "weights"))
        return lost(candidate, content, ready.steps) <= max_drop

    first = bisect_left(sets, True, key=enough)
    told = float("nan")
    for candidate in sets[min(first, len(sets) - 1) :]:
        # What is left in 8 bits is corrected for what now is float, and judged again.
        kept, plain = made_of(candidate, "op"), made_of(candidate, "weights")
        again = prepare(judged, options, kept, plain)
        told = lost(candidate, again.content, again.steps)
        if told <= max_drop:
            _log.info("mixed: %d of %d ops stay in float, %d with weights of 16 bits or more",
                      len(kept), len(network.graph.ops), len(plain))  # fmt: skip
            return candidate, told
    raise InputError(
        "scheme mixed: --max-drop cannot be kept",
        got=f"{told:.2g}% with all in float",
        expected=f"at most {max_drop:g}%",
        do="allow more, or take f32",
    )


def _places(maps: Array) -> Array:
    """Return maps of scores `[N, H, W, C]` as `[N H W, C]`: every place is an answer."""
    return maps.reshape(-1, maps.shape[-1])


def _restored(ready: Prepared, before: FloatGraph, plain: Kept) -> bytes:
    """Return what was made ready for 8 bits, with the weights of some ops as they were."""
    graph = FloatGraph(ready.content)
    for op in before.ops:
        if op.outputs[0] in plain and before.changeable(op):
            graph.set_constant(op.inputs[1], before.weights(op))
            graph.set_constant(op.inputs[2], before.bias(op))
    return graph.pack(ready.ranges)


def _behind(graph: FloatGraph, tensors: Sequence[int]) -> Kept:
    """Return the ops that turn these tensors into the outputs; in 8 bits they would make ties."""
    return frozenset(op.outputs[0] for op in graph.ops
                     if op.kind in HIDING and op.inputs[0] in tensors)  # fmt: skip


def answers(content: bytes, examples: Values) -> list[Array]:
    """Return the outputs `[N, ...]` of a file with float ends, in its order."""
    runner = Interpreter(model_content=content, num_threads=1)
    runner.allocate_tensors()
    places = [detail["index"] for detail in runner.get_input_details()]
    made = [detail["index"] for detail in runner.get_output_details()]
    found: list[list[Array]] = [[] for _ in made]
    for example in zip(*examples.values(), strict=True):
        for place, value in zip(places, example, strict=True):
            runner.set_tensor(place, value)
        runner.invoke()
        for kept, place in zip(found, made, strict=True):
            kept.append(runner.get_tensor(place))
    return [np.concatenate(kept) for kept in found]
