"""What tf2onnx leaves in a graph: reshapes that change nothing, and behind them batch norms.

It writes a transposition of a map of one pixel as a reshape, or, by the hash seed of the run,
leaves it and has a reshape undo it. That hides a convolution from its batch norm, and 8 bits would
round the norm's weights. And what is added to a dense op's answers, as a hard sigmoid does, it
makes the bias of a second dense op, also where the first is needed too, and also where it is one
number for all answers, of which ONNX Runtime's quantizer wants one each.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from onnx import numpy_helper

from edgekit.export.onnx.affine import fold_affine
from edgekit.export.onnx.graph import (
    attributes_of,
    constants_of,
    drop_unused,
    maker_of,
    readers_of,
    shapes_of,
)
from edgekit.export.onnx.maps import keep_maps
from edgekit.export.onnx.norms import fold_norms
from edgekit.export.onnx.padding import fold_padding


def fold(model: Any) -> Any:
    """Return the model without idle reshapes, norms and paddings folded, and dense ops once."""
    graph, shapes = model.graph, shapes_of(model)
    _drop_idle_reshapes(graph, shapes)
    fold_norms(graph, shapes)
    fold_affine(graph, {name: len(shape) for name, shape in shapes.items()})
    _keep_rows(graph, shapes)
    keep_maps(graph, shapes)
    fold_padding(graph)
    for node in graph.node:
        _join_twin(node, graph)
        _spread_bias(node, graph)
    drop_unused(graph)
    return model


def _drop_idle_reshapes(graph: Any, shapes: dict[str, tuple[int, ...]]) -> None:
    """Pass by reshapes, alone or in a row, whose answer has the shape that was there before."""
    answers, makers = {value.name for value in graph.output}, {}
    for node in list(graph.node):
        if not _moves_nothing(node, shapes):
            continue
        after, before = node.output[0], [node.input[0]]
        makers[after] = node
        while before[-1] in makers:
            before.append(makers[before[-1]].input[0])
        same = [name for name in before if shapes[name] == shapes.get(after)]
        if same and after not in answers:
            for user in readers_of(after, graph) or ():
                user.input[:] = [same[-1] if name == after else name for name in user.input]
    drop_unused(graph)


def _moves_nothing(node: Any, shapes: dict[str, tuple[int, ...]]) -> bool:
    """Say whether a node only gives numbers another shape, as transposing one pixel does."""
    if node.op_type not in ("Reshape", "Transpose") or not all(shapes.get(node.input[0], (0,))):
        return False
    sizes = shapes[node.input[0]]
    order = attributes_of(node).get("perm", range(len(sizes))[::-1])
    wide = [axis for axis in order if sizes[axis] > 1]
    return node.op_type == "Reshape" or wide == sorted(wide)


def _keep_rows(graph: Any, shapes: dict[str, tuple[int, ...]]) -> None:
    """Let products take rows as they stand, not laid in one matrix before and apart behind."""
    constants = constants_of(graph)
    for node in [node for node in graph.node if node.op_type == "MatMul"]:
        before, after = maker_of(node.input[0], graph), readers_of(node.output[0], graph) or []
        if before is None or [n.op_type for n in (before, *after)] != ["Reshape", "Reshape"]:
            continue
        read, answer = before.input[0], after[0].output[0]
        *rows, width = shapes.get(read, (0,))
        *laid, channels = shapes.get(answer, (0,))
        stored = constants.get(node.input[1])
        if all(rows) and rows == laid and stored is not None and stored.shape == (width, channels):
            node.input[0], node.output[0] = read, answer
            graph.node.remove(after[0])
    drop_unused(graph)


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
