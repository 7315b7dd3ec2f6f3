"""A .tflite as an object that can be changed, by the schema's own classes."""

from __future__ import annotations

from typing import Any

import flatbuffers
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


_NAMES: dict[int, str] = {v: k for k, v in vars(schema.BuiltinOperator).items() if k.isupper()}
