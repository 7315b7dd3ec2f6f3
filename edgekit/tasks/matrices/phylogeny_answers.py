"""Answers about a mutation matrix, in words, as JSON types and drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.tasks.matrices.genotypes import Genotypes
from edgekit.tasks.matrices.perfect import UNKNOWN

SHOWN = 12  # pairs, flips or rows on the screen
_WIDE = 60  # columns of a matrix on the screen
_CELL, _SIDE = 6, 640  # pixels of an entry in a picture at the least, and of a side if it can be
_COLOURS = np.array([[235, 235, 235], [0, 114, 178], [230, 159, 0], [213, 94, 0]], np.uint8)

Bits = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Topology:
    """Whether the tree branches."""

    probability: float

    @property
    def name(self) -> str:
        """The likelier of the two."""
        return "branching" if self.probability > 0.5 else "linear"


@dataclass(frozen=True)
class Noise:
    """Whether columns are in conflict, and which."""

    probability: float
    pairs: tuple[tuple[str, str, float], ...]  # the likeliest first


@dataclass(frozen=True, eq=False)
class Corrected:
    """The likely truth beneath a matrix."""

    observed: Genotypes
    truth: Bits  # [n, m], without conflicts
    nll: float  # of what was observed, in nats
    tree: str  # Newick

    @property
    def flips(self) -> list[tuple[int, int]]:
        """The known entries that are taken for wrong, by row and column."""
        values = self.observed.values
        return [(int(i), int(j)) for i, j in
                np.argwhere((values != UNKNOWN) & (values != self.truth))]  # fmt: skip


Answer = Topology | Noise | Corrected


def describe(answer: Answer) -> list[dict[str, Any]]:
    """Return the answer as one row of JSON types, for a matrix has one answer."""
    if isinstance(answer, Topology):
        return [{"topology": answer.name, "branching": answer.probability}]
    if isinstance(answer, Noise):
        pairs = [{"columns": [a, b], "probability": p} for a, b, p in answer.pairs]
        return [{"conflict": answer.probability > 0.5, "probability": answer.probability,
                 "pairs": pairs}]  # fmt: skip
    rows, columns = answer.observed.rows, answer.observed.columns
    flips = [{"row": rows[i], "column": columns[j], "from": int(1 - answer.truth[i, j]),
              "to": int(answer.truth[i, j])} for i, j in answer.flips]  # fmt: skip
    return [{"nll": answer.nll, "flips": flips, "matrix": answer.truth.tolist(),
             "rows": list(rows), "columns": list(columns), "newick": answer.tree}]  # fmt: skip


def lines(answer: Answer) -> list[str]:
    """Return the answer in words."""
    if isinstance(answer, Topology):
        share = answer.probability if answer.name == "branching" else 1 - answer.probability
        shape = "the tree branches" if answer.name == "branching" else "the tree is a chain"
        return [f"{answer.name}: {shape} (probability {share:.3f})"]
    if isinstance(answer, Noise):
        return _noise_lines(answer)
    return [*_flip_lines(answer), *_matrix_lines(answer), *_tree_lines(answer.tree)]


def _noise_lines(answer: Noise) -> list[str]:
    if answer.probability <= 0.5:
        return [f"no conflict: there is a tree (probability {1 - answer.probability:.3f})"]
    told = [f"conflict: noise, no tree has this matrix (probability {answer.probability:.3f})"]
    told += [f"{a} and {b}: 11, 10 and 01 all occur" for a, b, _ in answer.pairs[:SHOWN]]
    return told + _more(len(answer.pairs), "pairs")


def _flip_lines(answer: Corrected) -> list[str]:
    flips, observed = answer.flips, answer.observed
    gained = sum(int(answer.truth[i, j]) for i, j in flips)
    filled = int((observed.values == UNKNOWN).sum())
    told = [f"no conflict with {len(flips)} entries changed ({gained} to 1, "
            f"{len(flips) - gained} to 0), {filled} filled in; NLL {answer.nll:.2f}"]  # fmt: skip
    for i, j in flips[:SHOWN]:
        bit = answer.truth[i, j]
        told.append(f"{observed.rows[i]}, {observed.columns[j]}: {1 - bit} -> {bit}")
    return told + _more(len(flips), "changes")


def _matrix_lines(answer: Corrected) -> list[str]:
    wide = max(map(len, answer.observed.rows[:SHOWN]))
    count = answer.truth.shape[1]
    told = ["corrected matrix, columns in the file's order:"]
    for name, row in zip(answer.observed.rows[:SHOWN], answer.truth, strict=False):
        bits = "".join(map(str, row[:_WIDE])) + ("..." if count > _WIDE else "")
        told.append(f"{name:<{wide}}  {bits}")
    return told + _more(len(answer.truth), "rows")


def _tree_lines(tree: str) -> list[str]:
    """Break a tree after commas, where Newick allows it."""
    told = [""]
    for part in tree.replace(",", ",\n").split("\n"):
        if told[-1] and len(told[-1]) + len(part) > 74:
            told.append("")
        told[-1] += part
    return ["tree:", *told]


def _more(count: int, what: str) -> list[str]:
    return [f"{count - SHOWN} more {what} (--json shows all)"] if count > SHOWN else []


def draw(thing: Genotypes, answer: Answer) -> tuple[npt.NDArray[np.uint8]]:
    """Return the corrected matrix, `[H, W, 3]`: blue is 1, orange became 1, red became 0.

    Raises:
        InputError: the answer is no matrix.
    """
    if not isinstance(answer, Corrected):
        raise InputError("--save: the answer is one line", do="leave it out: nothing to draw")
    values, truth = thing.values, answer.truth
    kinds = truth.astype(np.int64)
    kinds[(values == 0) & (truth == 1)] = 2
    kinds[(values == 1) & (truth == 0)] = 3
    rows = np.lexsort(truth.T[np.argsort(truth.sum(axis=0))])[::-1]
    columns = np.argsort(-truth.sum(axis=0), kind="stable")
    entries = _COLOURS[kinds[np.ix_(rows, columns)]]
    size = max(_CELL, _SIDE // max(truth.shape))
    drawn: npt.NDArray[np.uint8] = entries.repeat(size, axis=0).repeat(size, axis=1)
    return (drawn,)
