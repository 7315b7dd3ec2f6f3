"""A float graph run op by op over all examples at once, so that each op can be changed on the way.

The ops are LiteRT's own, one interpreter an op: any graph that LiteRT runs can be replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

from edgekit.quantize.graph.float_graph import FloatGraph, FloatOp
from edgekit.quantize.graph.parts import alone, starting_behind

Values = dict[int, npt.NDArray[np.float32]]  # [N, *shape] by tensor: the shape holds the batch, 1


def run_op(graph: FloatGraph, number: int, values: Values) -> Values:
    """Return what the op of that number makes of `values`, example by example.

    The root of zero that RSQRT divides by makes its answer infinite, as in integers the largest;
    LiteRT's kernel for floats says that it is no number.
    """
    content, fed = alone(graph, number)
    op = graph.ops[number]
    made = _runner(content, fed, op.outputs)(values)
    if op.kind == "RSQRT":
        (answer,), (given,) = op.outputs, op.inputs
        made[answer] = np.where(values[given] == 0, np.float32(np.inf), made[answer])
    return made


def behind(graph: FloatGraph, number: int) -> Callable[[Values], Values]:
    """Return what makes the graph's outputs of the values after the op of that number.

    Before the first op that is -1. The ops are joined to one file, which is read but once.
    """
    content, fed, answered = starting_behind(graph, number)
    if not answered:
        return lambda values: {tensor: values[tensor] for tensor in graph.outputs}
    run = _runner(content, fed, answered)

    def finish(values: Values) -> Values:
        made = run(values)
        return {t: made[t] if t in made else values[t] for t in graph.outputs}

    return finish


def _runner(
    content: bytes, fed: tuple[int, ...], outputs: tuple[int, ...]
) -> Callable[[Values], Values]:
    """Return what runs a file on values by tensor, example by example."""
    runner = Interpreter(model_content=content, num_threads=1)
    runner.allocate_tensors()
    places = [detail["index"] for detail in runner.get_input_details()]
    made = [detail["index"] for detail in runner.get_output_details()]

    def run(values: Values) -> Values:
        examples = len(next(iter(values.values())))
        found: Values = {}
        for example in range(examples):
            for tensor, place in zip(fed, places, strict=True):
                runner.set_tensor(place, values[tensor][example])
            runner.invoke()
            for tensor, place in zip(outputs, made, strict=True):
                value = runner.get_tensor(place)
                if tensor not in found:
                    found[tensor] = np.empty((examples, *value.shape), value.dtype)
                found[tensor][example] = value
        return found

    return run


def steps(graph: FloatGraph) -> Iterator[tuple[int, FloatOp, tuple[int, ...]]]:
    """Yield number and op in order, with the tensors that nothing reads afterwards."""
    last = {t: number for number, op in enumerate(graph.ops) for t in op.inputs}
    for number, op in enumerate(graph.ops):
        dead = {t for t in op.inputs if last[t] == number and t not in graph.outputs}
        unread = {t for t in op.outputs if t not in last and t not in graph.outputs}
        yield number, op, tuple(dead | unread)


def live_bytes(graph: FloatGraph, example: Values) -> int:
    """Return the most bytes that the activations of one example take at once in a replay."""
    values, most = dict(example), 0
    for number, _, dead in steps(graph):
        values.update(run_op(graph, number, values))
        most = max(most, sum(value.nbytes for value in values.values()))
        for tensor in dead:
            values.pop(tensor, None)
    return most
