"""Perfect phylogenies: binary matrices whose columns are clades of one tree.

A matrix has a row for each cell and a column for each mutation, `[..., n, m]`; its entries are 1
(mutated), 0 (not) and UNKNOWN.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

UNKNOWN = 3  # as the field's files write it

Matrices = npt.NDArray[Any]


def gametes(values: Matrices) -> tuple[Matrices, Matrices, Matrices]:
    """Return how many rows show 11, 10 and 01 in columns i and j, each `[..., m, m]`.

    An unknown entry shows nothing.
    """
    ones, zeros = ((values == bit).astype(np.float32) for bit in (1, 0))
    turned = np.swapaxes(ones, -1, -2)
    first = turned @ zeros
    return turned @ ones, first, np.swapaxes(first, -1, -2)


def conflicts(values: Matrices) -> Matrices:
    """Return which pairs of columns show 11, 10 and 01: the three gametes, `[..., m, m]` bool."""
    both, first, second = gametes(values)
    return (both > 0) & (first > 0) & (second > 0)


def conflict_free(values: Matrices) -> Matrices:
    """Return whether each matrix is that of a tree (Gusfield 1991, Networks 21), `[...]` bool."""
    free: Matrices = ~conflicts(values).any(axis=(-2, -1))
    return free


def linear(values: Matrices) -> Matrices:
    """Return whether the tree is a chain: of any two columns one holds the other, `[...]` bool."""
    _, first, second = gametes(values)
    nested: Matrices = ~((first > 0) & (second > 0)).any(axis=(-2, -1))
    return nested


def nll(values: Matrices, truth: Matrices, alpha: float, beta: float) -> Matrices:
    """Return -log P(values | truth) in nats, `[...]`; unknown entries say nothing.

    Args:
        values: what was observed.
        truth: 0 and 1.
        alpha: the probability that a 0 is seen as 1.
        beta: the probability that a 1 is seen as 0.
    """
    seen = np.where(truth == 1, 1 - beta, alpha)
    likelihood = np.where(values == 1, seen, 1 - seen)
    known: Matrices = -np.where(values == UNKNOWN, 0.0, np.log(likelihood)).sum(axis=(-2, -1))
    return known


def newick(truth: Matrices, rows: Sequence[str], columns: Sequence[str]) -> str:
    """Return the tree of one conflict-free matrix `[n, m]`.

    Leaves are rows, inner nodes bear the mutations of the edge above them, joined by `|`; columns
    without a 1 are not in it.
    """
    sizes = truth.sum(axis=0)
    order = [int(j) for j in np.argsort(-sizes, kind="stable") if sizes[j]]
    labels: dict[bytes, list[str]] = {}
    for j in order:
        labels.setdefault(truth[:, j].astype(bool).tobytes(), []).append(columns[j])
    clades = [np.frombuffer(key, bool) for key in labels]
    names = ["|".join(joined) for joined in labels.values()]
    children: list[list[str]] = [[] for _ in (*clades, None)]  # the root is the last
    for row, name in enumerate(rows):
        holders = [k for k, clade in enumerate(clades) if clade[row]]
        children[holders[-1] if holders else -1].append(_quoted(name))
    for k in reversed(range(len(clades))):
        holders = [u for u in range(k) if (clades[u] >= clades[k]).all()]
        subtree = f"({','.join(children[k])}){_quoted(names[k])}"
        children[holders[-1] if holders else -1].append(subtree)
    return f"({','.join(children[-1])});"


def _quoted(name: str) -> str:
    if re.fullmatch(r"[\w.+|-]+", name):
        return name
    return "'" + name.replace("'", "''") + "'"
