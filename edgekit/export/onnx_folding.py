"""What tf2onnx leaves in a graph: reshapes that change nothing, and behind them batch norms.

It writes a transposition of a map of one pixel as a reshape. Between a convolution and its batch
norm that hides the one from the other, and 8 bits would round the norm's weights as well. And what
is added to a dense op's answers, as a hard sigmoid does, it makes the bias of a second dense op,
also where the first is needed too, and also where it is one number for all answers, of which ONNX
Runtime's quantizer wants one each.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

_EPSILON = 1e-5  # of BatchNormalization, where the node names none


def fold(model: Any) -> Any:
    """Return the model without idle reshapes, norms folded, and dense ops that come once."""
    graph = model.graph
    _drop_idle_reshapes(graph, _shapes(model))
    folded = [norm for norm in graph.node if _fold(norm, graph)]
    for norm in folded:
        graph.node.remove(norm)
    for node in graph.node:
        _join_twin(node, graph)
        _spread_bias(node, graph)
    drop_unused(graph)
    return model


def drop_unused(graph: Any) -> None:
    """Remove constants that no node reads, of which ONNX Runtime would warn one by one."""
    used = {name for node in nodes_of(graph) for name in node.input}
    for tensor in [t for t in graph.initializer if t.name not in used]:
        graph.initializer.remove(tensor)


def nodes_of(graph: Any) -> Iterator[Any]:
    """Yield the nodes of a graph and of the graphs inside it."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from nodes_of(inner)


def _shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """Return the sizes of values, where all of them are known."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    found = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        dims = value.type.tensor_type.shape.dim
        if value.type.tensor_type.HasField("shape") and all(d.dim_value > 0 for d in dims):
            found[value.name] = tuple(d.dim_value for d in dims)
    return found


def _drop_idle_reshapes(graph: Any, shapes: dict[str, tuple[int, ...]]) -> None:
    answers = {value.name for value in graph.output}
    for node in list(graph.node):
        before, after = node.input[0] if node.input else "", node.output[0]
        idle = node.op_type == "Reshape" and before in shapes and after not in answers
        if idle and shapes[before] == shapes.get(after):
            for user in graph.node:
                user.input[:] = [before if name == after else name for name in user.input]
            graph.node.remove(node)


def _fold(norm: Any, graph: Any) -> bool:
    """Scale the convolution in front of a batch norm, if there is one that nobody else reads.

    y = (Wx + b - mean) s + beta, s = gamma / sqrt(variance + epsilon).
    """
    constants = {t.name: t for t in graph.initializer}
    if norm.op_type != "BatchNormalization" or not all(n in constants for n in norm.input[1:]):
        return False
    conv = next((n for n in graph.node if norm.input[0] in n.output), None)
    readers = [n for n in graph.node if norm.input[0] in n.input]
    if conv is None or conv.op_type != "Conv" or len(readers) > 1:
        return False
    if not all(name in constants for name in conv.input[1:]):
        return False
    gamma, beta, mean, variance = (_array(constants[name]) for name in norm.input[1:])
    epsilon = next((a.f for a in norm.attribute if a.name == "epsilon"), _EPSILON)
    scale = gamma / np.sqrt(variance + epsilon)
    kernel, *bias = (_array(constants[name]) for name in conv.input[1:])
    shift = (bias[0] if bias else 0.0) - mean
    made = {"kernel": kernel * scale[:, None, None, None], "bias": shift * scale + beta}
    names = [f"{norm.output[0]}_{part}" for part in made]
    graph.initializer.extend(
        numpy_helper.from_array(value.astype(np.float32), name)
        for name, value in zip(names, made.values(), strict=True)
    )
    conv.input[:] = [conv.input[0], *names]
    conv.output[:] = norm.output
    return True


def _join_twin(node: Any, graph: Any) -> None:
    """Make an addition of a dense op with a bias that has a twin without, before it."""
    told = {a.name: a.f or a.i for a in node.attribute}
    plain = told.get("alpha", 1) == told.get("beta", 1) == 1
    if node.op_type != "Gemm" or len(node.input) < 3 or told.get("transA") or told.get("transB"):
        return
    before = itertools.takewhile(lambda other: other.output != node.output, graph.node)
    twins = [n for n in before if n.op_type == "MatMul" and n.input[:] == node.input[:2]]
    if twins and plain:
        node.op_type = "Add"
        node.input[:] = [twins[0].output[0], node.input[2]]
        del node.attribute[:]


def _spread_bias(node: Any, graph: Any) -> None:
    """Give a dense op whose bias is one stored number a row of it."""
    constants = {t.name: t for t in graph.initializer}
    names = node.input[1:3]
    if node.op_type != "Gemm" or len(names) < 2 or not all(name in constants for name in names):
        return
    weights, bias = (constants[name] for name in names)
    if np.prod(bias.dims) != 1:
        return
    by_row = any(a.name == "transB" and a.i for a in node.attribute)
    row = np.full(weights.dims[0 if by_row else 1], numpy_helper.to_array(bias).reshape(()))
    node.input[2] = f"{node.output[0]}_bias"
    graph.initializer.append(numpy_helper.from_array(row, node.input[2]))


def _array(tensor: Any) -> Any:
    return numpy_helper.to_array(tensor).astype(np.float64)
