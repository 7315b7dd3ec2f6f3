"""What a file computes behind its network, in float whatever the network's scheme.

A detector's boxes and their suppression are such a tail: in 8 bits their edges would lie on 256
places, so that it is converted by itself, once, and joined to each file of the network.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from edgekit.errors import InputError
from edgekit.export.attachment import (
    DAMAGE,
    Kept,
    open_root,
    prepend_root,
    write_buffer,
    write_vector,
)
from edgekit.export.failures import one_line_failures
from edgekit.export.tracing.lowering import Arrays, Lowered, lower
from edgekit.quantize.scheme import parse_scheme

_CODES, _SUBGRAPHS, _BUFFERS, _SIGNATURES = 1, 2, 4, 7  # of the table Model
_DEQUANTIZE_VERSIONS = {schema.TensorType.UINT8: 1, schema.TensorType.INT8: 2,
                        schema.TensorType.INT16: 3}  # fmt: skip


class Tails:
    """What files compute behind a network, by format; made when it is first asked for."""

    def __init__(self, build: Callable[[str], Any] | None, folder: Path) -> None:
        self._build, self._folder = build, folder
        self._lowered: dict[str, Lowered] = {}
        self._converted: dict[str, bytes] = {}

    def answer(self, answers: Arrays) -> Arrays:
        """Return what stands behind the network's own answers to one example; else those."""
        return self._lower("onnx")(answers) if self._build else answers

    def join(self, content: bytes, format: str) -> bytes:
        """Return a file of the network, "tflite" or "onnx", with what stands behind it."""
        if not self._build:
            return content
        if format not in self._converted:
            self._converted[format] = _CONVERTERS[format](self._lower(format))
        joined: bytes = _JOINERS[format](content, self._converted[format])
        return joined

    def _lower(self, format: str) -> Lowered:
        assert self._build
        if format not in self._lowered:
            folder = self._folder / f"tail-{format}"
            self._lowered[format] = lower(self._build(format), folder)
        return self._lowered[format]


def convert_tail(tail: Lowered) -> bytes:
    """Return a tail as a .tflite, custom ops included.

    Raises:
        InputError: an op that TFLite lacks.
    """
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tail.folder))
    converter.allow_custom_ops = True
    with one_line_failures("what stands behind the network, as TFLite"):
        content: bytes = converter.convert()
    return content


def join_tflite(network: bytes, tail: bytes) -> bytes:
    """Return a .tflite that answers what `tail` makes of `network`'s answers.

    Outputs and inputs are paired by the names in the signatures; what is quantized is dequantized
    in between. Weights keep their place and alignment.

    Raises:
        InputError: they do not fit, or are no .tflite of one subgraph.
    """
    try:
        first, second = open_root(network), schema.ModelT.InitFromObj(open_root(tail))
        if first.SubgraphsLength() != 1 or len(second.subgraphs) != 1:
            raise InputError("tail: subgraphs", got=first.SubgraphsLength(), expected="one each")
        return prepend_root(network, _Joined(first, second).write, len(tail))
    except DAMAGE as error:
        raise InputError("not a whole .tflite file", got=error) from None


class _Joined:
    """The second model's parts, numbered behind the first's."""

    def __init__(self, first: Any, second: Any) -> None:
        self.first, self.second = first, second
        self.graph, self.more = first.Subgraphs(0), second.subgraphs[0]
        self.codes = list(second.operatorCodes)
        self.tensors: list[Any] = []  # what is added, and the operators of it
        self.operators: list[Any] = []
        self.place: dict[int, int] = {}  # of the second's tensors in the joined graph
        outputs = {o.Name(): o.TensorIndex() for o in _items(first.SignatureDefs(0), "Outputs")}
        for entry in second.signatureDefs[0].inputs:
            if entry.name not in outputs:
                raise InputError("tail: input", got=entry.name.decode(), expected=_names(outputs))
            self.place[entry.tensorIndex] = self._in_float(outputs[entry.name])
        for number, tensor in enumerate(self.more.tensors):
            if number not in self.place:
                tensor.buffer = self._buffer(tensor.buffer)
                self.place[number] = self._add(tensor)
        for operator in self.more.operators:
            operator.opcodeIndex += first.OperatorCodesLength()
            operator.inputs = [self.place[i] if i >= 0 else i for i in operator.inputs]
            operator.outputs = [self.place[i] for i in operator.outputs]
            self.operators.append(operator)

    def _buffer(self, number: int) -> int:
        """Return where a buffer of the second lies; number 0 is everybody's empty one."""
        return number + self.first.BuffersLength() - 1 if number else 0

    def _add(self, tensor: Any) -> int:
        self.tensors.append(tensor)
        return int(self.graph.TensorsLength()) + len(self.tensors) - 1

    def _in_float(self, index: int) -> int:
        """Return an output of the first as a float tensor, dequantized if it is none."""
        tensor = schema.TensorT.InitFromObj(self.graph.Tensors(index))
        if tensor.type == schema.TensorType.FLOAT32:
            return index
        code = schema.OperatorCodeT(
            deprecatedBuiltinCode=schema.BuiltinOperator.DEQUANTIZE,
            builtinCode=schema.BuiltinOperator.DEQUANTIZE,
            version=_DEQUANTIZE_VERSIONS[tensor.type],
        )
        self.codes.append(code)
        made = self._add(
            schema.TensorT(
                shape=tensor.shape, shapeSignature=tensor.shapeSignature, buffer=0,
                type=schema.TensorType.FLOAT32, name=tensor.name + b"_float", hasRank=True,
            )
        )  # fmt: skip
        self.operators.append(
            schema.OperatorT(
                opcodeIndex=self.first.OperatorCodesLength() + len(self.codes) - 1,
                inputs=[index], outputs=[made],
            )
        )  # fmt: skip
        return made

    def write(self, builder: Any, kept: Kept) -> dict[int, int]:
        """Write the vectors that grow."""
        first = self.first
        buffers = _grown(first, "Buffers", kept)
        for buffer in self.second.buffers[1:]:
            content = b"" if buffer.data is None else np.asarray(buffer.data, np.uint8).tobytes()
            buffers.append(write_buffer(builder, content))
        codes = _grown(first, "OperatorCodes", kept) + [c.Pack(builder) for c in self.codes]
        return {
            _BUFFERS: write_vector(builder, buffers),
            _CODES: write_vector(builder, codes),
            _SUBGRAPHS: write_vector(builder, [self._write_graph(builder, kept)]),
            _SIGNATURES: write_vector(builder, [self._signature().Pack(builder)]),
        }

    def _write_graph(self, builder: Any, kept: Kept) -> int:
        graph = self.graph
        tensors = _grown(graph, "Tensors", kept) + [t.Pack(builder) for t in self.tensors]
        operators = _grown(graph, "Operators", kept) + [o.Pack(builder) for o in self.operators]
        outputs = [self.place[i] for i in self.more.outputs]
        parts = (
            write_vector(builder, tensors),
            builder.CreateNumpyVector(graph.InputsAsNumpy().astype(np.int32)),
            builder.CreateNumpyVector(np.array(outputs, np.int32)),
            write_vector(builder, operators),
            builder.CreateString(graph.Name() or b"main"),
        )
        schema.SubGraphStart(builder)
        for add, part in zip(_SUBGRAPH_FIELDS, parts, strict=True):
            add(builder, part)
        return int(schema.SubGraphEnd(builder))

    def _signature(self) -> Any:
        found = schema.SignatureDefT.InitFromObj(self.first.SignatureDefs(0))
        found.outputs = self.second.signatureDefs[0].outputs
        for entry in found.outputs:
            entry.tensorIndex = self.place[entry.tensorIndex]
        return found


_SUBGRAPH_FIELDS: tuple[Callable[[Any, int], None], ...] = (
    schema.SubGraphAddTensors,
    schema.SubGraphAddInputs,
    schema.SubGraphAddOutputs,
    schema.SubGraphAddOperators,
    schema.SubGraphAddName,
)


def _to_onnx(tail: Lowered) -> bytes:
    from edgekit.export import onnx

    return onnx.convert(tail, parse_scheme("f32"))


def _join_onnx(network: bytes, tail: bytes) -> bytes:
    from edgekit.export import onnx

    return onnx.join(network, tail)


_CONVERTERS = {"tflite": convert_tail, "onnx": _to_onnx}
_JOINERS = {"tflite": join_tflite, "onnx": _join_onnx}


def _items(table: Any, name: str) -> list[Any]:
    return [getattr(table, name)(i) for i in range(getattr(table, f"{name}Length")())]


def _names(outputs: Any) -> str:
    return ", ".join(name.decode() for name in outputs)


def _grown(table: Any, name: str, kept: Kept) -> list[int]:
    """Return offsets of a vector's tables, which stay where they are."""
    return [kept(item._tab.Pos) for item in _items(table, name)]
