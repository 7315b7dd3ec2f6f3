"""Layer normalizations as ONNX's one op, where tf2onnx writes the arithmetic out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import helper

from edgekit.export.onnx.graph import (
    attributes_of,
    constants_of,
    drop_unused,
    maker_of,
    readers_of,
    store,
)

Array = npt.NDArray[Any]
_AVERAGES = ("GlobalAveragePool", "ReduceMean")


def fold_norms(graph: Any, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Write each (x - mean) / sqrt(variance + epsilon) gamma + beta over channels as one op.

    They are the last axis; or the second, of what is transposed behind it so that they are.

    Args:
        graph: changed in place.
        shapes: of the values whose rank is known; an open size is 0.
    """
    found = _Graph(graph, shapes, constants_of(graph))
    for node in [node for node in graph.node if node.op_type == "Reciprocal"]:
        deviation = found.deviation(node)
        if deviation is not None:
            found.fold(node, deviation)
    drop_unused(graph)


@dataclass(frozen=True)
class _Deviation:
    """What is normalized along an axis, and its difference from its mean, by name."""

    value: str
    difference: str
    axis: int
    epsilon: float


@dataclass(frozen=True, eq=False)
class _Graph:
    """A graph, and what is known of its values."""

    graph: Any
    shapes: Mapping[str, tuple[int, ...]]
    constants: Mapping[str, Array]

    def deviation(self, inverse: Any) -> _Deviation | None:
        """Return what 1 / sqrt(variance + epsilon) is the deviation of."""
        root = maker_of(inverse.input[0], self.graph)
        added = maker_of(root.input[0], self.graph) if root is not None else None
        if added is None or (root.op_type, added.op_type) != ("Sqrt", "Add"):
            return None
        squares, axis = self._averaged(added.input[0])
        square, epsilon = maker_of(squares, self.graph), self.constants.get(added.input[1])
        if square is None or epsilon is None or epsilon.size != 1 or square.op_type != "Mul":
            return None
        difference = maker_of(square.input[0], self.graph)
        if square.input[0] != square.input[1] or difference is None or difference.op_type != "Sub":
            return None
        value, mean = difference.input
        alike = self._averaged(mean) == (value, axis)
        return _Deviation(value, square.input[0], axis, float(epsilon.item())) if alike else None

    def fold(self, inverse: Any, found: _Deviation) -> None:
        """Make the last op of a normalization the whole of it, if it is one."""
        last, inner = self._scaled(inverse, "Mul", found)  # where Grappler puts gamma
        product = self._reader(last, "Mul")
        if product is None or {*product.input} != {found.difference, last.output[0]}:
            return
        last, outer = self._scaled(product, "Mul", found)
        last, beta = self._scaled(last, "Add", found)
        value, rank = found.value, len(self.shapes[found.value])
        if found.axis != rank - 1:
            last, order = self._reader(last, "Transpose"), [0, *range(2, rank), 1]
            if found.axis != 1 or last is None or attributes_of(last)["perm"] != order:
                return
            value = f"{last.output[0]}/read"
            before = helper.make_node("Transpose", [found.value], [value], name=value, perm=order)
            self.graph.node.insert([*self.graph.node].index(last), before)
        names = [f"{last.output[0]}/{part}" for part in ("gamma", "beta")]
        for name, values in zip(names, (inner * outer, beta), strict=True):
            store(self.graph, name, values)
        last.op_type, last.input[:] = "LayerNormalization", [value, *names]
        del last.attribute[:]
        last.attribute.append(helper.make_attribute("epsilon", found.epsilon))

    def _averaged(self, value: str) -> tuple[str, int]:
        """Return what a value is the mean of, and along which axis; nothing of others."""
        node = maker_of(value, self.graph)
        rank = len(self.shapes.get(node.input[0], ())) if node is not None else 0
        if not rank or node.op_type not in _AVERAGES:
            return "", 0
        told = attributes_of(node)
        pooled = node.op_type == "GlobalAveragePool"
        axes = [*range(2, rank)] if pooled else [axis % rank for axis in told.get("axes", ())]
        known = len(axes) == 1 and self.shapes[node.input[0]][axes[0]] > 0
        return (str(node.input[0]), axes[0]) if known and told.get("keepdims", 1) else ("", 0)

    def _reader(self, node: Any, kind: str) -> Any:
        """Return the op of a kind that alone reads what a node answers."""
        readers = readers_of(node.output[0], self.graph) or []
        return readers[0] if [reader.op_type for reader in readers] == [kind] else None

    def _scaled(self, node: Any, kind: str, found: _Deviation) -> tuple[Any, Array]:
        """Return what alone reads a node with a stored number for each channel, and those numbers.

        It is the node itself, and numbers that change nothing, where nothing does.
        """
        shape = self.shapes[found.value]
        wanted = tuple(s if axis == found.axis else 1 for axis, s in enumerate(shape))
        reader = self._reader(node, kind)
        read = [] if reader is None else [n for n in reader.input if n in self.constants]
        for values in (self.constants[name] for name in read):
            if (1,) * (len(shape) - values.ndim) + values.shape == wanted:
                return reader, values.reshape(-1)
        return node, np.full(shape[found.axis], kind == "Mul", np.float32)
