"""Reads a .tflite file without TensorFlow and without an interpreter.

The file may come from anywhere: every read is bounds-checked, every loop is bounded by the size
of the file, and whatever does not fit together ends in one InputError.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.errors import InputError, MissingExtraError
from edgekit.profile.batch import DATA_DEPENDENT, leading_size
from edgekit.profile.graph import Graph, Op, Shapes, Tensor, free_inputs
from edgekit.profile.kinds import (
    BASIC_LSTM,
    TFLITE_CUSTOM,
    TFLITE_DATA,
    TFLITE_KINDS,
    TFLITE_WEIGHTS,
)
from edgekit.profile.layers import layer_of
from edgekit.profile.resize import resized_shapes

try:
    from ai_edge_litert import schema_py_generated as schema
except ModuleNotFoundError as error:
    raise MissingExtraError("ai_edge_litert", "litert") from error

MAX_TABLES = 200_000  # tensors and ops; the largest published models have some ten thousand
MAX_RANK = 64


def _names(enum: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if name.isupper()}


BUILTINS = _names(schema.BuiltinOperator)
DTYPES = {code: name.lower() for code, name in _names(schema.TensorType).items()}


def read_tflite(path: Path, shapes: Shapes) -> Graph:
    """Return the first subgraph of `path`; the others hang from it.

    Shapes are those stored in the file; where they are free, an interpreter in a child process
    works them out, for `shapes` or for batch 1.

    Raises:
        InputError: not a .tflite file, damaged, or a shape is free.
    """
    with _model(path) as reader:
        indices, free = reader.free_inputs()
        resolved = free_inputs(str(path), free, shapes)
        graphs = tuple(reader.graphs({}))
        # Sizes that are computed from other sizes while running are beyond a reader.
        readable = (op for op in graphs[0].ops if not _opaque(op))
        if shapes or not all(t.known for op in readable for t in op.outputs):
            try:
                fixed = resized_shapes(path, {indices[n]: s for n, s in resolved.items()})
                graphs = (next(reader.graphs(fixed)), *graphs[1:])
            except InputError:
                if shapes:
                    raise
                # The sizes stay unknown; an op that must know them says so when it is counted.
    return replace(graphs[0], others=graphs[1:])


def op_versions(path: str | Path) -> tuple[tuple[str, int], ...]:
    """Return the (builtin op, version) pairs that the file declares, sorted; no custom ops.

    Raises:
        InputError: not a .tflite file, or damaged.
    """
    with _model(Path(path)) as reader:
        codes = {(name, version) for name, version, custom in reader.codes() if not custom}
    return tuple(sorted(codes))


@contextmanager
def _model(path: Path) -> Iterator[_Reader]:
    """Map the file and turn every way in which its bytes can be wrong into one error."""
    try:
        with path.open("rb") as file:
            # Closed when the last view of it goes; closing by hand fails while an error holds one.
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if data[4:8] != b"TFL3":
            got = repr(data[4:8])
            raise InputError(f"{path}: not a TFLite model", got=got, expected="b'TFL3' at byte 4")
        yield _Reader(str(path), data)
    except OSError as error:
        raise InputError(f"{path}: cannot be read", got=error.strerror or error) from None
    except (struct.error, IndexError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{path}: damaged TFLite model", got=str(error)[:120] or type(error).__name__
        ) from None


class _Reader:
    """Walks the flatbuffer by lazy accessors."""

    def __init__(self, where: str, data: mmap.mmap) -> None:
        self.where = where
        self.size = len(data)
        # An honest file holds every element once, so it cannot list more than it has bytes.
        self.budget, self.tables = self.size, MAX_TABLES
        self.model = schema.Model.GetRootAs(data, 0)
        if not self.model.SubgraphsLength():
            raise ValueError("no subgraph")

    def codes(self) -> list[tuple[str, int, str]]:
        """Return (builtin name, version, custom name) of each operator code."""
        codes = []
        for code in self._tables(self.model.OperatorCodesLength(), self.model.OperatorCodes):
            # Files older than schema v3a have the number in the narrow field alone.
            builtin = BUILTINS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            custom = _text(code.CustomCode()) if builtin == "CUSTOM" else ""
            codes.append((builtin, code.Version(), custom))
        return codes

    def free_inputs(self) -> tuple[dict[str, int], dict[str, tuple[int, ...] | None]]:
        """Return each input's tensor index and its shape, -1 where free, by name."""
        graph = self.model.Subgraphs(0)
        names = self._signature_names(0)
        indices: dict[str, int] = {}
        shapes: dict[str, tuple[int, ...] | None] = {}
        for index in self._vector(graph.InputsAsNumpy):
            tensor = graph.Tensors(_checked(index, graph.TensorsLength()))
            name = names.get(index, _text(tensor.Name()))
            indices[name], shapes[name] = index, self._free_shape(tensor)
        return indices, shapes

    def graphs(self, fixed: dict[int, tuple[int, ...]]) -> Iterator[Graph]:
        """Yield the subgraphs; `fixed` replaces shapes of the first one, by tensor index."""
        self.budget, self.tables = self.size, MAX_TABLES
        codes = self.codes()
        parents = self._tables(self.model.SubgraphsLength(), self.model.Subgraphs)
        signatures = {s.SubgraphIndex(): _text(s.SignatureKey()) for s in self._signatures()}
        for number, graph in enumerate(parents):
            name = signatures.get(number) or _text(graph.Name()) or "main"
            yield self._graph(graph, name, codes, fixed if number == 0 else {}, number)

    def _graph(
        self,
        graph: Any,
        name: str,
        codes: list[tuple[str, int, str]],
        fixed: dict[int, tuple[int, ...]],
        number: int,
    ) -> Graph:
        tensors = [
            self._tensor(t, i, fixed.get(i))
            for i, t in enumerate(self._tables(graph.TensorsLength(), graph.Tensors))
        ]
        names = self._signature_names(number)
        for index, given in names.items():
            _checked(index, len(tensors))
            tensors[index] = replace(tensors[index], name=given)
        entry = [_checked(i, len(tensors)) for i in self._vector(graph.InputsAsNumpy)]
        for index in entry:
            tensors[index] = _with_batch(tensors[index], 1)
        ops = []
        for raw in self._tables(graph.OperatorsLength(), graph.Operators):
            op = self._op(raw, tensors, codes)
            for output in op.outputs:
                tensors[output.index] = self._made(op, output, graph)
            ops.append(replace(op, outputs=tuple(tensors[t.index] for t in op.outputs)))
        outputs = [_checked(i, len(tensors)) for i in self._vector(graph.OutputsAsNumpy)]
        return Graph(
            name,
            "tflite",
            tuple(tensors[i] for i in entry),
            tuple(tensors[i] for i in outputs),
            tuple(ops),
        )

    def _made(self, op: Op, output: Tensor, graph: Any) -> Tensor:
        """Return `output` with what the inputs tell of it: constant or not, and the batch."""
        if op.inputs and all(t is None or t.constant for t in op.inputs):
            # Float16 or sparse weights, unpacked while loading.
            return replace(output, constant=True)
        if _opaque(op):
            free = self._free_shape(graph.Tensors(output.index))
            return replace(output, shape=free or None)
        if not output.shape or output.shape[0] != -1:
            return output
        folds = op.kind in ("space_to_batch_nd", "batch_to_space_nd") and len(op.inputs) > 1
        block = self._integers(graph, op.inputs[1]) if folds else ()
        return _with_batch(output, leading_size(op, output, block))

    def _integers(self, graph: Any, tensor: Tensor | None) -> tuple[int, ...]:
        """Return the values of a stored int32 tensor."""
        if tensor is None or not tensor.constant or tensor.dtype != "int32":
            return ()
        data = self.model.Buffers(graph.Tensors(tensor.index).Buffer()).DataAsNumpy()
        return () if isinstance(data, int) else tuple(data.view("<i4").tolist())

    def _op(self, raw: Any, tensors: list[Tensor], codes: list[tuple[str, int, str]]) -> Op:
        builtin, version, custom = codes[_checked(raw.OpcodeIndex(), len(codes))]
        inputs = tuple(
            None if i == -1 else tensors[_checked(i, len(tensors))]
            for i in self._vector(raw.InputsAsNumpy)
        )
        outputs = tuple(
            tensors[_checked(i, len(tensors))] for i in self._vector(raw.OutputsAsNumpy)
        )
        kind = TFLITE_KINDS.get(builtin, builtin.lower())
        if builtin == "CUSTOM":
            kind = TFLITE_CUSTOM.get(custom, f"custom:{custom}")
        weights = TFLITE_WEIGHTS.get(builtin, (1,))
        if builtin == "LSTM" and len(inputs) == 5:
            weights = BASIC_LSTM
        attributes: dict[str, Any] = {"version": version, "custom": custom}
        attributes |= {"weights": weights, "data": TFLITE_DATA.get(builtin, 0), "channel_axis": -1}
        if builtin == "BATCH_MATMUL":
            options = schema.BatchMatMulOptions()
            if table := raw.BuiltinOptions():
                options.Init(table.Bytes, table.Pos)
                attributes["transpose_a"] = options.AdjX()
        layer = layer_of(outputs[0].name, kind) if outputs else ""
        return Op(kind, custom or builtin, inputs, outputs, layer, attributes)

    def _tensor(self, raw: Any, index: int, fixed: tuple[int, ...] | None) -> Tensor:
        name, dtype = _text(raw.Name()), DTYPES[raw.Type()]
        shape = fixed if fixed is not None else self._free_shape(raw)
        stored_bytes = self._stored_bytes(raw, name)
        quantization = raw.Quantization()
        scales = 0 if quantization is None else int(quantization.ScaleLength())
        weight = dtype.startswith(("float", "bfloat")) or scales > 0
        stored = bool(stored_bytes)
        ratio = _ratio(quantization.ScaleAsNumpy()) if scales > 1 else None
        tensor = Tensor(index, name, shape, dtype, stored, stored and weight, scales, ratio)
        expected = tensor.size_bytes
        if stored_bytes and raw.Sparsity() is None and expected not in (None, stored_bytes):
            raise ValueError(f"tensor {name[:60]} holds {stored_bytes} bytes for {expected}")
        return tensor

    def _free_shape(self, raw: Any) -> tuple[int, ...]:
        """Return the stored shape with -1 where the signature leaves a size free.

        The converter stores 1 for every free size: taken at its word, what follows would be
        counted too low.
        """
        shape, free = self._shape(raw), self._vector(raw.ShapeSignatureAsNumpy)
        return free if len(free) == len(shape) and min(free, default=0) >= -1 else shape

    def _shape(self, raw: Any) -> tuple[int, ...]:
        shape = self._vector(raw.ShapeAsNumpy)
        if len(shape) > MAX_RANK or any(size < -1 for size in shape):
            raise ValueError(f"tensor with the shape {list(shape[:8])}")
        return shape

    def _stored_bytes(self, raw: Any, name: str) -> int:
        """Return the bytes of the tensor's buffer; 0 where it is filled while running."""
        if raw.Buffer() == 0:
            return 0
        buffer = self.model.Buffers(_checked(raw.Buffer(), self.model.BuffersLength()))
        # Files above 2 GB keep their weights behind the flatbuffer, at an offset from its start.
        inside = int(buffer.DataLength())
        if buffer.Offset() > 1:
            if buffer.Offset() + buffer.Size() > self.size:
                raise ValueError(f"tensor {name[:60]} lies outside the file")
            return int(buffer.Size())
        if inside and buffer._tab.Vector(buffer._tab.Offset(4)) + inside > self.size:
            raise ValueError(f"tensor {name[:60]} is cut off")
        return inside

    def _signature_names(self, number: int) -> dict[int, str]:
        """Return tensor index to the name that the signature gives it: what people call it."""
        names: dict[int, str] = {}
        for signature in self._signatures():
            if signature.SubgraphIndex() == number:
                for entry in self._tables(signature.InputsLength(), signature.Inputs):
                    names[entry.TensorIndex()] = _text(entry.Name())
        return names

    def _signatures(self) -> Iterator[Any]:
        return self._tables(self.model.SignatureDefsLength(), self.model.SignatureDefs)

    def _tables(self, length: int, table: Callable[[int], Any]) -> Iterator[Any]:
        self.tables -= length
        if self.tables < 0:
            raise ValueError(f"more than {MAX_TABLES} tensors and ops")
        return (table(i) for i in range(length))

    def _vector(self, read: Callable[[], Any]) -> tuple[int, ...]:
        values = read()  # numpy checks the bounds; 0 where the field is missing
        if isinstance(values, int):
            return ()
        self.budget -= len(values)
        if self.budget < 0:
            raise ValueError("lists longer than the file")
        return tuple(values.tolist())


def _ratio(scales: Any) -> float:
    """Return the largest over the smallest scale; infinite where one is no number above 0."""
    least = float(scales.min())
    return float(scales.max()) / least if least > 0 else math.inf


def _opaque(op: Op) -> bool:
    """Whether the sizes that the op yields depend on more than the sizes that it takes."""
    return op.kind in DATA_DEPENDENT or bool(op.attributes.get("custom"))


def _with_batch(tensor: Tensor, size: int) -> Tensor:
    """Return the tensor with a free leading size set."""
    if not tensor.shape or tensor.shape[0] != -1:
        return tensor
    return replace(tensor, shape=(size, *tensor.shape[1:]))


def _checked(index: int, length: int) -> int:
    """Return `index`: Python would take a negative one for one from the end."""
    if not 0 <= index < length:
        raise ValueError(f"index {index} of {length}")
    return index


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "backslashreplace")
