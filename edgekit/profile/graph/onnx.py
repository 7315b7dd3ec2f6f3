"""Reads an .onnx file: from its bytes alone, so that no other file is ever opened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgekit.errors import InputError, MissingExtraError
from edgekit.files import map_file
from edgekit.profile.graph import Graph, Op, Shapes, Tensor, free_inputs
from edgekit.profile.graph.kinds import (
    ONNX_KINDS,
    ONNX_MATRICES,
    ONNX_SETTINGS,
    ONNX_WEIGHTS,
    snake_case,
)
from edgekit.profile.graph.layers import layer_of
from edgekit.profile.graph.wire import drop_weights

try:
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import inliner, shape_inference

    from edgekit.profile.graph import onnx_shapes
except ModuleNotFoundError as error:
    raise MissingExtraError(error.name or "onnx", "onnx") from error

SMALL = 4096  # elements: what can be a shape, which inference must see

DTYPES = {
    code: "float32" if name == "FLOAT" else "float64" if name == "DOUBLE" else name.lower()
    for name, code in onnx.TensorProto.DataType.items()
}


def read_onnx(path: Path, shapes: Shapes) -> Graph:
    """Return the main graph of `path`.

    Raises:
        InputError: not an ONNX model, damaged, weights in other files, or a shape is free.
    """
    try:
        with map_file(path) as data:
            model = onnx.load_model_from_string(drop_weights(data))
    except (DecodeError, ValueError) as error:
        raise InputError(f"{path}: not an ONNX model", got=str(error)[:120]) from None
    if not model.graph.node or not model.opset_import:
        raise InputError(f"{path}: not an ONNX model", got="no nodes or no opset")
    return read_model(model, shapes, str(path))


def read_model(model: Any, shapes: Shapes, where: str = "ONNX model") -> Graph:
    """Return the main graph of a loaded model, which is changed: shapes are put in."""
    try:
        _refuse_external(model, where)
        if model.functions:
            model = inliner.inline_local_functions(model)
        stored = {i.name for i in model.graph.initializer}
        free = {i.name: _value_shape(i) for i in model.graph.input if i.name not in stored}
        fixed = free_inputs(where, free, shapes)
        _fix(model, fixed)
        _empty_weights(model)
        inferred = onnx_shapes.infer(model)
        return _Reader(inferred.graph).graph()
    except (
        DecodeError, shape_inference.InferenceError, ValueError, IndexError, KeyError, TypeError,
        RuntimeError, UnicodeError,
    ) as error:  # fmt: skip
        got = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"{where}: damaged ONNX model", got=got) from None


def _refuse_external(model: Any, where: str) -> None:
    outside = [t.name for t in model.graph.initializer if t.data_location == t.EXTERNAL]
    if outside:
        raise InputError(
            f"{where}: weights in other files are not opened",
            got=f"{len(outside)} external tensors, as {outside[0]}",
            do="store the model in one file: onnx.save(model, path, save_as_external_data=False)",
        )


def _fix(model: Any, fixed: Shapes) -> None:
    for value in model.graph.input:
        if value.name in fixed:
            dims = value.type.tensor_type.shape
            del dims.dim[:]
            for size in fixed[value.name]:
                dims.dim.add().dim_value = size
    # Shapes that the exporter noted for another batch would contradict the inferred ones.
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")


def _empty_weights(model: Any) -> None:
    """Drop the contents of large weights: inference copies the model, and never looks at them."""
    for tensor in model.graph.initializer:
        size = 1
        for dim in tensor.dims:
            size *= dim
        if size > SMALL:
            for kept in ("raw_data", "float_data", "int32_data", "int64_data", "double_data"):
                tensor.ClearField(kept)


class _Reader:
    """Walks the nodes with everything that is known of each name."""

    def __init__(self, graph: Any) -> None:
        self.source = graph
        self.constants: dict[str, tuple[tuple[int, ...], str]] = {
            t.name: (tuple(t.dims), DTYPES[t.data_type]) for t in graph.initializer
        }
        values = [*graph.input, *graph.value_info, *graph.output]
        self.values = {
            v.name: (_value_shape(v), DTYPES.get(v.type.tensor_type.elem_type, "undefined"))
            for v in values
        }
        self.parameters = set(self._parameters())
        self.derived: set[str] = set()
        self.index: dict[str, int] = {}

    def graph(self) -> Graph:
        ops = []
        for node in self.source.node:
            if node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
                self._constant(node)
                continue
            if all(not n or self._is_constant(n) for n in node.input) and list(node.input):
                self.derived.update(node.output)
            ops.append(self._op(node))
        stored = self.constants
        return Graph(
            self.source.name or "main",
            "onnx",
            tuple(self._tensor(v.name) for v in self.source.input if v.name not in stored),
            tuple(self._tensor(v.name) for v in self.source.output),
            tuple(ops),
        )

    def _op(self, node: Any) -> Op:
        inputs = tuple(self._tensor(name) if name else None for name in node.input)
        outputs = tuple(self._tensor(name) for name in node.output if name)
        native = node.op_type
        if node.domain not in ("", "ai.onnx"):
            native = f"{node.domain}.{node.op_type}"
        kind = ONNX_KINDS.get(native) or (snake_case(native) if native == node.op_type else native)
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute
                      if a.type in (a.INT, a.FLOAT, a.STRING, a.INTS, a.FLOATS)}  # fmt: skip
        rules: dict[str, Any] = {
            "weights": ONNX_MATRICES.get(node.op_type, (1,)),
            "channel_axis": 1,
        }
        if kind == "conv" and self._depthwise(inputs, rules["weights"], attributes):
            kind = "depthwise_conv"
        if kind == "batch_matmul":
            kind, extra = self._matmul(node.op_type, inputs, attributes)
            rules |= extra
        if kind == "einsum":
            rules["equation"] = attributes.get("equation", b"").decode()
        layer = layer_of(node.name or (outputs[0].name if outputs else ""), kind)
        return Op(kind, native, inputs, outputs, layer, attributes | rules)

    def _depthwise(
        self, inputs: tuple[Tensor | None, ...], slots: tuple[int, ...], attributes: Any
    ) -> bool:
        """Whether every group holds one channel, and there are several."""
        weights = inputs[slots[0]]
        group = attributes.get("group", 1)
        return bool(group > 1 and weights and weights.shape and weights.shape[1] == 1)

    def _matmul(
        self, native: str, inputs: tuple[Tensor | None, ...], attributes: Any
    ) -> tuple[str, dict[str, Any]]:
        """A product with one stored matrix is a fully connected layer; else of two batches."""
        slot = 3 if native == "QLinearMatMul" else 1
        right = inputs[slot]
        if attributes.get("transA") or not (
            right and right.constant and len(right.shape or ()) == 2
        ):
            return "batch_matmul", {"transpose_a": bool(attributes.get("transA"))}
        return "fully_connected", {"weights": (slot,)}

    def _tensor(self, name: str) -> Tensor:
        index = self.index.setdefault(name, len(self.index))
        shape, dtype = self.constants.get(name) or self.values.get(name) or (None, "undefined")
        constant = self._is_constant(name)
        return Tensor(index, name, shape, dtype, constant, name in self.parameters)

    def _is_constant(self, name: str) -> bool:
        return name in self.constants or name in self.derived

    def _constant(self, node: Any) -> None:
        """Enter a Constant node as what it is: a stored value."""
        for attribute in node.attribute:
            if attribute.name == "value":
                tensor = attribute.t
                self.constants[node.output[0]] = tuple(tensor.dims), DTYPES[tensor.data_type]
            else:
                kinds = {"value_float": ((), "float32"), "value_int": ((), "int64")}
                self.constants[node.output[0]] = kinds.get(attribute.name) or (
                    (len(attribute.ints or attribute.floats),),
                    "int64" if attribute.ints else "float32",
                )

    def _parameters(self) -> Iterator[str]:
        """Yield the names of stored values that are weights, biases or tables."""
        constants = set(self.constants)
        for node in self.source.node:
            if node.op_type == "Constant":
                constants.update(node.output)
        restored: set[str] = set()  # of weights held in 8 bits
        for node in self.source.node:
            if node.op_type == "Cast" and self.constants.get(node.input[0], ("", ""))[1] == "int8":
                restored.update(node.output)
                yield node.input[0]
            if node.op_type in ONNX_SETTINGS or restored.intersection(node.input):
                continue  # as their scales are
            slots = ONNX_WEIGHTS.get(node.op_type, range(len(node.input)))
            for name in (node.input[i] for i in slots if i < len(node.input)):
                _, dtype = self.constants.get(name, ((), "undefined"))
                integer_weights = node.op_type in ONNX_WEIGHTS or node.op_type.endswith("Integer")
                if name in constants and (dtype.startswith(("float", "bfloat")) or (
                        integer_weights and dtype in ("int8", "uint8", "int32", "int4", "uint4")
                        and node.op_type != "Gather")):  # fmt: skip
                    yield name


def _value_shape(value: Any) -> tuple[int, ...] | None:
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        return None
    return tuple(d.dim_value if d.HasField("dim_value") else -1 for d in kind.shape.dim)
