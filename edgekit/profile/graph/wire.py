"""Leaves the weights of an .onnx file behind before it is parsed: a count never looks at them.

The file is walked as protocol buffers lay it out (tag, length, bytes), without touching the pages
that hold weights: a file of 100 MB becomes some hundred kB.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from typing import Any

LARGE = 8 * 4096  # bytes; what is shorter can be a shape, which inference must see
# Field numbers of onnx.proto: ModelProto.graph, GraphProto.initializer, and of TensorProto
# float_data, int32_data, int64_data, raw_data, double_data and uint64_data, which are dropped.
DATA: Mapping[int, Any] = dict.fromkeys((4, 5, 7, 9, 10, 11))
INSIDE: Mapping[int, Any] = {7: {5: DATA}}

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def drop_weights(data: bytes | mmap.mmap) -> bytes:
    """Return the model without the contents of its large initializers.

    Raises:
        ValueError: the bytes are no protocol buffer, or end too early.
    """
    return _rewrite(data, 0, len(data), INSIDE)


def _rewrite(data: bytes | mmap.mmap, start: int, end: int, inside: Mapping[int, Any]) -> bytes:
    """Return a message with its long fields in `inside` rewritten, or dropped where None."""
    parts, kept = [], start
    for number, tag, value, after in _fields(data, start, end):
        if number not in inside or after - value <= LARGE:
            continue
        parts.append(data[kept:tag])
        kept = after
        if inside[number] is not None:
            body = _rewrite(data, value, after, inside[number])
            parts += [_varint(number << 3 | BYTES), _varint(len(body)), body]
    return b"".join([*parts, data[kept:end]])


def _fields(data: bytes | mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield number, start, start of the value and end of each field that holds bytes."""
    at = start
    while at < end:
        tag, begun = _read_varint(data, at, end), at
        at = tag[1]
        kind = tag[0] & 7
        if kind == VARINT:
            at = _read_varint(data, at, end)[1]
        elif kind in (FIXED64, FIXED32):
            at += 8 if kind == FIXED64 else 4
        elif kind == BYTES:
            length, at = _read_varint(data, at, end)
            if at + length <= end:
                yield tag[0] >> 3, begun, at, at + length
            at += length
        else:
            raise ValueError(f"field of wire type {kind} at byte {begun}")
    if at != end:
        raise ValueError(f"ends {at - end} bytes too early")


def _read_varint(data: bytes | mmap.mmap, at: int, end: int) -> tuple[int, int]:
    """Return a number of 7 bits a byte, the lowest first, and where it ends."""
    number = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        number |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return number, at
        shift += 7
    raise ValueError(f"no number at byte {at}")


def _varint(number: int) -> bytes:
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])
