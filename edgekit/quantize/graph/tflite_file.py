"""A .tflite as an object that can be changed, by the schema's own classes."""

from __future__ import annotations

import copy
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema


def unpack(content: bytes) -> Any:
    """Return the file as a `ModelT`."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


def pack(model: Any) -> bytes:
    """Return a `ModelT` as a file."""
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def kind_of(model: Any, op: Any) -> str:
    """Return what the schema calls an op, as CONV_2D."""
    code = model.operatorCodes[op.opcodeIndex]
    return _NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]


def steps_of(scale: float, zero: int) -> Any:
    """Return what says that a whole tensor has these steps."""
    steps = schema.QuantizationParametersT()
    steps.scale, steps.zeroPoint = np.array([scale], np.float32), np.array([zero], np.int64)
    return steps


def steps_of_channels(scales: npt.ArrayLike, axis: int = 0) -> Any:
    """Return what says that each channel along an axis has steps of its own, all from 0."""
    steps = schema.QuantizationParametersT()
    steps.scale = np.asarray(scales, np.float32)
    steps.zeroPoint = np.zeros(len(steps.scale), np.int64)
    steps.quantizedDimension = axis
    return steps


def store(model: Any, values: npt.NDArray[Any]) -> int:
    """Return the number of a new buffer."""
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def code_of(model: Any, kind: str, version: int = 1) -> int:
    """Return the number of an op code of a version at least, which the file gets if it has none."""
    for number, known in enumerate(model.operatorCodes):
        builtin = max(known.builtinCode, known.deprecatedBuiltinCode)
        if _NAMES[builtin] == kind and known.version >= version:
            return number
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, kind)
    code.version = version
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def conversion(model: Any, graph: Any, kind: str, read: int, answer: int) -> Any:
    """Return a new op that brings a tensor to another's type and steps.

    Args:
        model: the file.
        graph: the subgraph of both tensors, into whose operators the op is to be put.
        kind: QUANTIZE or DEQUANTIZE.
        read: the number of the tensor that is read.
        answer: the number of the one that is written.
    """
    wide = schema.TensorType.INT16 in (graph.tensors[read].type, graph.tensors[answer].type)
    made, options = schema.OperatorT(), _CONVERSIONS[kind]
    made.opcodeIndex = code_of(model, kind, 2 if wide or kind == "DEQUANTIZE" else 1)
    made.inputs, made.outputs = np.array([read], np.int32), np.array([answer], np.int32)
    made.builtinOptionsType = getattr(schema.BuiltinOptions, options.__name__[:-1])
    made.builtinOptions = options()
    return made


def add_tensor(graph: Any, like: Any, name: bytes, **changed: Any) -> int:
    """Return the number of a new tensor of a subgraph: a copy of another with another name."""
    made = copy.deepcopy(like)
    made.name, made.buffer = like.name + name, 0
    for field, value in changed.items():
        setattr(made, field, value)
    graph.tensors.append(made)
    return len(graph.tensors) - 1


_CONVERSIONS = {"QUANTIZE": schema.QuantizeOptionsT, "DEQUANTIZE": schema.DequantizeOptionsT}
_NAMES: dict[int, str] = {v: k for k, v in vars(schema.BuiltinOperator).items() if k.isupper()}
