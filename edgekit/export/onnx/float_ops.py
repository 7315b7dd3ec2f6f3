"""What an 8-bit .onnx leaves in float: what ONNX Runtime is no faster at in integers.

Its quantizer rounds around every op that it knows, whatever lies beside it. A softmax takes four
times as long in integers; a norm, an error function or an exponential has no such kernel, and an
addition beside one costs two more conversions than it saves, and rounds what a residual network
hands on. A product of two small computed matrices takes longer to convert than to multiply.

Behind a product of matrices nothing need be rounded that is read in float: there is a kernel that
multiplies integers and answers floats.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from edgekit.export.onnx.graph import constants_of, drop_unused, shapes_of

MOVES = {"Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten"}  # of stored values none
_FILTERS = {"Conv", "ConvTranspose"}
_PRODUCTS = {"MatMul", "Gemm"}  # which also answer floats
# What else is computed in integers as fast as in float, or faster, and what reads no values.
_SERVED = _FILTERS | _PRODUCTS | MOVES | {
    "AveragePool", "GlobalAveragePool", "MaxPool", "ReduceMax", "ReduceMin", "ArgMax", "Concat",
    "LeakyRelu", "Clip", "Relu", "Where", "Resize", "Pad", "Gather", "GatherElements", "Slice",
    "Split", "DepthToSpace", "SpaceToDepth", "Expand", "Tile", "Identity", "Shape", "Size",
}  # fmt: skip
_FOLLOWING = {"Add", "Mul", "Sigmoid"}  # in integers, unless float lies beside them
# Multiply-adds of one matrix of a product of two computed ones: with 64 x 64 x 32 integers are 4%
# slower, with 128 x 128 x 64 they are 14% faster (AMD EPYC with VNNI, ONNX Runtime 1.32).
_SMALL = 1 << 18

Shapes = Mapping[str, tuple[int, ...]]


def float_ops(model: Any) -> list[str]:
    """Return the names of the nodes of a float model that are to stay in float."""
    graph, shapes, stored = model.graph, shapes_of(model), constants_of(model.graph)
    links, answers = _Links(graph), {value.name for value in graph.output}
    found = {
        node.name: node
        for node in graph.node
        if node.op_type not in _SERVED | _FOLLOWING
        or (node.op_type in _FOLLOWING and answers & {*node.output})
        or _is_small(node, shapes, stored)
    }
    waiting = list(found.values())
    while waiting:
        node = waiting.pop()
        for other, value in links.around(node):
            # A gate of a few numbers turns no map of many into floats.
            whole = shapes.get(value) == shapes.get(other.output[0])
            if other.op_type in _FOLLOWING and other.name not in found and whole:
                found[other.name] = other
                waiting.append(other)
    return list(found)


def _is_small(node: Any, shapes: Shapes, stored: Collection[str]) -> bool:
    if node.op_type != "MatMul" or any(name in stored for name in node.input):
        return False
    first, second = (shapes.get(name, ()) for name in node.input)
    return math.prod((*first[-2:], *second[-1:])) <= _SMALL


def drop_roundings(graph: Any, floats: Collection[str]) -> None:
    """Let ops in float read what was not rounded, and remove the roundings that nothing reads.

    Args:
        graph: as ONNX Runtime's quantizer leaves it, changed in place.
        floats: the names of nodes that stay in float.
    """
    links, answers = _Links(graph), {value.name for value in graph.output}
    for rounding in reversed([node for node in graph.node if node.op_type == "QuantizeLinear"]):
        value, maker = rounding.input[0], links.makers.get(rounding.input[0])
        restoring = links.readers(rounding.output[0])
        restored = {node.output[0] for node in restoring}
        readers = [node for name in restored for node in links.readers(name)]
        reading = [node for node in readers if not _in_integers(node, floats, links)]
        alone = len(reading) == len(readers)  # nothing reads it in integers
        serves = (
            maker is None or maker.name in floats or (alone and maker.op_type in _PRODUCTS | MOVES)
        )
        named = answers & restored
        nameable = alone and maker is not None and len(named) == 1 and value not in answers
        if not serves or (named and not nameable):
            continue
        for node in reading:
            links.read(node, restored, value)
        if alone:
            links.forget(rounding)
        for node in [node for node in restoring if node.output[0] in named]:
            graph.node.remove(node)
            links.rename(value, node.output[0])
    drop_unused(graph)


def _in_integers(node: Any, floats: Collection[str], links: _Links) -> bool:
    """Whether ONNX Runtime joins a node with the conversions around it."""
    if node.name in floats:
        return False
    after = [reader.op_type for out in node.output for reader in links.readers(out)]
    return node.op_type in _FILTERS | _PRODUCTS or {*after} == {"QuantizeLinear"}


class _Links:
    """Who makes and who reads the values of a graph, kept while readers change."""

    def __init__(self, graph: Any) -> None:
        self.makers = {name: node for node in graph.node for name in node.output}
        self._readers: dict[str, list[Any]] = {}
        for node in graph.node:
            for name in {*node.input}:
                self._readers.setdefault(name, []).append(node)

    def readers(self, value: str) -> list[Any]:
        """Return the nodes that read a value."""
        return self._readers.get(value, [])

    def around(self, node: Any) -> Iterator[tuple[Any, str]]:
        """Yield the nodes before and behind one, moves passed by, each with the value between."""
        for value in node.input:
            maker = self.makers.get(value)
            while maker is not None and maker.op_type in MOVES:
                maker = self.makers.get(maker.input[0])
            if maker is not None:
                yield maker, maker.output[0]
        yield from self._behind(node.output)

    def _behind(self, values: Collection[str]) -> Iterator[tuple[Any, str]]:
        for value in values:
            for reader in self.readers(value):
                if reader.op_type in MOVES:
                    yield from self._behind(reader.output)
                else:
                    yield reader, value

    def read(self, node: Any, before: Collection[str], value: str) -> None:
        """Let a node read `value` in place of those before."""
        node.input[:] = [value if name in before else name for name in node.input]
        for name in before:
            self._readers[name] = [other for other in self.readers(name) if other is not node]
        self._readers.setdefault(value, []).append(node)

    def forget(self, node: Any) -> None:
        """Let a node that nothing reads read nothing."""
        for name in node.input:
            self._readers[name] = [other for other in self.readers(name) if other is not node]

    def rename(self, value: str, name: str) -> None:
        """Call a computed value as an answer of the graph is called."""
        maker = self.makers[value]
        maker.output[:] = [name if output == value else output for output in maker.output]
        for reader in self.readers(value):
            reader.input[:] = [name if read == value else read for read in reader.input]
        self._readers[name] = self._readers.pop(value, [])
        self.makers[name] = maker
