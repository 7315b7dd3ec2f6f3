"""Dense ops of a .tflite that take rows apart by themselves, which tf2onnx does without their bias.

Given values `[N, T, C]` they answer `[N T, K]`, as where TimeDistributed stands between dense
layers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgekit.quantize.graph.tflite_file import add_tensor, code_of, kind_of, pack, store, unpack


def with_rows(content: bytes) -> bytes:
    """Return a .tflite with a RESHAPE before such ops, or it as it is if it has none."""
    model = unpack(content)
    found = [(graph, op) for graph in model.subgraphs for op in graph.operators
             if kind_of(model, op) == "FULLY_CONNECTED" and _takes_apart(graph, op)]  # fmt: skip
    for graph, op in found:
        read, weights, *rest = (int(i) for i in op.inputs)
        shape = np.array([-1, graph.tensors[weights].shape[1]], np.int32)
        shape[0] = np.prod(graph.tensors[read].shape) // shape[1]
        rows = add_tensor(graph, graph.tensors[read], b"/rows", shape=shape, shapeSignature=None)
        op.inputs = np.array([rows, weights, *rest], np.int32)
        graph.operators.insert(graph.operators.index(op), _reshape(model, graph, read, rows))
    return pack(model) if found else content


def _takes_apart(graph: Any, op: Any) -> bool:
    return len(graph.tensors[op.inputs[0]].shape) != 2 and not op.builtinOptions.keepNumDims


def _reshape(model: Any, graph: Any, read: int, rows: int) -> Any:
    sides = graph.tensors[rows].shape
    shape = add_tensor(
        graph, graph.tensors[rows], b"/shape", type=schema.TensorType.INT32, quantization=None,
        shape=np.array([2], np.int32), buffer=store(model, sides),
    )  # fmt: skip
    made = schema.OperatorT()
    made.opcodeIndex = code_of(model, "RESHAPE")
    made.inputs, made.outputs = np.array([read, shape], np.int32), np.array([rows], np.int32)
    made.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
    made.builtinOptions = schema.ReshapeOptionsT()
    made.builtinOptions.newShape = sides
    return made
