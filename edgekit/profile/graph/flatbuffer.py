"""Bounds-checked access to a .tflite file: a flatbuffer that may come from anywhere.

Every read is checked, every loop is bounded by the size of the file, and whatever does not fit
together ends in one InputError.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgekit.errors import InputError, MissingExtraError
from edgekit.files import map_file

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


@contextmanager
def open_flatbuffer(path: Path) -> Iterator[Flatbuffer]:
    """Map the file and turn every way in which its bytes can be wrong into one error.

    Raises:
        InputError: it cannot be read, is no .tflite, or what is read of it does not fit together.
    """
    try:
        data = map_file(path)  # closed when the last view of it goes
        if data[4:8] != b"TFL3":
            got = repr(data[4:8])
            raise InputError(f"{path}: not a TFLite model", got=got, expected="b'TFL3' at byte 4")
        yield Flatbuffer(data)
    except (struct.error, IndexError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{path}: damaged TFLite model", got=str(error)[:120] or type(error).__name__
        ) from None


class Flatbuffer:
    """A mapped file by lazy accessors, with a budget for what it may list."""

    def __init__(self, data: mmap.mmap) -> None:
        self.size = len(data)
        self.start()
        self.model = schema.Model.GetRootAs(data, 0)
        if not self.model.SubgraphsLength():
            raise ValueError("no subgraph")

    def start(self) -> None:
        """Begin a walk through the whole file with a new budget."""
        # An honest file holds every element once, so it cannot list more than it has bytes.
        self.bytes_left, self.tables_left = self.size, MAX_TABLES

    def codes(self) -> list[tuple[str, int, str]]:
        """Return (builtin name, version, custom name) of each operator code."""
        codes = []
        for code in self.tables(self.model.OperatorCodesLength(), self.model.OperatorCodes):
            # Files older than schema v3a have the number in the narrow field alone.
            builtin = BUILTINS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            custom = text(code.CustomCode()) if builtin == "CUSTOM" else ""
            codes.append((builtin, code.Version(), custom))
        return codes

    def tables(self, length: int, table: Callable[[int], Any]) -> Iterator[Any]:
        """Give the elements of a list of tables.

        Raises:
            ValueError: the file lists more than MAX_TABLES.
        """
        self.tables_left -= length
        if self.tables_left < 0:
            raise ValueError(f"more than {MAX_TABLES} tensors and ops")
        return (table(i) for i in range(length))

    def vector(self, read: Callable[[], Any]) -> tuple[int, ...]:
        """Return a list of integers, empty where the field is missing.

        Raises:
            ValueError: the lists that were read are longer than the file.
        """
        values = read()  # numpy checks the bounds; 0 where the field is missing
        if isinstance(values, int):
            return ()
        self.bytes_left -= len(values)
        if self.bytes_left < 0:
            raise ValueError("lists longer than the file")
        return tuple(values.tolist())

    def free_shape(self, raw: Any) -> tuple[int, ...]:
        """Return the stored shape with -1 where the signature leaves a size free.

        The converter stores 1 for every free size: taken at its word, what follows would be
        counted too low.
        """
        shape, free = self._shape(raw), self.vector(raw.ShapeSignatureAsNumpy)
        return free if len(free) == len(shape) and min(free, default=0) >= -1 else shape

    def _shape(self, raw: Any) -> tuple[int, ...]:
        shape = self.vector(raw.ShapeAsNumpy)
        if len(shape) > MAX_RANK or any(size < -1 for size in shape):
            raise ValueError(f"tensor with the shape {list(shape[:8])}")
        return shape

    def stored_bytes(self, raw: Any, name: str) -> int:
        """Return the bytes of the tensor's buffer; 0 where it is filled while running."""
        if raw.Buffer() == 0:
            return 0
        buffer = self.model.Buffers(checked(raw.Buffer(), self.model.BuffersLength()))
        # Files above 2 GB keep their weights behind the flatbuffer, at an offset from its start.
        inside = int(buffer.DataLength())
        if buffer.Offset() > 1:
            if buffer.Offset() + buffer.Size() > self.size:
                raise ValueError(f"tensor {name[:60]} lies outside the file")
            return int(buffer.Size())
        if inside and buffer._tab.Vector(buffer._tab.Offset(4)) + inside > self.size:
            raise ValueError(f"tensor {name[:60]} is cut off")
        return inside

    def transposes_first(self, raw: Any) -> bool:
        """Return whether a BATCH_MATMUL transposes its first operand."""
        options, table = schema.BatchMatMulOptions(), raw.BuiltinOptions()
        if table:
            options.Init(table.Bytes, table.Pos)
        return bool(table and options.AdjX())

    def signature_inputs(self, number: int) -> dict[int, str]:
        """Return each input's tensor index to the name that the signature gives it."""
        return self._names(number, "Inputs")

    def signature_outputs(self, number: int) -> dict[int, str]:
        """Return each output's tensor index to the name that the signature gives it."""
        return self._names(number, "Outputs")

    def _names(self, number: int, side: str) -> dict[int, str]:
        names: dict[int, str] = {}
        for signature in self.signatures():
            if signature.SubgraphIndex() == number:
                count, entry = getattr(signature, f"{side}Length"), getattr(signature, side)
                names |= {e.TensorIndex(): text(e.Name()) for e in self.tables(count(), entry)}
        return names

    def signatures(self) -> Iterator[Any]:
        """Give the named entry points."""
        return self.tables(self.model.SignatureDefsLength(), self.model.SignatureDefs)


def checked(index: int, length: int) -> int:
    """Return `index`: Python would take a negative one for one from the end.

    Raises:
        ValueError: it is beyond the list.
    """
    if not 0 <= index < length:
        raise ValueError(f"index {index} of {length}")
    return index


def text(raw: bytes | None) -> str:
    """Return a string of the file, what is no UTF-8 escaped."""
    return (raw or b"").decode("utf-8", "backslashreplace")
