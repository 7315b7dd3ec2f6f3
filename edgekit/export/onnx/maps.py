"""Rows that stay maps of height one between convolutions.

tf2onnx writes a convolution over a row as one over a map, drops the height behind it and turns the
channels last, and undoes both before the next one. What lies in between and takes numbers one by
one, as an activation, an addition or a padding, is done on the map as well: then nothing is dropped
or turned. It also hid the one from the other: 8 bits would round what an activation cuts off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from edgekit.export.onnx.graph import attributes_of, constants_of, drop_unused

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

_CHANNELS, _WIDTH = 1, 3  # axes of a map
_TURNS = ("Squeeze", "Unsqueeze", "Transpose")
_ONE_BY_ONE = {
    "Abs", "Add", "Clip", "Div", "Elu", "Erf", "Exp", "HardSigmoid", "HardSwish", "LeakyRelu",
    "Max", "Min", "Mul", "Neg", "Pow", "Relu", "Selu", "Sigmoid", "Softplus", "Sqrt", "Sub", "Tanh",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class _View:
    """Numbers of a value in another layout."""

    base: str
    sizes: Shape  # of the base
    shape: Shape  # of the view
    axes: tuple[int | None, ...]  # of the base, for each of the view's; None for one of size 1
    turns: tuple[Any, ...] = ()  # the nodes that lead from the one to the other

    @property
    def whole(self) -> bool:
        """Whether it is the base itself."""
        order = [axis for axis in self.axes if axis is not None]
        return self.shape == self.sizes and order == sorted(order)

    @property
    def row(self) -> bool:
        """Whether it is a map without its height."""
        return (len(self.sizes), len(self.shape)) == (4, 3)

    def alike(self, other: _View | None) -> bool:
        """Whether another view is of a map of the same sizes, in the same layout."""
        mine = self.sizes, self.shape, self.axes
        return other is not None and mine == (other.sizes, other.shape, other.axes)

    def turned(self, node: Any, constants: dict[str, Array]) -> _View | None:
        """Return what a node that only turns makes of it; None where that is computed."""
        if node.op_type == "Transpose":
            order = attributes_of(node).get("perm", range(len(self.shape))[::-1])
            shape, axes = (tuple(of[i] for i in order) for of in (self.shape, self.axes))
            return replace(self, shape=shape, axes=axes, turns=(*self.turns, node))
        places = constants.get(node.input[1]) if len(node.input) > 1 else None
        if places is None:
            return None
        pairs = [*zip(self.shape, self.axes, strict=True)]
        adds = node.op_type == "Unsqueeze"
        rank = len(pairs) + len(places) * adds
        for place in sorted((int(place) % rank for place in places), reverse=not adds):
            if adds:
                pairs.insert(place, (1, None))
            elif pairs.pop(place) != (1, None):
                return None  # of open size
        shape, axes = tuple(size for size, _ in pairs), tuple(axis for _, axis in pairs)
        return replace(self, shape=shape, axes=axes, turns=(*self.turns, node))

    def spread(self, values: Array) -> Array | None:
        """Return stored values as they are to be for the base; None if they cannot be."""
        if values.ndim > len(self.shape):
            return None
        if values.size == 1:
            return values
        wide = values.reshape((1,) * (len(self.shape) - values.ndim) + values.shape)
        kept = [place for place, axis in enumerate(self.axes) if axis is not None]
        dropped = [place for place, axis in enumerate(self.axes) if axis is None]
        if any(wide.shape[place] != 1 for place in dropped):
            return None
        sizes = {self.axes[place]: wide.shape[place] for place in kept}
        order = sorted(kept, key=lambda place: self.axes[place] or 0)
        laid = np.transpose(wide, (*order, *dropped))
        return laid.reshape([sizes.get(axis, 1) for axis in range(len(self.sizes))])


def _grown(sizes: Shape, ends: Array) -> Shape:
    """Return sizes with what a padding adds at both ends; an open one stays open."""
    return tuple(size and size + int(more) for size, more in zip(sizes, ends.sum(0), strict=True))


def keep_maps(graph: Any, shapes: dict[str, Shape]) -> None:
    """Do on maps what takes numbers one by one, and pass by turns that are undone.

    Args:
        graph: changed in place.
        shapes: of the values whose rank is known, an open size being 0; new values are added.
    """
    made = _Maps(graph, shapes)
    nodes = [each for node in graph.node for each in made.of(node)]
    del graph.node[:]
    graph.node.extend(nodes)
    drop_unused(graph)


class _Maps:
    """Goes through a graph and keeps what each value is a view of."""

    def __init__(self, graph: Any, shapes: dict[str, Shape]) -> None:
        self.graph, self.shapes, self.constants = graph, shapes, constants_of(graph)
        self.views: dict[str, _View] = {}
        self.same: dict[str, str] = {}  # values that are others, turned and turned back

    def of(self, node: Any) -> Iterator[Any]:
        """Yield what is to stand for a node; values keep their names."""
        node.input[:] = [self.same.get(name, name) for name in node.input]
        if node.op_type in _TURNS:
            self._note(node)
            yield node
        elif node.op_type == "ReduceMean":
            yield from self._averaged(node)
        elif node.op_type in _ONE_BY_ONE or node.op_type == "Pad":
            yield from self._on_the_map(node)
        else:
            yield node

    def _note(self, node: Any) -> None:
        name = node.input[0]
        sizes = self.shapes.get(name, ())
        own = _View(name, sizes, sizes, tuple(a if s != 1 else None for a, s in enumerate(sizes)))
        view = self.views.get(name, own).turned(node, self.constants) if sizes else None
        if view is not None:
            self.views[node.output[0]] = view
            if view.whole:
                self.same[node.output[0]] = view.base

    def _averaged(self, node: Any) -> Iterator[Any]:
        """Yield an average over a row as one over the map, of which there are integer kernels."""
        view, told = self.views.get(node.input[0]), attributes_of(node)
        if view is None or not view.row or told.get("keepdims", 1):
            yield node
            return
        places = [place % 3 for place in told.get("axes", ())]
        rest = [axis for place, axis in enumerate(view.axes) if place not in places]
        along = [view.axes[place] for place in places]
        if along != [_WIDTH] or rest not in ([None, _CHANNELS], [0, _CHANNELS]):
            yield node
            return
        answer, axes = node.output[0], f"{node.output[0]}/axes"
        self._store(axes, np.array([_WIDTH - 1, _WIDTH], np.int64))
        made = f"{answer}/map"
        yield helper.make_node("GlobalAveragePool", [view.base], [made], name=made)
        yield helper.make_node("Squeeze", [made, axes], [answer], name=answer)

    def _on_the_map(self, node: Any) -> Iterator[Any]:
        computed = [name for name in node.input if name and name not in self.constants]
        views = [self.views.get(name) for name in computed]
        first = views[0] if views else None
        if first is None or not first.row or not all(first.alike(view) for view in views):
            yield node
            return
        changed = self._padded(node, first) if node.op_type == "Pad" else self._each(node, first)
        if changed is None:
            yield node
            return
        answer, sizes, shape = node.output[0], *changed
        node.output[0] = f"{answer}/map"
        self.shapes[node.output[0]] = sizes
        turns = [*self._again(first, node.output[0], answer)]
        self.views[answer] = _View(node.output[0], sizes, shape, first.axes, tuple(turns))
        yield from (node, *turns)

    def _each(self, node: Any, view: _View) -> tuple[Shape, Shape] | None:
        """Let a node read maps; return the sizes of its answer, as a map and as it was."""
        stored = {name: view.spread(self.constants[name])
                  for name in node.input if name in self.constants}  # fmt: skip
        if any(values is None for values in stored.values()):
            return None
        for place, name in enumerate(node.input):
            values = stored.get(name)
            if values is None:
                node.input[place] = self.views[name].base if name else name
            elif values.size > 1:
                node.input[place] = f"{node.output[0]}/{place}"
                self._store(node.input[place], values)
        return view.sizes, view.shape

    def _padded(self, pad: Any, view: _View) -> tuple[Shape, Shape] | None:
        """Let a padding pad a map; return the sizes of its answer, as a map and as it was."""
        given = self.constants.get(pad.input[1])
        if given is None or len(pad.input) > 3:
            return None
        ends = given.reshape(2, -1)
        if any(ends[:, place].any() for place, axis in enumerate(view.axes) if axis is None):
            return None
        wider = np.zeros((2, len(view.sizes)), np.int64)
        for place, axis in enumerate(view.axes):
            if axis is not None:
                wider[:, axis] = ends[:, place]
        pad.input[0], pad.input[1] = view.base, f"{pad.output[0]}/ends"
        self._store(pad.input[1], wider.reshape(-1))
        return _grown(view.sizes, wider), _grown(view.shape, ends)

    def _store(self, name: str, values: Array) -> None:
        self.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), name))

    def _again(self, view: _View, base: str, answer: str) -> Iterator[Any]:
        """Yield the turns of a view for another base, so that they end in `answer`."""
        read = base
        for number, turn in enumerate(view.turns):
            copy = onnx.NodeProto()
            copy.CopyFrom(turn)
            last = number == len(view.turns) - 1
            copy.input[0], copy.output[0] = read, answer if last else f"{answer}/turn{number}"
            copy.name = copy.output[0]
            read = copy.output[0]
            yield copy
