"""What is asked of an ONNX graph by everything that rewrites it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Array = npt.NDArray[Any]


def nodes_of(graph: Any) -> Iterator[Any]:
    """Yield the nodes of a graph and of the graphs inside it."""
    for node in graph.node:
        yield node
        for inner in _inner(node):
            yield from nodes_of(inner)


def drop_unused(graph: Any) -> None:
    """Remove nodes and constants that none reads, of which ONNX Runtime would warn one by one."""
    wanted = {answer.name for answer in graph.output}
    for node in reversed(list(graph.node)):
        if wanted.isdisjoint(node.output):
            graph.node.remove(node)
        else:
            wanted |= set(_reads(node))
    for tensor in [t for t in graph.initializer if t.name not in wanted]:
        graph.initializer.remove(tensor)


def _reads(node: Any) -> Iterator[str]:
    """Yield what a node and the graphs inside it read, or hand out as it came in."""
    yield from node.input
    for inner in _inner(node):
        yield from (answer.name for answer in inner.output)
        for each in inner.node:
            yield from _reads(each)


def _inner(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        yield from (attribute.g, *attribute.graphs)


def shapes_of(model: Any) -> dict[str, tuple[int, ...]]:
    """Return the sizes of the values whose rank is known; an open size is 0."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    return {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in (*graph.input, *graph.value_info, *graph.output)
        if value.type.tensor_type.HasField("shape")
    }


def maker_of(value: str, graph: Any) -> Any:
    """Return the node that makes a value, None where it is fed or stored."""
    return next((node for node in graph.node if value in node.output), None)


def readers_of(value: str, graph: Any) -> list[Any] | None:
    """Return the nodes that read a value; None where it is an answer, or read by inner graphs."""
    inner = [n for n in nodes_of(graph) if value in n.input]
    found = [n for n in graph.node if value in n.input]
    answers = {answer.name for answer in graph.output}
    return None if value in answers or len(inner) > len(found) else found


def constants_of(graph: Any) -> dict[str, Array]:
    """Return the stored values by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def attributes_of(node: Any) -> dict[str, Any]:
    """Return what a node is set to, by name."""
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def store(graph: Any, name: str, values: Array) -> None:
    """Store float32 values, in place of what bears the name."""
    for old in [tensor for tensor in graph.initializer if tensor.name == name]:
        graph.initializer.remove(old)
    graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
