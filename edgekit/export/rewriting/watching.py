"""What the values inside a traced network are over examples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy.typing as npt
import tensorflow as tf
from tensorflow.python.framework import convert_to_constants

_OF_SHAPES = ("Rank", "Shape", "Size")

Array = npt.NDArray[Any]
Examples = Iterable[Mapping[str, Array]]


class Watched:
    """A network's function with all that it calls written into it."""

    def __init__(self, function: Any) -> None:
        self._frozen = convert_to_constants.convert_variables_to_constants_v2(
            function, lower_control_flow=False
        )
        self._made = {made.name: made for made in self._frozen.graph.get_operations()}

    def calls(self, node: str) -> list[str]:
        """Return what stands before the name of a node of a function wherever that is called."""
        if node in self._made:
            return [""]
        return [name.removesuffix(node) for name in self._made if name.endswith(f"/{node}")]

    def value(self, name: str) -> Any:
        """Return a tensor by what functions call it, as `node:answer:0`; None if there is none."""
        node, _, place = name.partition(":")
        answer, _, number = place.partition(":")
        made = self._made.get(node)
        if made is None:
            return None
        answers = [each.name for each in made.op_def.output_arg]
        first = answers.index(answer) if answer in answers else 0
        return made.outputs[first + int(number or 0)]

    def operation(self, node: str) -> Any:
        """Return a node of a function where that is first called; None if it is not."""
        calls = self.calls(node)
        return self._made[calls[0] + node] if calls else None

    def constant(self, value: Any) -> Array | None:
        """Return a tensor that no input has a part in but by its shape, None of others."""
        before, seen = [value.op], set[str]()
        while before:
            made = before.pop()
            if made.type == "Placeholder":
                return None
            if made.name not in seen and made.type not in _OF_SHAPES:
                seen.add(made.name)
                before += [read.op for read in made.inputs]
        found: Array = self.part(self._frozen.inputs, value)(
            *(tf.zeros([n or 1 for n in t.shape], t.dtype) for t in self._frozen.inputs)
        ).numpy()
        return found

    def part(self, read: list[Any], answer: Any) -> Any:
        """Return what computes a tensor, or a structure of them, from others."""
        return self._frozen.prune(read, answer)

    def over(self, values: Any, examples: Examples) -> Iterator[Any]:
        """Yield the same structure as that of the tensors `values` for each example."""
        ask = self.part(self._frozen.inputs, values)
        for example in examples:
            fed = [tf.constant(example[_name(t)], t.dtype) for t in self._frozen.inputs]
            yield ask(*fed)


def _name(tensor: Any) -> str:
    name: str = tensor.name.partition(":")[0]
    return name
