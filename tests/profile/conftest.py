"""Small models written byte by byte for the tests, by the schemas' own builders."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

CODES = {n: v for n, v in vars(schema.BuiltinOperator).items() if n.isupper()}


@dataclass
class TFLite:
    """Collects tensors and ops of one subgraph; methods return tensor indices."""

    tensors: list[Any] = field(default_factory=list)
    buffers: list[Any] = field(default_factory=lambda: [schema.BufferT()])
    codes: list[Any] = field(default_factory=list)
    ops: list[Any] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def tensor(self, *shape: int, name: str = "", free: tuple[int, ...] | None = None) -> int:
        """A float32 activation; `free` is its shape signature."""
        made = schema.TensorT(
            shape=list(shape),
            buffer=0,
            name=(name or f"t{len(self.tensors)}").encode(),
            shapeSignature=list(free) if free else None,
        )
        self.tensors.append(made)
        return len(self.tensors) - 1

    def input(self, *shape: int, name: str = "x", free: tuple[int, ...] | None = None) -> int:
        self.inputs.append(self.tensor(*shape, name=name, free=free))
        return self.inputs[-1]

    def constant(self, *shape: int, values: Any = None, dtype: str = "float32") -> int:
        data = np.zeros(shape, dtype) if values is None else np.asarray(values, dtype)
        self.buffers.append(schema.BufferT(data=np.frombuffer(data.tobytes(), np.uint8)))
        index = self.tensor(*data.shape)
        self.tensors[index].buffer = len(self.buffers) - 1
        self.tensors[index].type = getattr(schema.TensorType, dtype.upper())
        return index

    def op(
        self,
        name: str,
        inputs: list[int],
        outputs: list[int],
        options: Any = None,
        custom: str = "",
        version: int = 1,
    ) -> None:
        code = schema.OperatorCodeT(
            deprecatedBuiltinCode=min(CODES[name], 127),
            builtinCode=CODES[name],
            version=version,
            customCode=custom or None,
        )
        self.codes.append(code)
        made = schema.OperatorT(
            opcodeIndex=len(self.codes) - 1, inputs=inputs, outputs=outputs, builtinOptions=options
        )
        if options is not None:
            kind = type(options).__name__[:-1]
            made.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        self.ops.append(made)

    def content(self) -> bytes:
        outputs = self.outputs or self.ops[-1].outputs
        graph = schema.SubGraphT(
            tensors=self.tensors, inputs=self.inputs, outputs=outputs, operators=self.ops
        )
        model = schema.ModelT(
            version=3, operatorCodes=self.codes, subgraphs=[graph], buffers=self.buffers
        )
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def write(self, path: Path) -> Path:
        path.write_bytes(self.content())
        return path


@pytest.fixture
def net() -> TFLite:
    """An empty model to put tensors and ops into."""
    return TFLite()
