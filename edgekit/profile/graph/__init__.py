"""The one op list that Keras, TFLite and ONNX models are read into.

Kinds are format-neutral: `conv`, `depthwise_conv`, `transpose_conv`, `fully_connected`,
`batch_matmul`, `recurrent` and so on; what each costs stands in `madds`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgekit.errors import InputError
from edgekit.runtime import file_format

Shapes = Mapping[str, tuple[int, ...]]

DTYPE_BITS = {
    "bool": 8, "int2": 2, "int4": 4, "uint4": 4, "int8": 8, "uint8": 8, "int16": 16, "uint16": 16,
    "float16": 16, "bfloat16": 16, "int32": 32, "uint32": 32, "float32": 32, "int64": 64,
    "uint64": 64, "float64": 64, "complex64": 64, "complex128": 128, "float8_e4m3fn": 8,
    "float8_e5m2": 8,
}  # fmt: skip


@dataclass(frozen=True)
class Tensor:
    """A value that flows between ops; `index` is what makes it the same one."""

    index: int
    name: str
    shape: tuple[int, ...] | None  # None where the rank is unknown, -1 where a size is
    dtype: str  # as NumPy and ml_dtypes spell it
    constant: bool = False  # stored in the file, or made from what is stored alone
    parameter: bool = False  # a stored weight: no shape, axis, scale or limit
    scales: int = 0  # of its quantization: 1 for the whole, or one a channel; 0 where not told
    scale_ratio: float | None = None  # largest over smallest of them, where there are several

    @property
    def known(self) -> bool:
        """Whether every size is known."""
        return self.shape is not None and all(size >= 0 for size in self.shape)

    @property
    def elements(self) -> int:
        """The number of elements.

        Raises:
            InputError: a size is unknown.
        """
        if self.shape is None or not self.known:
            raise InputError(
                f"tensor {self.name}: size unknown",
                got=list(self.shape) if self.shape is not None else "no rank",
                do="give the shapes of the inputs with --shape NAME=1,224,224,3",
            )
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int | None:
        """Bytes as packed, or None where the size is unknown or varies (strings, handles)."""
        if not self.known or self.dtype not in DTYPE_BITS:
            return None
        return (self.elements * DTYPE_BITS[self.dtype] + 7) // 8


@dataclass(frozen=True)
class Op:
    """One operation; an input that was left out is None."""

    kind: str
    native: str  # what the format calls it
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    layer: str = ""  # the layer of the source that it came from, where the names tell
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """A name to show: that of the first output."""
        return self.outputs[0].name if self.outputs else self.native


@dataclass(frozen=True)
class Graph:
    """The ops of one entry point in the order of execution."""

    name: str
    format: str  # "tflite", "onnx" or "keras"
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    others: tuple[Graph, ...] = ()  # the bodies of control flow
    entries: tuple[Graph, ...] = ()  # of a file with several entry points, which this adds up

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Every tensor that an op or the graph itself touches, each once."""
        found: dict[int, Tensor] = {}
        for tensor in self._touched():
            found.setdefault(tensor.index, tensor)
        return tuple(found.values())

    @property
    def stored(self) -> tuple[Tensor, ...]:
        """The constants that lie in the file, as opposed to made from them while loading."""
        made = {tensor.index for op in self.ops for tensor in op.outputs}
        return tuple(t for t in self.tensors if t.constant and t.index not in made)

    def _touched(self) -> Iterator[Tensor]:
        yield from self.inputs
        for op in self.ops:
            yield from (tensor for tensor in op.inputs if tensor is not None)
            yield from op.outputs
        yield from self.outputs


def add_up(entries: Sequence[Graph]) -> Graph:
    """Return one graph of several that share no tensor: an inference of each, in turn."""
    ops: list[Op] = []
    ends: list[tuple[Tensor, ...]] = []
    start = 0
    for graph in entries:
        moved = {t.index: replace(t, index=start + t.index) for t in graph.tensors}
        start += 1 + max(moved, default=0)
        for op in graph.ops:
            taken = tuple(None if t is None else moved[t.index] for t in op.inputs)
            ops.append(replace(op, inputs=taken, outputs=tuple(moved[t.index] for t in op.outputs)))
        ends += [tuple(moved[t.index] for t in side) for side in (graph.inputs, graph.outputs)]
    name = ", ".join(graph.name for graph in entries)
    return Graph(name, entries[0].format, sum(ends[::2], ()), sum(ends[1::2], ()), tuple(ops),
                 entries=tuple(entries))  # fmt: skip


def read_graph(model: Any, shapes: Shapes | None = None) -> Graph:
    """Return the op list of a .tflite or .onnx file, or of a Keras model (of Keras 2 or 3).

    A free leading dimension counts as 1: all figures are for batch 1.

    Args:
        model: a path or a model object.
        shapes: sizes for inputs whose shape is free, by the input's name.

    Raises:
        InputError: not a model, damaged, or an input's size is free and not given.
        MissingExtraError: the format's reader is not installed.
    """
    shapes = shapes or {}
    if not isinstance(model, str | os.PathLike):
        from edgekit.profile.graph.keras import read_keras

        return read_keras(model, shapes)
    path = Path(model)
    if file_format(path) == "tflite":
        from edgekit.profile.graph.tflite import read_tflite

        return read_tflite(path, shapes)
    from edgekit.profile.graph.onnx import read_onnx

    return read_onnx(path, shapes)


def parse_shapes(texts: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Return shapes by input from words such as `input=1,224,224,3`.

    Raises:
        InputError: one is none.
    """
    shapes = {}
    for text in texts:
        name, equals, sizes = text.rpartition("=")
        try:
            if not equals:
                raise ValueError
            shapes[name] = tuple(int(size) for size in sizes.split(","))
        except ValueError:
            raise InputError("--shape", got=text, expected="as input=1,224,224,3") from None
    return shapes


def free_inputs(where: str, inputs: Mapping[str, tuple[int, ...] | None], given: Shapes) -> Shapes:
    """Return every input's shape with free sizes taken from `given`, a free batch being 1.

    Raises:
        InputError: a free size is not given, or `given` contradicts the model or names no input.
    """
    for name in given:
        if name not in inputs:
            raise InputError(
                f"{where}: no input {name}", expected="one of " + ", ".join(inputs) or "none"
            )
    return {name: _resolve(where, name, shape, given.get(name)) for name, shape in inputs.items()}


def _resolve(
    where: str, name: str, shape: tuple[int, ...] | None, given: tuple[int, ...] | None
) -> tuple[int, ...]:
    if given is not None:
        fits = shape is None or (
            len(given) == len(shape)
            and all(want in (-1, got) for want, got in zip(shape, given, strict=True))
        )
        if not fits or any(size < 1 for size in given):
            raise InputError(
                f"{where}: --shape {name} does not fit",
                got=list(given),
                expected=str(list(shape or ())),
            )
        return given
    if shape is None or -1 in shape[1:]:
        raise InputError(
            f"{where}: input {name} has a free shape",
            got=list(shape) if shape is not None else "no rank",
            do=f"give it with --shape {name}=1,224,224,3",
        )
    return tuple(1 if size == -1 else size for size in shape)
