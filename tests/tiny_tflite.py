"""Small .tflite files, written with the schema's own classes: no converter, no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

OPS = schema.BuiltinOperator
TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int32": schema.TensorType.INT32,
    "bool": schema.TensorType.BOOL,
}


class Graph:
    """One subgraph under construction; tensors are addressed by name."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.raw = schema.SubGraphT()
        self.raw.tensors, self.raw.operators, self.raw.inputs, self.raw.outputs = [], [], [], []
        self.index: dict[str, int] = {}
        model.raw.subgraphs.append(self.raw)

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str = "float32",
        *,
        data: Any = None,
        quantization: tuple[float, int] | None = None,
    ) -> None:
        raw = schema.TensorT()
        raw.name, raw.shape, raw.type, raw.buffer = name, list(shape), TYPES[dtype], 0
        if quantization:
            raw.quantization = schema.QuantizationParametersT()
            raw.quantization.scale = [quantization[0]]
            raw.quantization.zeroPoint = [quantization[1]]
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.asarray(data, dtype).tobytes(), np.uint8)
            raw.buffer = len(self.model.raw.buffers)
            self.model.raw.buffers.append(buffer)
        self.index[name] = len(self.raw.tensors)
        self.raw.tensors.append(raw)

    def op(self, code: int, inputs: Sequence[str], outputs: Sequence[str], **options: Any) -> None:
        raw = schema.OperatorT()
        raw.opcodeIndex = self.model.code(code)
        raw.inputs = [self.index[n] for n in inputs]
        raw.outputs = [self.index[n] for n in outputs]
        for key, value in options.items():
            setattr(raw, key, value)
        self.raw.operators.append(raw)

    def ends(self, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        self.raw.inputs = [self.index[n] for n in inputs]
        self.raw.outputs = [self.index[n] for n in outputs]


class Model:
    """A file under construction."""

    def __init__(self) -> None:
        self.raw = schema.ModelT()
        self.raw.version = 3
        self.raw.subgraphs, self.raw.operatorCodes, self.raw.signatureDefs = [], [], []
        self.raw.buffers = [schema.BufferT()]

    def code(self, builtin: int) -> int:
        raw = schema.OperatorCodeT()
        raw.builtinCode = builtin
        raw.deprecatedBuiltinCode = min(builtin, 127)
        raw.version = 1
        self.raw.operatorCodes.append(raw)
        return len(self.raw.operatorCodes) - 1

    def signature(
        self, key: str, graph: Graph, inputs: Mapping[str, str], outputs: Mapping[str, str]
    ) -> None:
        raw = schema.SignatureDefT()
        raw.signatureKey, raw.subgraphIndex = key, self.raw.subgraphs.index(graph.raw)
        raw.inputs, raw.outputs = [], []
        for side, names in ((raw.inputs, inputs), (raw.outputs, outputs)):
            for public, tensor in names.items():
                entry = schema.TensorMapT()
                entry.name, entry.tensorIndex = public, graph.index[tensor]
                side.append(entry)
        self.raw.signatureDefs.append(raw)

    def pack(self) -> bytes:
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.raw.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def dense(weights: Any, shape: Sequence[int], *, signature: bool = True) -> bytes:
    """Float: `image` of `shape` -> `scores` [1, classes], scores = weights @ image."""
    weights = np.asarray(weights, np.float32)
    model = Model()
    graph = Graph(model)
    graph.tensor("in", shape)
    graph.tensor("w", weights.shape, data=weights)
    graph.tensor("b", [len(weights)], data=np.zeros(len(weights)))
    graph.tensor("out", [1, len(weights)])
    graph.op(
        OPS.FULLY_CONNECTED,
        ["in", "w", "b"],
        ["out"],
        builtinOptionsType=schema.BuiltinOptions.FullyConnectedOptions,
        builtinOptions=schema.FullyConnectedOptionsT(),
    )
    graph.ends(["in"], ["out"])
    if signature:
        model.signature("serving_default", graph, {"image": "in"}, {"scores": "out"})
    return model.pack()


def dense_int8(weights: Any, shape: Sequence[int], scales: tuple[float, float, float]) -> bytes:
    """The same in int8, all zero points 0; `scales` of input, weights and output."""
    weights = np.asarray(weights, np.int8)
    model = Model()
    graph = Graph(model)
    graph.tensor("in", shape, "int8", quantization=(scales[0], 0))
    graph.tensor("w", weights.shape, "int8", data=weights, quantization=(scales[1], 0))
    graph.tensor("b", [len(weights)], "int32", data=np.zeros(len(weights)),
                 quantization=(scales[0] * scales[1], 0))  # fmt: skip
    graph.tensor("out", [1, len(weights)], "int8", quantization=(scales[2], 0))
    graph.op(
        OPS.FULLY_CONNECTED,
        ["in", "w", "b"],
        ["out"],
        builtinOptionsType=schema.BuiltinOptions.FullyConnectedOptions,
        builtinOptions=schema.FullyConnectedOptionsT(),
    )
    graph.ends(["in"], ["out"])
    model.signature("serving_default", graph, {"image": "in"}, {"scores": "out"})
    for code in model.raw.operatorCodes:
        code.version = 4  # the first with symmetric int8 weights
    return model.pack()


def add_and_negate() -> bytes:
    """Two signatures of one file; `add` lists its outputs against the order of its tensors."""
    model = Model()
    first = Graph(model)
    for name in ("x", "y", "sum", "double"):
        first.tensor(name, [2])
    first.op(OPS.ADD, ["x", "y"], ["sum"], **_ADD)
    first.op(OPS.ADD, ["sum", "sum"], ["double"], **_ADD)
    first.ends(["y", "x"], ["double", "sum"])
    second = Graph(model)
    second.tensor("x", [2])
    second.tensor("neg", [2])
    second.op(OPS.NEG, ["x"], ["neg"])
    second.ends(["x"], ["neg"])
    model.signature("add", first, {"a": "x", "b": "y"}, {"total": "sum", "twice": "double"})
    model.signature("negate", second, {"a": "x"}, {"minus": "neg"})
    return model.pack()


def chain(middle: int | None = None) -> bytes:
    """Without a signature: x -> sum = x + x -> double = sum + sum -> out = -double.

    `middle` puts another op of one input in the second place.
    """
    model = Model()
    graph = Graph(model)
    for name in ("x", "sum", "double", "out"):
        graph.tensor(name, [2])
    graph.op(OPS.ADD, ["x", "x"], ["sum"], **_ADD)
    if middle is None:
        graph.op(OPS.ADD, ["sum", "sum"], ["double"], **_ADD)
    else:
        graph.op(middle, ["sum"], ["double"])
    graph.op(OPS.NEG, ["double"], ["out"])
    graph.ends(["x"], ["out"])
    return model.pack()


def bomb() -> bytes:
    """A few hundred bytes that ask for tensors of 1 TiB."""
    model = Model()
    graph = Graph(model)
    for name in ("x", "y"):
        graph.tensor(name, [1 << 19, 1 << 19])
    graph.op(OPS.ADD, ["x", "x"], ["y"], **_ADD)
    graph.ends(["x"], ["y"])
    return model.pack()


def endless() -> bytes:
    """A WHILE whose condition, x < infinity, stays true."""
    model = Model()
    main, condition, body = Graph(model), Graph(model), Graph(model)
    main.tensor("x", [1])
    main.tensor("y", [1])
    options = schema.WhileOptionsT()
    options.condSubgraphIndex, options.bodySubgraphIndex = 1, 2
    main.op(
        OPS.WHILE,
        ["x"],
        ["y"],
        builtinOptionsType=schema.BuiltinOptions.WhileOptions,
        builtinOptions=options,
    )
    main.ends(["x"], ["y"])
    condition.tensor("x", [1])
    condition.tensor("limit", [1], data=[np.inf])
    condition.tensor("go", [1], "bool")
    condition.op(OPS.LESS, ["x", "limit"], ["go"])
    condition.ends(["x"], ["go"])
    body.tensor("x", [1])
    body.tensor("y", [1])
    body.op(OPS.NEG, ["x"], ["y"])
    body.ends(["x"], ["y"])
    return model.pack()


_ADD: dict[str, Any] = {
    "builtinOptionsType": schema.BuiltinOptions.AddOptions,
    "builtinOptions": schema.AddOptionsT(),
}
