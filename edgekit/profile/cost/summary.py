"""What a graph costs: totals, by kind of op and by layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgekit.profile.cost.madds import RULES, check_rules, count_madds
from edgekit.profile.cost.memory import arena_bytes, peak_bytes, unplanned
from edgekit.profile.graph import Graph, Op, Tensor


@dataclass(frozen=True)
class Row:
    """The cost of a group of ops."""

    name: str
    ops: int
    madds: int | None  # None where no op of the group has a rule
    params: int
    moved_bytes: int  # read and written: inputs, weights and outputs of each op


@dataclass(frozen=True)
class Summary:
    """The cost of one inference."""

    format: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    ops: int
    madds: int  # of the ops that have a rule
    unknown: tuple[str, ...]  # ops without a rule, by the format's name: not in `madds`
    params: int  # elements of stored weights, biases and tables
    weight_bytes: int  # all stored constants, as packed
    activation_bytes: int  # of all activations together
    moved_bytes: int  # read and written, summed over the ops
    peak_bytes: int  # most activations alive at once: no plan needs less
    arena_bytes: int  # of the greedy-by-size plan
    unplanned: int  # activations whose size is not known before running: not in the bytes

    @property
    def intensity(self) -> float:
        """Arithmetic intensity: MAdds per byte moved."""
        return self.madds / self.moved_bytes if self.moved_bytes else 0.0


def summarize(graph: Graph, *, allow_unknown: bool = False) -> Summary:
    """Count `graph`.

    Raises:
        InputError: an op has no rule and `allow_unknown` is not set, or a shape is unknown.
    """
    if not allow_unknown:
        check_rules(graph)
    stored = graph.stored
    return Summary(
        format=graph.format,
        inputs=graph.inputs,
        outputs=graph.outputs,
        ops=len(graph.ops),
        madds=sum(count_madds(op) or 0 for op in graph.ops),
        unknown=tuple(op.native for op in graph.ops if op.kind not in RULES),
        params=sum(t.elements for t in stored if t.parameter),
        weight_bytes=sum(t.size_bytes or 0 for t in stored),
        activation_bytes=sum(t.size_bytes or 0 for t in graph.tensors if not t.constant),
        moved_bytes=sum(moved_bytes(op) for op in graph.ops),
        peak_bytes=peak_bytes(graph),
        arena_bytes=arena_bytes(graph),
        unplanned=len(unplanned(graph)),
    )


def by_kind(graph: Graph) -> tuple[Row, ...]:
    """Return a row for each kind of op, by falling MAdds."""
    rows = _grouped(graph, lambda op: op.native)
    return tuple(sorted(rows, key=lambda row: (-(row.madds or 0), row.name)))


def by_layer(graph: Graph) -> tuple[Row, ...]:
    """Return a row for each layer, in the order of execution; unnamed ops go by their output."""
    return tuple(_grouped(graph, lambda op: op.layer or op.name))


def moved_bytes(op: Op) -> int:
    """Return the bytes that `op` reads and writes, each tensor once; nothing for unknown sizes."""
    touched = {t.index: t for t in (*op.inputs, *op.outputs) if t is not None}
    if all(t.constant for t in op.outputs):
        return 0  # made once, while loading
    return sum(t.size_bytes or 0 for t in touched.values())


def _grouped(graph: Graph, name: Callable[[Op], str]) -> list[Row]:
    groups: dict[str, list[Op]] = {}
    for op in graph.ops:
        groups.setdefault(name(op), []).append(op)
    owners = _parameter_owners(graph)
    return [_row(group, ops, owners) for group, ops in groups.items()]


def _row(name: str, ops: Sequence[Op], owners: dict[int, list[Tensor]]) -> Row:
    counts = [count_madds(op) for op in ops]
    known = [count for count in counts if count is not None]
    params = sum(t.elements for op in ops for t in owners.get(id(op), ()))
    moved = sum(moved_bytes(op) for op in ops)
    return Row(name, len(ops), sum(known) if known else None, params, moved)


def _parameter_owners(graph: Graph) -> dict[int, list[Tensor]]:
    """Return each op's parameters; one that several share belongs to the first of them.

    Weights that are dequantized while loading belong to the op that multiplies with them.
    """
    makers = {t.index: op for op in graph.ops for t in op.outputs if t.constant}
    seen: set[int] = set()
    owners: dict[int, list[Tensor]] = {}
    for op in graph.ops:
        if op.outputs and all(t.constant for t in op.outputs):
            continue
        waiting = [t for t in op.inputs if t is not None and t.constant]
        while waiting:
            tensor = waiting.pop()
            if tensor.index in seen:
                continue
            seen.add(tensor.index)
            if tensor.parameter:
                owners.setdefault(id(op), []).append(tensor)
            if tensor.index in makers:
                waiting += [t for t in makers[tensor.index].inputs if t is not None]
    return owners
