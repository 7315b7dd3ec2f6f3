"""Model files of a few hundred bytes, made without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.artifact import Artifact, Manifest, ModelFile, write_artifact
from edgekit.files import file_sha256
from edgekit.signature import Signature


def write_tflite(path: Path, size: int = 4) -> Path:
    """Write a .tflite that adds its float32 input [1, size] to itself."""
    flatbuffers = __import__("flatbuffers")
    from ai_edge_litert import schema_py_generated as schema

    def tensor(name: str) -> object:
        t = schema.TensorT()
        t.name, t.shape, t.type, t.buffer = name, [1, size], schema.TensorType.FLOAT32, 0
        return t

    add = schema.OperatorT()
    add.opcodeIndex, add.inputs, add.outputs = 0, [0, 0], [1]
    add.builtinOptionsType, add.builtinOptions = (
        schema.BuiltinOptions.AddOptions,
        schema.AddOptionsT(),
    )
    graph = schema.SubGraphT()
    graph.tensors, graph.inputs, graph.outputs = [tensor("x"), tensor("y")], [0], [1]
    graph.operators, graph.name = [add], "main"
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.ADD
    code.version = 1
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers, model.description = [schema.BufferT()], "tiny"
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def write_onnx(path: Path, *, free_batch: bool = False) -> Path:
    """Write an .onnx that multiplies its float32 input [1, 4] with itself."""
    from onnx import TensorProto, helper, save

    shape = ["batch" if free_batch else 1, 4]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)
    graph = helper.make_graph([helper.make_node("Mul", ["x", "x"], ["y"])], "g", [x], [y])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def write_inputs(path: Path, **arrays: np.ndarray) -> Path:
    """Write an .npz."""
    np.savez(path, **arrays)
    return path


def make_artifact(folder: Path, parity: Mapping[str, Any] | None = None) -> Artifact:
    """Write an artifact of one .tflite and one .onnx."""
    paths = [
        write_tflite(folder.parent / "a.w8a8.tflite"),
        write_onnx(folder.parent / "a.f32.onnx"),
    ]
    files = tuple(
        ModelFile(p.name, p.suffix[1:], p.name.split(".")[1], file_sha256(p), p.stat().st_size,
                  {"serving_default": Signature((), ())}, madds=4, parity=parity)
        for p in paths
    )  # fmt: skip
    contents = {p.name: p.read_bytes() for p in paths}
    return write_artifact(folder, Manifest("a", {"name": "regress"}, files), contents)
