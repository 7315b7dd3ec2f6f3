"""Post-training quantization: a float .tflite made ready for the ordinary quantizer.

Three techniques, each of which can be left out, and a range for every activation:

equalize  channels of a tensor to one range         (equalization)
round     weights rounded together                  (rounding)
bias      mean errors taken back                    (bias)
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.artifact import TensorSpec
from edgekit.errors import InputError
from edgekit.quantize.bias import correct_bias
from edgekit.quantize.equalization import equalize, observe
from edgekit.quantize.float_graph import FloatGraph, Range
from edgekit.quantize.ranges import ESTIMATORS, fake_quantize
from edgekit.quantize.replay import Values, live_bytes, run_op, steps
from edgekit.quantize.rounding import round_to_nearest, round_weights
from edgekit.quantize.techniques import PostTraining

_log = logging.getLogger("edgekit")

_MEMORY_BYTES = 3 << 30  # for the activations of a replay, float and integer side by side
_MOVING = (  # ops that hand values on: their output has the input's range
    "RESHAPE", "PAD", "MAX_POOL_2D", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "SQUEEZE",
    "EXPAND_DIMS", "GATHER", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "SPLIT", "UNPACK",
)  # fmt: skip


@dataclass(frozen=True)
class Prepared:
    """A float .tflite with the ranges of its activations in it."""

    content: bytes
    examples: int  # that it was prepared on
    ranges: Mapping[int, Range] = field(repr=False)


def prepare(
    content: bytes,
    inputs: tuple[TensorSpec, ...],
    examples: Iterable[Mapping[str, npt.NDArray[Any]]],
    options: PostTraining,
) -> Prepared:
    """Return the float .tflite `content` made ready for 8 bits.

    Args:
        content: of the file.
        inputs: in the order of the file's inputs.
        examples: calibration examples by input name, real values.
        options: which techniques.

    Raises:
        InputError: several subgraphs.
    """
    graph = FloatGraph(content)
    fed = _stacked(graph, inputs, examples)
    count = len(next(iter(fed.values())))
    if "equalize" in options.techniques:
        changed = equalize(graph, observe(graph, fed))
        _log.info("equalized %d groups of tensors", changed)
    ranges = _correct(graph, fed, options)
    return Prepared(graph.pack(ranges), count, ranges)


def _correct(graph: FloatGraph, fed: Values, options: PostTraining) -> dict[int, Range]:
    """Go through the network once, float and rounded side by side; return each tensor's range.

    Each op is changed, its range chosen and its output rounded before the next one sees it.
    """
    estimate = ESTIMATORS[options.ranges]
    reference = graph.copy()
    ranges = {t: estimate(v) for t, v in fed.items() if graph.is_float(t)}
    exact = dict(fed)
    rounded = {t: fake_quantize(v, ranges[t]) if t in ranges else v for t, v in fed.items()}
    for number, op, dead in steps(graph):
        exact.update(run_op(reference, number, exact))
        if op.linear and graph.changeable(op):
            read = op.inputs[0]
            together = "round" in options.techniques
            weights = round_weights(graph, op, rounded[read]) if together else None
            graph.set_constant(
                op.inputs[1], round_to_nearest(graph, op) if weights is None else weights
            )
            if "bias" in options.techniques:
                correct_bias(graph, op, rounded[read], reference, exact[read])
        rounded.update(run_op(graph, number, rounded))
        for tensor in op.outputs:
            if not graph.is_float(tensor):
                continue
            if op.kind in _MOVING:
                ranges[tensor] = ranges.get(op.inputs[0]) or estimate(exact[tensor])
            else:
                ranges[tensor] = estimate(exact[tensor])
                rounded[tensor] = fake_quantize(rounded[tensor], ranges[tensor])
        for tensor in dead:
            exact.pop(tensor, None)
            rounded.pop(tensor, None)
    return ranges


def _stacked(
    graph: FloatGraph, inputs: tuple[TensorSpec, ...], examples: Iterable[Mapping[str, Any]]
) -> Values:
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
