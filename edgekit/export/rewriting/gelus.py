"""Where a GELU is written out: x (1 + erf(x / sqrt(2))) / 2, whatever the order of its factors.

TensorFlow's converter knows two orders, and refuses the error function in all others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgekit.export.rewriting.functions import inputs_of
from edgekit.export.rewriting.watching import Watched

_INNER = {"Mul": 0.5**0.5, "RealDiv": 2**0.5}
_NEAR = 1e-5


def gelus(function: Any, watched: Watched) -> Iterator[tuple[str, Any, str]]:
    """Yield each error function of a GELU by name, the product that is the GELU, and what x is."""
    terms = _Terms(function, watched)
    for erf in [node for node in function.node_def if node.op == "Erf"]:
        x = terms.beside(erf.input[0], _INNER)
        one_more = terms.reader(erf, "Add", "AddV2")
        if x is None or one_more is None or terms.place(one_more, 1.0) is None:
            continue
        product = terms.product(one_more, x)
        if product is not None:
            yield erf.name, product, x


class _Terms:
    """The nodes of a function as terms of sums and products."""

    def __init__(self, function: Any, watched: Watched) -> None:
        self.nodes, self.watched = function.node_def, watched
        self.by_name = {node.name: node for node in self.nodes}

    def place(self, node: Any, number: float) -> int | None:
        """Return which input of a node is that number."""
        made = self.watched.operation(node.name)
        for place, read in enumerate(made.inputs if made is not None else ()):
            value = self.watched.constant(read)
            if value is not None and value.size == 1 and abs(float(value) - number) < _NEAR:
                return place
        return None

    def beside(self, value: str, numbers: dict[str, float]) -> str | None:
        """Return the other input of what makes a value, an op of such a kind with its number."""
        node = self.by_name.get(value.partition(":")[0])
        if node is None or node.op not in numbers:
            return None
        place = self.place(node, numbers[node.op])
        if place is None or (node.op == "RealDiv" and place == 0):
            return None
        return inputs_of(node)[1 - place]

    def reader(self, node: Any, *kinds: str) -> Any:
        """Return the only node that reads another, if it is of such a kind."""
        found = [n for n in self.nodes if node.name in _names(n)]
        return found[0] if len(found) == 1 and found[0].op in kinds else None

    def product(self, factor: Any, x: str) -> Any:
        """Return the node behind a factor that has been multiplied by x and by a half."""
        has_x = has_half = False
        while not (has_x and has_half):
            before, factor = factor, self.reader(factor, "Mul")
            if factor is None:
                return None
            other = inputs_of(factor)[1 - _names(factor).index(before.name)]
            both = self.beside(other, {"Mul": 0.5}) == x
            half, is_x = self.place(factor, 0.5) is not None, other == x
            if not (both or half or is_x):
                return None
            has_x, has_half = has_x or is_x or both, has_half or half or both
        return factor


def _names(node: Any) -> list[str]:
    return [name.partition(":")[0] for name in inputs_of(node)]
