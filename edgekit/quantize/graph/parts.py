"""Parts of a float graph: up to some tensors, behind an op, or an op alone."""

from __future__ import annotations

import copy
from collections.abc import Iterable

from ai_edge_litert import schema_py_generated as schema

from edgekit.quantize.graph.float_graph import FloatGraph
from edgekit.quantize.graph.tflite_file import pack

_VERSION = 3  # of the schema


def ending_at(graph: FloatGraph, tensors: Iterable[int]) -> FloatGraph:
    """Return a copy whose outputs are these tensors, without the ops that only came after."""
    other = graph.copy()
    kept, needed, ops = other.subgraph, set(tensors), []
    for op in reversed(kept.operators):
        if needed & set(op.outputs):
            needed |= set(op.inputs)
            ops.append(op)
    kept.operators, kept.outputs = ops[::-1], list(tensors)
    other.model.signatureDefs = None
    return FloatGraph(other.pack())


def starting_behind(
    graph: FloatGraph, number: int
) -> tuple[bytes, tuple[int, ...], tuple[int, ...]]:
    """Return a file of the ops behind that number, what must be fed to it, what it answers.

    An output of the graph that an earlier op makes is not among the answers.
    """
    part, model = copy.copy(graph.subgraph), copy.copy(graph.model)
    part.operators = graph.subgraph.operators[number + 1 :]
    made = {t for op in graph.ops[number + 1 :] for t in op.outputs}
    read = dict.fromkeys(t for op in graph.ops[number + 1 :] for t in op.inputs if t >= 0)
    fed = tuple(t for t in read if t not in made and not graph.stores(t))
    answered = tuple(t for t in graph.outputs if t in made)
    part.inputs, part.outputs = fed, answered
    model.subgraphs, model.signatureDefs = [part], None
    return pack(model), fed, answered


def alone(graph: FloatGraph, number: int) -> tuple[bytes, tuple[int, ...]]:
    """Return a file of the op of that number alone, and the tensors that must be fed to it."""
    op = copy.copy(graph.subgraph.operators[number])
    model, part = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs, model.buffers = _VERSION, [part], [schema.BufferT()]
    model.operatorCodes = [graph.model.operatorCodes[op.opcodeIndex]]
    op.opcodeIndex, part.operators, part.tensors = 0, [op], []
    fed = {int(t): None for t in op.inputs if t >= 0 and not graph.stores(t)}
    places: dict[int, int] = {}
    for tensor in dict.fromkeys(int(t) for t in (*op.inputs, *op.outputs) if t >= 0):
        kept = copy.copy(graph.subgraph.tensors[tensor])
        kept.quantization, stored = None, graph.model.buffers[kept.buffer]
        kept.buffer = 0
        if graph.stores(tensor):
            kept.buffer = len(model.buffers)
            model.buffers.append(stored)
        places[tensor] = len(part.tensors)
        part.tensors.append(kept)
    op.inputs = [places.get(int(t), -1) for t in op.inputs]
    op.outputs = [places[int(t)] for t in op.outputs]
    part.inputs, part.outputs = [places[t] for t in fed], op.outputs
    return pack(model), tuple(fed)
