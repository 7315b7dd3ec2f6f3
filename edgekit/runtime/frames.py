"""Frames between a process and its sandbox: a JSON header and raw arrays, each with its length.

Neither side unpickles anything, and the reader bounds what it takes before it takes it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
import numpy.typing as npt

_LENGTHS = struct.Struct("<II")  # of the header and the number of arrays
MAX_HEADER_BYTES = 16 << 20
MAX_BODY_BYTES = 2 << 30
_CHUNK_BYTES = 1 << 20
_KINDS = "biufc"  # of NumPy dtypes: numbers alone, never objects

Arrays = Mapping[str, npt.NDArray[Any]]


class FrameError(Exception):
    """The other side ended within a frame, or sent something that is no frame."""


def write_frame(stream: IO[bytes], header: Mapping[str, Any], arrays: Arrays | None = None) -> None:
    """Write one frame and flush.

    Raises:
        FrameError: an array does not hold numbers.
    """
    arrays = arrays or {}
    listed = []
    for name, array in arrays.items():
        if array.dtype.kind not in _KINDS:
            raise FrameError(f"array {name} holds {array.dtype}, which is no number")
        listed.append([name, array.dtype.str, list(array.shape)])
    text = json.dumps({"header": header, "arrays": listed}).encode()
    stream.write(_LENGTHS.pack(len(text), len(arrays)))
    stream.write(text)
    for array in arrays.values():
        stream.write(np.ascontiguousarray(array).tobytes())
    stream.flush()


def read_frame(stream: IO[bytes]) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Read one frame.

    Raises:
        EOFError: the other side closed before it began one.
        FrameError: cut short, malformed or larger than the bounds.
    """
    start = stream.read(_LENGTHS.size)
    if not start:
        raise EOFError
    if len(start) < _LENGTHS.size:
        raise FrameError("cut short")
    length, count = _LENGTHS.unpack(start)
    if length > MAX_HEADER_BYTES:
        raise FrameError(f"a header of {length} bytes")
    try:
        parsed = json.loads(_read(stream, length))
        header, listed = parsed["header"], parsed["arrays"]
        described = [(str(n), np.dtype(str(d)), tuple(map(_size, s))) for n, d, s in listed]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise FrameError(f"a malformed header: {error!r}") from None
    if not isinstance(header, dict) or len(described) != count:
        raise FrameError("a malformed header")
    arrays, left = {}, MAX_BODY_BYTES
    for name, dtype, shape in described:
        size = dtype.itemsize * _product(shape)
        left -= size
        if left < 0 or dtype.kind not in _KINDS:
            raise FrameError(f"array {name!r:.50} of {size} bytes of {dtype}")
        arrays[name] = np.frombuffer(_read(stream, size), dtype).reshape(shape)
    return header, arrays


def _read(stream: IO[bytes], size: int) -> bytearray:
    """Return `size` bytes; memory grows with what arrives, not with what was announced."""
    data = bytearray()
    while len(data) < size:
        chunk = stream.read(min(size - len(data), _CHUNK_BYTES))
        if not chunk:
            raise FrameError("cut short")
        data += chunk
    return data


def _size(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < 1 << 40:
        raise ValueError(f"dimension {value!r:.30}")
    return value


def _product(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size
