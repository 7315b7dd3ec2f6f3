"""Mutation matrices from the infinite-sites coalescent, many at a time.

`[N, n, m]` uint8: N matrices of n samples by m mutations, 0, 1 and, once noise is added, UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.tasks.matrices.perfect import UNKNOWN, conflict_free, linear

Bits = npt.NDArray[np.uint8]
Generator = np.random.Generator
Trees = Callable[[int, int, int, Generator], Bits]  # count, rows, columns

_ROUNDS = 1000  # of rejection, before it is said that nothing is found
_PATIENCE = 50  # rounds with one tree


def coalescent(count: int, rows: int, columns: int, rng: Generator) -> Bits:
    """Return matrices of Kingman's coalescent with `columns` mutations on each tree.

    While k lineages are left, the next merger of two of them is exponential with rate k(k-1)/2
    (Kingman 1982); mutations fall on branches in proportion to length, as of `ms n 1 -s m` (Hudson
    2002). Since all k lineages live equally long, a mutation chooses the time between two mergers
    by its length times k, then one of the k.
    """
    lineages = np.arange(rows, 1, -1)  # between mergers
    lengths = rng.standard_exponential((count, rows - 1)) * (2 / (lineages - 1))  # times k
    until = lengths.cumsum(axis=1)
    at = rng.random((count, columns)) * until[:, -1:]
    when = (until[:, None, :-1] < at[:, :, None]).sum(axis=2)  # [N, m], an index of `lineages`
    which = (rng.random((count, columns)) * lineages[when]).astype(np.int16)
    owners = _merge(count, rows, rng)
    carried = owners[when, np.arange(count)[:, None]]  # [N, m, n]
    return np.ascontiguousarray((carried == which[:, :, None]).swapaxes(1, 2)).view(np.uint8)


def _merge(count: int, rows: int, rng: Generator) -> npt.NDArray[np.int16]:
    """Return the lineage of each sample before each merger, `[rows - 1, N, rows]`."""
    owners = np.empty((rows - 1, count, rows), np.int16)
    owner = np.tile(np.arange(rows, dtype=np.int16), (count, 1))
    for step, left in enumerate(range(rows, 1, -1)):
        owners[step] = owner
        one = rng.integers(0, left, (count, 1), dtype=np.int16)
        other = rng.integers(0, left - 1, (count, 1), dtype=np.int16)
        other += other >= one
        owner = np.where(owner == other, one, owner)
        # The last lineage takes the number that became free.
        owner = np.where(owner == left - 1, other, owner)
    return owners


def clonal(count: int, rows: int, columns: int, rng: Generator) -> Bits:
    """Return matrices of clones: few, large, on trees with a trunk, unlike a coalescent's.

    A mutation follows the one before with a probability that each tree draws, mostly large, else
    any or none; cells fall on mutations, or on none, by exponential weights to a power from 0 to 4
    that each tree draws: the larger, the fewer clones hold most cells. Half of the trees have a
    founder, whose mutation nearly all cells carry.
    """
    follows = rng.random((count, columns)) > rng.random((count, 1)) ** 4
    anywhere = (rng.random((count, columns)) * (np.arange(columns) + 1)).astype(np.int64)
    founded = rng.random(count) < 0.5
    anywhere[founded] = np.maximum(anywhere[founded], np.arange(columns) > 0)
    parents = np.where(follows, np.arange(columns), anywhere)  # 0 is the root, j + 1 a mutation
    paths = np.zeros((count, columns + 1, columns), np.uint8)
    batch = np.arange(count)
    for j in range(columns):
        paths[:, j + 1] = paths[batch, parents[:, j]]
        paths[:, j + 1, j] = 1
    powers = 4 * rng.random((count, 1))
    weights = rng.standard_exponential((count, columns + 1)) ** powers
    weights[founded, 0] *= 0.1
    until = weights.cumsum(axis=1)
    at = rng.random((count, rows)) * until[:, -1:]
    node = (until[:, None] < at[:, :, None]).sum(axis=2)
    drawn: Bits = paths[batch[:, None], node]
    return drawn


def branching(
    count: int, rows: int, columns: int, rng: Generator, trees: Trees = coalescent
) -> Bits:
    """Return matrices of `trees` that are no chains.

    Raises:
        InputError: matrices of this size are chains nearly always.
    """
    kept: list[Bits] = []
    left = count
    for _ in range(_ROUNDS):
        drawn = trees(left, rows, columns, rng)
        kept.append(drawn[~linear(drawn)])
        left -= len(kept[-1])
        if not left:
            return np.concatenate(kept)
    raise InputError(f"phylogeny: {rows}x{columns}", got="no tree that branches",
                     do="take more samples or mutations")  # fmt: skip


def chains(sums: npt.NDArray[np.int64], rows: int, rng: Generator) -> Bits:
    """Return a linear matrix for each row of column sums `[N, m]`, its samples in random order.

    The sums of the rows follow: a matrix of nested columns is the only one with its row and column
    sums (Gale 1957, Ryser 1957), so that both cannot be those of a tree that branches.
    """
    rank = rng.random((len(sums), rows)).argsort(axis=1)
    return (rank[:, :, None] < sums[:, None, :]).view(np.uint8)


def pairs(
    count: int, rows: int, columns: int, rng: Generator, trees: Trees = coalescent
) -> tuple[Bits, Bits]:
    """Return branching matrices, and linear ones that have the same column sums, one by one."""
    branched = branching(count, rows, columns, rng, trees)
    return branched, chains(branched.sum(axis=1, dtype=np.int64), rows, rng)


def add_noise(
    truth: Bits, alpha: npt.ArrayLike, beta: npt.ArrayLike, missing: npt.ArrayLike, rng: Generator
) -> Bits:
    """Return `truth` as it is observed.

    Args:
        truth: 0 and 1.
        alpha: the probability that a 0 is seen as 1, one for all or `[N]`.
        beta: the probability that a 1 is seen as 0, likewise.
        missing: the probability that an entry is UNKNOWN, likewise.
        rng: the generator.
    """
    rates = (np.asarray(rate, np.float32).reshape(-1, 1, 1) for rate in (alpha, beta, missing))
    up, down, unknown = rates
    flipped = rng.random(truth.shape, np.float32) < np.where(truth == 1, down, up)
    seen = truth ^ flipped.view(np.uint8)
    if (unknown > 0).any():
        seen[rng.random(truth.shape, np.float32) < unknown] = UNKNOWN
    return seen


def conflicting(
    count: int, rows: int, columns: int, alpha: float, beta: float, rng: Generator
) -> Bits:
    """Return coalescent matrices with noise that is drawn anew until there is a conflict.

    A tree that keeps to none, as one of singletons does, gives way to another.

    Raises:
        InputError: noise of these rates makes none.
    """
    seen = np.empty((count, rows, columns), np.uint8)
    left = np.arange(count)
    for number in range(_ROUNDS):
        if number % _PATIENCE == 0:
            truth = coalescent(len(left), rows, columns, rng)
        seen[left] = add_noise(truth, alpha, beta, 0.0, rng)
        free = conflict_free(seen[left])
        left, truth = left[free], truth[free]
        if not len(left):
            return seen
    raise InputError(f"phylogeny: noise ({alpha:g}, {beta:g}) makes no conflict",
                     got=f"{len(left)} of {count} matrices without one",
                     do="raise the rates or the size")  # fmt: skip
