"""Shapes of an ONNX graph, also behind what computes a shape from other shapes.

ONNX's own inference follows values through a few ops only. Exporters write shapes of attention with
more of them (Shape, Slice, ReduceProd, Concat, Reshape), so what depends on known shapes alone is
evaluated here by ONNX's reference implementation, and inference goes on from there.
"""

from __future__ import annotations

from collections import ChainMap
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper, shape_inference

MOST = 64  # elements of a value that may be a shape
# What exporters compute shapes with. None makes much of little: a file may come from anywhere.
EVALUATED = frozenset((
    "Add", "Cast", "Ceil", "Concat", "Div", "Equal", "Floor", "Gather", "Identity", "Max", "Min",
    "Mod", "Mul", "Neg", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum", "Reshape", "Slice",
    "Squeeze", "Sub", "Transpose", "Unsqueeze", "Where",
))  # fmt: skip
_NUMBERS = frozenset((onnx.TensorProto.INT32, onnx.TensorProto.INT64, onnx.TensorProto.BOOL,
                      onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE))  # fmt: skip
Values = dict[str, npt.NDArray[Any]]


def infer(model: Any) -> Any:
    """Return `model` with the shapes of its tensors, as far as its inputs' shapes tell them.

    Raises:
        InferenceError: the graph contradicts itself.
    """
    inferred = shape_inference.infer_shapes(model, data_prop=True)
    known = _known(inferred)
    if all(name in known for node in model.graph.node for name in node.output if name):
        return inferred
    values, folded = _constants(model), model
    while found := _evaluate(folded, _known(inferred), values):
        values |= found
        folded = _without(folded, found)
        inferred = shape_inference.infer_shapes(folded, data_prop=True)
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    whole.graph.value_info.extend(inferred.graph.value_info)
    named = {value.name for value in whole.graph.value_info}
    for name in {name for node in model.graph.node for name in node.output} & set(values) - named:
        whole.graph.value_info.append(_value_info(name, values[name]))
    for output in whole.graph.output:
        output.CopyFrom(next(o for o in inferred.graph.output if o.name == output.name))
    return whole


def _known(model: Any) -> dict[str, tuple[int, ...]]:
    """Return the shapes that are known to the last number."""
    graph = model.graph
    found = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = value.type.tensor_type
        if kind.HasField("shape") and all(d.HasField("dim_value") for d in kind.shape.dim):
            found[value.name] = tuple(d.dim_value for d in kind.shape.dim)
    return found


def _constants(model: Any) -> Values:
    """Return the small tensors that the graph holds."""
    stored = {i.name: i for i in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            stored.update((node.output[0], a.t) for a in node.attribute if a.name == "value")
    return {
        name: numpy_helper.to_array(tensor)
        for name, tensor in stored.items()
        if tensor.data_type in _NUMBERS and np.prod(tensor.dims, dtype=int) <= MOST
    }


def _evaluate(model: Any, shapes: dict[str, tuple[int, ...]], values: Values) -> Values:
    """Return the values of nodes that depend on nothing but known shapes and values."""
    found: Values = {}
    known = ChainMap(found, values)
    for node in model.graph.node:
        names = [name for name in node.input if name]
        if node.domain not in ("", "ai.onnx"):
            continue
        if node.op_type == "Shape" and names[0] in shapes:
            ends = {a.name: a.i for a in node.attribute}
            dims = shapes[names[0]][ends.get("start", 0) : ends.get("end")]
            found[node.output[0]] = np.array(dims, np.int64)
        elif node.op_type in EVALUATED and all(name in known for name in names):
            found |= _answers(node, {name: known[name] for name in names}, model.opset_import)
    return found


def _answers(node: Any, given: Values, opsets: Any) -> Values:
    """Return the small outputs of one node, none if the reference cannot say them."""
    from onnx.reference import ReferenceEvaluator  # takes long, and few graphs compute shapes

    inputs = [_value_info(name, value) for name, value in given.items()]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output]
    one = onnx.helper.make_graph([node], "one", inputs, outputs)
    model = onnx.helper.make_model(one, opset_imports=opsets)
    try:
        answers = ReferenceEvaluator(model).run(None, given)
    except (RuntimeError, NotImplementedError, TypeError, ValueError):
        return {}  # its shape stays unknown, which whoever needs it will say
    found = {n: np.asarray(a) for n, a in zip(node.output, answers, strict=True)}
    return found if all(a.size <= MOST for a in found.values()) else {}


def _without(model: Any, found: Values) -> Any:
    """Return the model with these values stored in place of the nodes that compute them."""
    folded = onnx.ModelProto()
    folded.CopyFrom(model)
    kept = [node for node in folded.graph.node if not set(node.output) <= set(found)]
    del folded.graph.node[:]
    folded.graph.node.extend(kept)
    folded.graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in found.items()
    )
    return folded


def _value_info(name: str, value: npt.NDArray[Any]) -> Any:
    kind = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
    return onnx.helper.make_tensor_value_info(name, kind, value.shape)
