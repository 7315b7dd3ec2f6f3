"""The TFLite Metadata flatbuffer, written and read.

Field numbers are those of metadata_schema.fbs 1.5.0 (MediaPipe, mediapipe/tasks/metadata): fields
count from 0 in the order of the table; a union takes two, its type and its value. Everything
written here is of schema 1.0.0, so every reader knows it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import flatbuffers
from flatbuffers import number_types
from flatbuffers.table import Table

from edgekit.errors import InputError

IDENTIFIER = b"M001"
PARSER_VERSION = "1.0.0"  # the lowest schema that has every field we write

# ModelMetadata, SubGraphMetadata, TensorMetadata
NAME, DESCRIPTION = 0, 1
VERSION, SUBGRAPHS, AUTHOR, LICENSE, MIN_PARSER_VERSION = 2, 3, 4, 5, 7
INPUTS, OUTPUTS = 2, 3
CONTENT, PROCESS_UNITS, STATS, FILES = 3, 4, 5, 6
# The tables below these.
UNION_TYPE, UNION_VALUE = 0, 1  # of Content and of ProcessUnit
FEATURE_PROPERTIES, IMAGE_PROPERTIES, BOX_PROPERTIES = 1, 2, 3  # ContentProperties
NORMALIZATION_OPTIONS = 1  # ProcessUnitOptions
COLOR_SPACE, COLOR_SPACES = 0, {"RGB": 1, "GRAYSCALE": 2}  # ImageProperties
MEAN, STD = 0, 1  # NormalizationOptions
MAX, MIN = 0, 1  # Stats
FILE_TYPE, TENSOR_AXIS_LABELS, TENSOR_VALUE_LABELS = 2, 2, 3  # AssociatedFile
BOX_INDEX, BOX_TYPE, BOX_BOUNDARIES = 0, 1, 1  # BoundingBoxProperties; coordinates: shares, 0
# Where left, top, right and bottom stand among our top, left, bottom, right.
_EDGES = (1, 0, 3, 2)


@dataclass(frozen=True)
class TensorMetadata:
    """What the metadata say of one input or output."""

    name: str
    color_space: str | None = None  # "RGB" or "GRAYSCALE" where it is a picture
    mean: tuple[float, ...] = ()  # of (pixel - mean) / std, per channel or one for all
    std: tuple[float, ...] = ()
    minimum: tuple[float, ...] = ()  # of the values, per channel or one for all
    maximum: tuple[float, ...] = ()
    label_file: str | None = None  # names the last axis' entries, one a line
    names_values: bool = False  # whether it names the tensor's values instead
    boxes: bool = False  # whether it holds boxes: top, left, bottom, right, in shares of the input


@dataclass(frozen=True)
class ModelMetadata:
    """What the metadata say of a model; only the first subgraph has any."""

    name: str
    description: str = ""
    version: str = ""
    author: str = ""
    license: str = ""
    inputs: tuple[TensorMetadata, ...] = ()  # in the order of the subgraph
    outputs: tuple[TensorMetadata, ...] = ()
    min_parser_version: str = PARSER_VERSION


# A table is a mapping from field number to value: str, int (a byte), list of floats, another table,
# or list of tables. Empty values are left out, as the schema's defaults.
_Fields = Mapping[int, Any]


def encode(metadata: ModelMetadata) -> bytes:
    """Return the flatbuffer, the same bytes for the same metadata."""
    subgraph = {
        INPUTS: [_tensor(t) for t in metadata.inputs],
        OUTPUTS: [_tensor(t) for t in metadata.outputs],
    }
    fields = {
        NAME: metadata.name,
        DESCRIPTION: metadata.description,
        VERSION: metadata.version,
        SUBGRAPHS: [subgraph],
        AUTHOR: metadata.author,
        LICENSE: metadata.license,
        MIN_PARSER_VERSION: metadata.min_parser_version,
    }
    builder = flatbuffers.Builder(1024)
    builder.Finish(_write(builder, fields), IDENTIFIER)
    return bytes(builder.Output())


def decode(content: bytes) -> ModelMetadata:
    """Return what the flatbuffer says.

    Raises:
        InputError: not TFLite metadata, or damaged.
    """
    if content[4:8] != IDENTIFIER:
        raise InputError("TFLite metadata", got=f"identifier {content[4:8]!r}", expected="M001")
    try:
        root = Table(content, int.from_bytes(content[:4], "little"))
        subgraphs = _tables(root, SUBGRAPHS)
        first = subgraphs[0] if subgraphs else None
        return ModelMetadata(
            name=_text(root, NAME),
            description=_text(root, DESCRIPTION),
            version=_text(root, VERSION),
            author=_text(root, AUTHOR),
            license=_text(root, LICENSE),
            inputs=tuple(_read_tensor(t) for t in _tables(first, INPUTS)) if first else (),
            outputs=tuple(_read_tensor(t) for t in _tables(first, OUTPUTS)) if first else (),
            min_parser_version=_text(root, MIN_PARSER_VERSION),
        )
    except (struct.error, IndexError, TypeError, ValueError, OverflowError) as error:
        raise InputError("TFLite metadata: damaged", got=error) from None


def _tensor(tensor: TensorMetadata) -> _Fields:
    content: _Fields = {UNION_TYPE: FEATURE_PROPERTIES, UNION_VALUE: {}}
    if tensor.color_space:
        picture = {COLOR_SPACE: COLOR_SPACES[tensor.color_space]}
        content = {UNION_TYPE: IMAGE_PROPERTIES, UNION_VALUE: picture}
    if tensor.boxes:
        content = {UNION_TYPE: BOX_PROPERTIES,
                   UNION_VALUE: {BOX_INDEX: _EDGES, BOX_TYPE: BOX_BOUNDARIES}}  # fmt: skip
    normalization = {MEAN: tensor.mean, STD: tensor.std}
    units = [{UNION_TYPE: NORMALIZATION_OPTIONS, UNION_VALUE: normalization}]
    kind = TENSOR_VALUE_LABELS if tensor.names_values else TENSOR_AXIS_LABELS
    files = [{NAME: tensor.label_file, FILE_TYPE: kind}]
    return {
        NAME: tensor.name,
        CONTENT: content,
        PROCESS_UNITS: units if tensor.mean else [],
        STATS: {MAX: tensor.maximum, MIN: tensor.minimum},
        FILES: files if tensor.label_file else [],
    }


def _write(builder: Any, value: Any) -> int:
    """Write a string, a vector or a table after what it refers to; return its offset."""
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, Mapping):
        kept = {k: v for k, v in value.items() if v is not None and v != "" and v not in ([], ())}
        offsets = {k: _write(builder, v) for k, v in kept.items() if not isinstance(v, int)}
        builder.StartObject(max(kept, default=-1) + 1)
        for field, item in kept.items():
            if isinstance(item, int):
                builder.PrependInt8Slot(field, item, 0)
            else:
                builder.PrependUOffsetTRelativeSlot(field, offsets[field], 0)
        return int(builder.EndObject())
    tables = isinstance(value[0], Mapping)
    items = [_write(builder, item) for item in value] if tables else value
    builder.StartVector(4, len(items), 4)
    for item in reversed(items):
        if tables:
            builder.PrependUOffsetTRelative(item)
        elif isinstance(item, int):
            builder.PrependUint32(item)
        else:
            builder.PrependFloat32(item)
    return int(builder.EndVector())


def _read_tensor(table: Any) -> TensorMetadata:
    stats, options = _table(table, STATS), _normalization(table)
    content = _table(table, CONTENT)
    kinds = (TENSOR_AXIS_LABELS, TENSOR_VALUE_LABELS)
    labels = [f for f in _tables(table, FILES) if _byte(f, FILE_TYPE) in kinds]
    return TensorMetadata(
        _text(table, NAME),
        color_space=_color_space(table),
        mean=_floats(options, MEAN),
        std=_floats(options, STD),
        minimum=_floats(stats, MIN),
        maximum=_floats(stats, MAX),
        label_file=_text(labels[0], NAME) if labels else None,
        names_values=bool(labels) and _byte(labels[0], FILE_TYPE) == TENSOR_VALUE_LABELS,
        boxes=content is not None and _byte(content, UNION_TYPE) == BOX_PROPERTIES,
    )


def _color_space(tensor: Any) -> str | None:
    content = _table(tensor, CONTENT)
    if content is None or _byte(content, UNION_TYPE) != IMAGE_PROPERTIES:
        return None
    names = {number: name for name, number in COLOR_SPACES.items()}
    return names.get(_byte(_table(content, UNION_VALUE), COLOR_SPACE))


def _normalization(tensor: Any) -> Any:
    for unit in _tables(tensor, PROCESS_UNITS):
        if _byte(unit, UNION_TYPE) == NORMALIZATION_OPTIONS:
            return _table(unit, UNION_VALUE)
    return None


def _place(table: Any, field: int) -> int | None:
    """Return where the field's value or offset stands, or nothing where it is left out."""
    if table is None:
        return None
    offset = table.Offset(4 + 2 * field)
    return table.Pos + offset if offset else None


def _byte(table: Any, field: int) -> int:
    place = _place(table, field)
    return 0 if place is None else int(table.Get(number_types.Int8Flags, place))


def _text(table: Any, field: int) -> str:
    place = _place(table, field)
    return "" if place is None else table.String(place).decode("utf-8")


def _table(table: Any, field: int) -> Any:
    place = _place(table, field)
    return None if place is None else Table(table.Bytes, table.Indirect(place))


def _items(table: Any, field: int) -> range:
    """Return where the vector's four-byte items stand."""
    place = _place(table, field)
    if place is None:
        return range(0)
    vector = table.Indirect(place)
    count = table.Get(number_types.UOffsetTFlags, vector)
    if vector + 4 + 4 * count > len(table.Bytes):
        raise ValueError("a vector that is longer than the file")
    return range(vector + 4, vector + 4 + 4 * count, 4)


def _tables(table: Any, field: int) -> list[Any]:
    return [Table(table.Bytes, table.Indirect(place)) for place in _items(table, field)]


def _floats(table: Any, field: int) -> tuple[float, ...]:
    return tuple(table.Get(number_types.Float32Flags, p) for p in _items(table, field))
