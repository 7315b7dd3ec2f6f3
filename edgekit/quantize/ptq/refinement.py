"""Refinement: what rounding leaves of the weights that answers hang on, as a second op's weights.

W x = round(W) x + (W - round(W)) x: both have 8-bit weights, the second on a grid some 250 times as
fine, and an ADD that takes over the activation joins them. So a layer has weights of 16 bits where
files have but 8, at twice its multiply-adds. That pays beside 16-bit activations: noise that
weights bring is often that of a few small layers near the input.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from edgekit.quantize.graph.float_graph import FloatGraph
from edgekit.quantize.graph.linear import rows_of, shaped
from edgekit.quantize.graph.replay import Values, run_op, steps
from edgekit.quantize.graph.tflite_file import (
    add_tensor,
    code_of,
    kind_of,
    pack,
    steps_of,
    steps_of_channels,
    store,
    unpack,
)
from edgekit.quantize.ptq.network import Network
from edgekit.quantize.ptq.pruning import CEILINGS
from edgekit.quantize.ptq.reconstruction import Moments
from edgekit.quantize.ptq.reconstruction import measure as measure_moments
from edgekit.quantize.ptq.rounding import round_together
from edgekit.quantize.ptq.sensitivity import measure
from edgekit.quantize.ptq.weight_steps import answers_of, largest_steps, on_grid, rounded_to

Array = npt.NDArray[Any]

_log = logging.getLogger("edgekit")

_MANY = 0.25  # of the layers: beyond, their second ops are said aloud
LEFT = 1e-5  # of the answers' energy, that weights may bring as noise after all: 50 dB
_JUDGED = 16  # examples
_MOST = 32767
_ADD_VERSION = 3  # the first that adds 16-bit integers of any scale


@dataclass(frozen=True, eq=False)
class Rest:
    """A second op, beside one whose weights are rounded to nearest."""

    first_most: float  # the largest that the first op answers before its activation and matters
    most: float  # the largest that this one answers
    seen: Moments  # of what both read, by which its weights are rounded together


def refine(
    network: Network, weight_steps: Mapping[int, Array], room: float = 1.0
) -> dict[int, Rest]:
    """Return second ops for those whose weights bring the most noise, by first output.

    An op with an activation other than ReLU and ReLU6 is left as it is.

    Args:
        network: in float, over its examples.
        weight_steps: of the ops that can have one, `[O]` by first output.
        room: of ranges that no activation ends, times what the examples reached.
    """
    graph = network.graph
    judged = {t: v[:: max(1, len(v) // _JUDGED)] for t, v in network.examples.items()}
    fitting = {op.outputs[0] for op in graph.ops if op.activation in CEILINGS}
    named = {graph.name(tensor): own for tensor, own in weight_steps.items() if tensor in fitting}
    brought = measure(graph, {}, named, judged).weights
    left, chosen = sum(brought.values()), set()
    for tensor in sorted(brought, key=lambda t: -brought[t]):
        if left <= LEFT:
            break
        left -= brought[tensor]
        chosen.add(tensor)
    level = logging.WARNING if len(chosen) > _MANY * len(brought) else logging.INFO
    _log.log(level, "refine: %d of %d layers get a second op for what rounding leaves of their "
             "weights; name the techniques without it where time counts more",
             len(chosen), len(brought))  # fmt: skip
    return _rests(graph, network.examples, {t: weight_steps[t] for t in chosen}, room)


def _rests(
    graph: FloatGraph, examples: Values, weight_steps: Mapping[int, Array], room: float
) -> dict[int, Rest]:
    found, live = {}, dict(examples)
    for number, op, dead in steps(graph):
        if (own := weight_steps.get(op.outputs[0])) is not None:
            found[op.outputs[0]] = _rest(graph, number, live, own, room)
        live.update(run_op(graph, number, live))
        for tensor in dead:
            live.pop(tensor, None)
    return found


def _rest(graph: FloatGraph, number: int, fed: Values, own: Array, room: float) -> Rest:
    """Return what an op rounded in its own steps, and the rest, answer to `fed` at the most."""
    op, bias = graph.ops[number], graph.bias(graph.ops[number])
    rows = rows_of(graph, op)
    rest = rows - rounded_to(own, rows)

    def most(made: Array, added: Array) -> float:
        other = graph.copy()
        other.set_constant(op.inputs[1], shaped(graph, op, made))
        other.set_constant(op.inputs[2], added)
        other.drop_activation(number)
        return room * float(np.abs(run_op(other, number, fed)[op.outputs[0]]).max())

    second = most(rest, np.zeros_like(bias))
    # What an activation cuts off may be cut off before it, where the rest cannot bring it back.
    ceiling = CEILINGS[op.activation] + second
    first = ceiling if np.isfinite(ceiling) else most(rows - rest, bias)
    read = fed[op.inputs[0]]
    return Rest(first, second, measure_moments(graph, op, read, read))


def add_rests(content: bytes, float_file: bytes, rests: Mapping[str, Rest]) -> bytes:
    """Return a .tflite of 16-bit activations with second ops.

    Args:
        content: the integer file.
        float_file: ops of the same names, whose weights it has rounded.
        rests: by the name of what the first op answers.
    """
    if not rests:
        return content
    model, source = unpack(content), FloatGraph(float_file)
    (graph,) = model.subgraphs
    named = {source.name(op.outputs[0]): op for op in source.ops if op.linear}
    for number, raw in reversed(list(enumerate(graph.operators))):
        for name in answers_of(model, graph, raw):
            if name in rests:
                rows = rows_of(source, named[name])
                held = _held(model, graph, raw, rows, rests[name].seen)
                graph.operators[number : number + 1] = _both(model, graph, raw, held, rests[name])
                break
    return pack(model)


def _held(model: Any, graph: Any, raw: Any, rows: Array, seen: Moments) -> tuple[int, int]:
    """Return tensors of the second op's weights and bias: what the first one's leave of `rows`.

    What is left of that in turn is least in what the op answers, and has no mean there.
    """
    fed, weights = (graph.tensors[i] for i in raw.inputs[:2])
    first = np.frombuffer(bytes(model.buffers[weights.buffer].data), np.int8)
    last = kind_of(model, raw) == "DEPTHWISE_CONV_2D"  # the axis of output channels
    laid_out = first.reshape(-1, len(rows)).T if last else first.reshape(len(rows), -1)
    rest = rows - laid_out * np.asarray(weights.quantization.scale, np.float64)[:, np.newaxis]
    steps = largest_steps(rest).astype(np.float32)
    bias_steps = np.float64(fed.quantization.scale[0]) * steps
    made, _ = round_together(rest, seen.energy, steps.astype(np.float64))
    shift = np.rint(-seen.bias_shift(made, rest) / bias_steps).astype(np.int64)
    own = on_grid(made, steps.astype(np.float64)).astype(np.int8)
    own = own.T if last else own
    held = add_tensor(
        graph, weights, b"/rest", buffer=store(model, own),
        quantization=steps_of_channels(steps, weights.quantization.quantizedDimension),
    )  # fmt: skip
    bias = add_tensor(
        graph, weights, b"/rest_bias", shape=np.array([len(steps)], np.int32),
        type=schema.TensorType.INT64, buffer=store(model, shift),
        quantization=steps_of_channels(bias_steps),
    )  # fmt: skip
    return held, bias


def _both(model: Any, graph: Any, raw: Any, held: tuple[int, int], rest: Rest) -> list[Any]:
    """Return an op without its activation, the second one, and the ADD that has it."""
    (place,) = raw.outputs
    answer = graph.tensors[place]
    first = add_tensor(graph, answer, b"/first", quantization=steps_of(rest.first_most / _MOST, 0))
    second = add_tensor(graph, answer, b"/rest", quantization=steps_of(rest.most / _MOST, 0))
    activation = raw.builtinOptions.fusedActivationFunction
    raw.builtinOptions.fusedActivationFunction = schema.ActivationFunctionType.NONE
    other = copy.deepcopy(raw)
    raw.outputs = np.array([first], np.int32)
    other.inputs = np.array([raw.inputs[0], *held], np.int32)
    other.outputs = np.array([second], np.int32)
    return [raw, other, _add(model, (first, second), place, activation)]


def _add(model: Any, inputs: tuple[int, int], output: int, activation: int) -> Any:
    made = schema.OperatorT()
    made.opcodeIndex = code_of(model, "ADD", _ADD_VERSION)
    made.inputs, made.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
    made.builtinOptionsType = schema.BuiltinOptions.AddOptions
    made.builtinOptions = schema.AddOptionsT()
    made.builtinOptions.fusedActivationFunction = activation
    made.builtinOptions.potScaleInt16 = False  # scales are no powers of two
    return made
