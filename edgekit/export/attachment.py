"""A .tflite with more behind a new root, as metadata and files; every old byte keeps its meaning.

A flatbuffer refers forward by distances. So a new root table goes in front and points into the old
file, which moves by a multiple of the alignment and is otherwise left alone: weights stay aligned,
and operators, signatures and other metadata keep their content. Files follow as a stored zip at the
end, where readers of TFLite Metadata look for them.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema
from flatbuffers.number_types import VOffsetTFlags

from edgekit.errors import InputError

ENTRY = b"TFLITE_METADATA"
IDENTIFIER = b"TFL3"
ALIGNMENT = 16  # force_align of Buffer.data in the TFLite schema
FILE_LIMIT_BYTES = 64 << 20  # of a file that we are willing to read
DAMAGE = (struct.error, IndexError, TypeError, ValueError, AttributeError, OverflowError)

Kept = Callable[[int], int]  # a position in the old file to an offset that a builder takes

_BUFFERS, _METADATA, _FIELDS = 4, 6, 10  # of the table Model; _FIELDS: how many we know of
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip can tell: same input, same bytes


def open_root(model: bytes) -> Any:
    """Return the Model table of a .tflite file.

    Raises:
        InputError: it is none, or its first bytes are damaged.
    """
    if model[4:8] != IDENTIFIER:
        raise InputError("not a .tflite file", got=model[4:8], expected="TFL3 at byte 4")
    try:
        root = schema.Model.GetRootAs(model, 0)
        root.SubgraphsLength(), root.BuffersLength(), root.MetadataLength()
    except DAMAGE as error:
        raise InputError("not a whole .tflite file", got=error) from None
    return root


def attached(root: Any) -> bytes | None:
    """Return the content of the TFLite Metadata buffer, or nothing where there is none."""
    for i in range(root.MetadataLength()):
        if root.Metadata(i).Name() == ENTRY:
            buffer = root.Buffers(root.Metadata(i).Buffer())
            return buffer.DataAsNumpy().tobytes() if buffer.DataLength() else b""
    return None


def attach(model: bytes, metadata: bytes, files: dict[str, bytes]) -> bytes:
    """Return `model` with the metadata buffer and the files in place of earlier ones.

    Raises:
        InputError: weights outside the flatbuffer, a schema that we do not know, or damage.
    """
    root = open_root(model)
    try:
        old = model[: _flatbuffer_size(model)] if attached(root) is not None else model
        new = prepend_root(old, lambda *place: _with_buffer(old, metadata, *place), len(metadata))
    except DAMAGE as error:
        raise InputError("not a whole .tflite file", got=error) from None
    return new + (_stored_zip(files) if files else b"")


def read_file(model: bytes, name: str) -> bytes:
    """Return one of the files behind the model.

    Raises:
        InputError: it is missing, compressed, damaged or too large.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            entry = archive.getinfo(name)
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > FILE_LIMIT_BYTES:
                raise InputError(f"{name}: not a stored file below {FILE_LIMIT_BYTES >> 20} MiB")
            return archive.read(entry)
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{name}: cannot be read from the end of the model", got=error) from None
    except DAMAGE as error:
        raise InputError(f"{name}: damaged", got=error) from None


def _flatbuffer_size(model: bytes) -> int:
    """Return where the files behind the model begin."""
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            starts = [entry.header_offset for entry in archive.infolist()]
    except (zipfile.BadZipFile, *DAMAGE):
        return len(model)
    return min(starts, default=len(model))


def _stored_zip(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return content.getvalue()


def prepend_root(old: bytes, write: Callable[[Any, Kept], dict[int, int]], size: int = 0) -> bytes:
    """Return `old` behind a new root table, some of whose fields are written anew.

    Args:
        old: the flatbuffer, without files behind it.
        write: writes them with a builder, and returns an offset for each field of the table Model.
        size: of what it writes, about.
    """
    root = open_root(old)
    _check_layout(root)
    padded = old + bytes(-len(old) % ALIGNMENT)
    builder = flatbuffers.Builder(len(padded) + size + 8 * root.BuffersLength() + 4096)
    builder.head -= len(padded)
    builder.Bytes[builder.head : builder.head + len(padded)] = padded
    builder.minalign = ALIGNMENT

    def kept(position: int) -> int:
        return len(padded) - position  # the builder counts from the end

    fields = write(builder, kept)
    table = root._tab
    for field in range(1, _FIELDS):
        if place := table.Offset(4 + 2 * field):
            fields.setdefault(field, kept(table.Indirect(table.Pos + place)))
    builder.StartObject(_FIELDS)
    builder.PrependUint32Slot(0, root.Version(), 0)
    for field, offset in fields.items():
        builder.PrependUOffsetTRelativeSlot(field, offset, 0)
    builder.Finish(builder.EndObject(), IDENTIFIER)
    return bytes(builder.Output())


def _with_buffer(old: bytes, metadata: bytes, builder: Any, kept: Kept) -> dict[int, int]:
    """Write the lists of buffers and of metadata entries, with one more of each."""
    root = open_root(old)
    present = [root.Metadata(i) for i in range(root.MetadataLength())]
    entries = [kept(entry._tab.Pos) for entry in present if entry.Name() != ENTRY]
    buffers = [kept(root.Buffers(i)._tab.Pos) for i in range(root.BuffersLength())]
    entries.append(_write_entry(builder, len(buffers)))
    buffers.append(write_buffer(builder, metadata))
    return {_BUFFERS: write_vector(builder, buffers), _METADATA: write_vector(builder, entries)}


def _check_layout(root: Any) -> None:
    """Refuse what would not survive the move: unknown fields, and offsets from the file's start."""
    table = root._tab
    vtable = table.Pos - table.Get(flatbuffers.number_types.SOffsetTFlags, table.Pos)
    if table.Get(VOffsetTFlags, vtable) > 4 + 2 * _FIELDS:
        raise InputError("metadata: a .tflite of a newer schema", do="update edgekit")
    for i in range(root.BuffersLength()):
        if root.Buffers(i).Offset() > 1:
            raise InputError("metadata: weights outside the flatbuffer", expected="below 2 GB")


def _write_entry(builder: Any, buffer: int) -> int:
    name = builder.CreateString(ENTRY.decode())
    schema.MetadataStart(builder)
    schema.MetadataAddName(builder, name)
    schema.MetadataAddBuffer(builder, buffer)
    return int(schema.MetadataEnd(builder))


def write_buffer(builder: Any, content: bytes) -> int:
    """Write a table Buffer, its content aligned; return its offset."""
    if not content:
        schema.BufferStart(builder)
        return int(schema.BufferEnd(builder))
    builder.StartVector(1, len(content), ALIGNMENT)
    builder.head -= len(content)
    builder.Bytes[builder.head : builder.head + len(content)] = content
    data = builder.EndVector()
    schema.BufferStart(builder)
    schema.BufferAddData(builder, data)
    return int(schema.BufferEnd(builder))


def write_vector(builder: Any, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())
