"""Exact tests of matrices against Gusfield's own algorithm, and trees against their clades."""

from __future__ import annotations

import itertools
import re

import numpy as np

from edgekit.tasks.matrices.perfect import UNKNOWN, conflict_free, conflicts, linear, newick, nll


def gusfield(matrix: list[list[int]]) -> bool:
    """Gusfield 1991, by hand: columns as binary numbers, largest first, last 1 before each 1."""
    columns = sorted({tuple(column) for column in zip(*matrix, strict=True)}, reverse=True)
    previous = [-1] * len(matrix)
    for number, column in enumerate(columns):
        held = {previous[row] for row, bit in enumerate(column) if bit}
        if len(held) > 1:
            return False
        for row, bit in enumerate(column):
            if bit:
                previous[row] = number
    return True


def is_chain(matrix: list[list[int]]) -> bool:
    sets = sorted(({r for r, bit in enumerate(c) if bit} for c in zip(*matrix, strict=True)),
                  key=len)  # fmt: skip
    return all(small <= large for small, large in itertools.pairwise(sets))


def test_100_000_random_matrices_agree_with_gusfield() -> None:
    rng = np.random.default_rng(0)
    found = []
    for shape, count in (((4, 3), 60_000), ((6, 4), 30_000), ((12, 6), 10_000)):
        density = rng.uniform(0.1, 0.9, (count, 1, 1))
        matrices = (rng.random((count, *shape)) < density).astype(np.uint8)
        expected = np.array([gusfield(m) for m in matrices.tolist()])
        np.testing.assert_array_equal(conflict_free(matrices), expected)
        found.append(expected.mean())
    assert 0.1 < found[0] < 0.9  # both answers occur


def test_linearity_is_a_chain_of_subsets() -> None:
    rng = np.random.default_rng(1)
    matrices = (rng.random((20_000, 5, 3)) < rng.uniform(0.1, 0.9, (20_000, 1, 1))).astype(np.uint8)
    expected = np.array([is_chain(m) for m in matrices.tolist()])
    np.testing.assert_array_equal(linear(matrices), expected)
    assert 0.05 < expected.mean() < 0.95


def test_an_unknown_entry_shows_nothing() -> None:
    matrix = np.array([[1, 1], [1, 0], [0, 1]])
    assert conflicts(matrix).tolist() == [[False, True], [True, False]]
    matrix[2, 0] = UNKNOWN
    assert conflict_free(matrix)


def test_nll_by_hand() -> None:
    values, truth = np.array([[1, 0], [1, UNKNOWN]]), np.array([[1, 1], [0, 1]])
    expected = -np.log([0.9, 0.1, 0.002]).sum()
    assert np.isclose(nll(values, truth, 0.002, 0.1), expected)


def test_newick_by_hand() -> None:
    truth = np.array([[1, 1, 0, 1], [1, 0, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0]])
    tree = newick(truth, ("a", "b", "c d", "e"), ("A", "B", "C", "D"))
    assert tree == "(e,('c d')C,(b,(a)B)A|D);"


def clades(tree: str) -> dict[str, set[str]]:
    """Read a tree back: the leaves below each named inner node."""
    stack: list[set[str]] = [set()]
    found: dict[str, set[str]] = {}
    closed = False
    for token in re.findall(r"[(),;]|[^(),;]+", tree):
        if token == "(":
            stack.append(set())
        elif token == ")":
            closed = True
            below = stack.pop()
            stack[-1] |= below
        elif token not in ",;":
            if closed:
                found[token] = below
            else:
                stack[-1].add(token)
        closed = token == ")"
    return found


def test_the_tree_holds_every_column_as_a_clade() -> None:
    from edgekit.families.phylogeny.simulation import coalescent

    for truth in coalescent(50, 9, 7, np.random.default_rng(2)):
        rows = tuple(f"r{i}" for i in range(9))
        columns = tuple(f"M{j}" for j in range(7))
        read = clades(newick(truth, rows, columns))
        for j, name in enumerate(columns):
            (label,) = (label for label in read if name in label.split("|"))
            assert read[label] == {rows[i] for i in np.flatnonzero(truth[:, j])}
