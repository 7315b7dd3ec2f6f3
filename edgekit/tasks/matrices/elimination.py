"""From a noisy matrix to a likely tree: the decoder, which ends conflict-free in any case.

It keeps a conflict-free matrix and improves it one column at a time. With a column taken out, the
others are a laminar family. The sets that fit it are unions of children of one of its nodes u:
clades below u, and rows that lie in u and in no clade below. So the best column is found exactly:
at every node take the children that gain, then take the best node. Clades move to the best node of
the rest of the tree together with all below them, and rows likewise. None of it can lose, so the
likelihood rises to where no move betters it; kicks, which take some columns out together and put
them back one by one, go on from there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.tasks.matrices.perfect import UNKNOWN, Matrices

Weights = npt.NDArray[np.float32]  # [B, n, m]: what the log likelihood gains where an entry is 1
Chosen = npt.NDArray[np.int64]

_PASSES = 20  # over all columns, at the most; it settles after three to six
_EMPTY = np.int32(2**30)  # a key above those of all columns
_TAKEN_OUT = (0.2, 0.4, 0.6)  # shares of the columns that kicks take out in turn
_FEWEST = 3  # of them


def log_odds(values: Matrices, alpha: float, beta: float) -> Weights:
    """Return log P(value | 1) - log P(value | 0), 0 where the value is unknown."""
    one, zero = np.log((1 - beta) / alpha), np.log(beta / (1 - alpha))
    return np.where(values == UNKNOWN, 0.0, np.where(values == 1, one, zero)).astype(np.float32)


def eliminate(
    weights: Weights, scores: Weights | None = None, *, kicks: int = 40, seed: int = 0
) -> npt.NDArray[np.uint8]:
    """Return conflict-free matrices `[B, n, m]` of high likelihood.

    Args:
        weights: as `log_odds` gives them; 0 where a matrix is smaller than the array.
        scores: log odds of each true entry by a network, from which to begin; `weights` if None.
        kicks: how often to leave a local optimum; 0 for the first one.
        seed: of the kicks.
    """
    rng = np.random.default_rng(seed)
    begin = weights if scores is None else scores.astype(np.float32)
    found = np.zeros_like(weights)
    first = np.argsort(-np.maximum(begin, 0).sum(axis=1), axis=1, kind="stable")
    _refit_all(begin, found, first)
    if scores is not None:
        _refit_all(weights, found, first)
    best = _settle(weights, found, rng)
    for number in range(kicks):
        found = _kick(weights, best, _TAKEN_OUT[number % len(_TAKEN_OUT)], rng)
        as_good = _total(weights, found) >= _total(weights, best)
        best[as_good] = found[as_good]
    return best.astype(np.uint8)


def _settle(weights: Weights, found: Weights, rng: np.random.Generator) -> Weights:
    """Return local optima above `found`, which is changed."""
    total = _total(weights, found)
    for _ in range(_PASSES):
        _move_rows(weights, found)
        _refit_all(weights, found, _orders(found, rng))
        for chosen in _orders(found, rng).T:
            _regraft(weights, found, chosen)
        before, total = total, _total(weights, found)
        if (total <= before + 1e-4).all():
            break
    return found


def _kick(weights: Weights, found: Weights, share: float, rng: np.random.Generator) -> Weights:
    """Return what comes of taking some columns out together and putting them back one by one."""
    found = found.copy()
    taken = _orders(found, rng)[:, : max(_FEWEST, round(share * found.shape[2]))]
    batch = np.arange(len(found))[:, None]
    found[batch, :, taken] = 0
    _refit_all(weights, found, taken)
    _move_rows(weights, found)
    _refit_all(weights, found, _orders(found, rng))
    return found


def _orders(found: Weights, rng: np.random.Generator) -> Chosen:
    return rng.random((found.shape[0], found.shape[2])).argsort(axis=1)


def _total(weights: Weights, found: Weights) -> npt.NDArray[np.float64]:
    total: npt.NDArray[np.float64] = np.einsum("bnm,bnm->b", weights, found, dtype=np.float64)
    return total


def _refit_all(weights: Weights, found: Weights, order: Chosen) -> None:
    """Refit the columns of each matrix in its own order `[B, k]`."""
    for chosen in order.T:
        _refit(weights, found, chosen)


def _refit(weights: Weights, found: Weights, chosen: Chosen) -> None:
    """Replace one column of each matrix by the best that fits its others."""
    count, _, columns = found.shape
    batch = np.arange(count)
    found[batch, :, chosen] = 0
    parents, lowest, _ = _tree(found)
    gain = weights[batch, :, chosen]  # [B, n]
    of_clade = np.matmul(gain[:, None], found)[:, 0]  # [B, m]
    nodes = columns + 1  # the root is the last
    offset = (batch * nodes)[:, None]
    ends = np.concatenate([parents + offset, lowest + offset], axis=1)
    gains = np.maximum(np.concatenate([of_clade, gain], axis=1), 0)
    sums = np.bincount(ends.ravel(), gains.ravel(), count * nodes).reshape(count, nodes)
    node = sums.argmax(axis=1)[:, None]
    clades = (parents == node) & (of_clade > 0)
    inside = np.matmul(found, clades[:, :, None].astype(np.float32))[:, :, 0] > 0
    found[batch, :, chosen] = inside | ((lowest == node) & (gain > 0))


def _move_rows(weights: Weights, found: Weights) -> None:
    """Put every row of each matrix at the best node of the matrix's tree."""
    *_, holds = _tree(found)
    _place_rows(weights, found, (holds | np.eye(found.shape[2], dtype=bool)).astype(np.float32))


def _place_rows(weights: Weights, found: Weights, paths: Weights) -> None:
    """Put every row at the best node of a tree with these `paths`, [B, node, on the way]."""
    sums = np.matmul(weights, np.swapaxes(paths, 1, 2))
    node = sums.argmax(axis=2)
    moved = paths[np.arange(len(paths))[:, None], node]
    at_root = np.take_along_axis(sums, node[:, :, None], axis=2) <= 0
    found[:] = np.where(at_root, 0, moved)


def _regraft(weights: Weights, found: Weights, chosen: Chosen) -> None:
    """Move one column of each matrix, and all below it, to the best node of the rest."""
    count, _, columns = found.shape
    batch = np.arange(count)
    *_, holds = _tree(found)
    paths = holds | np.eye(columns, dtype=bool)
    below = holds[batch, :, chosen] | (np.arange(columns) == chosen[:, None])  # [B, m]
    above = holds[batch, chosen]  # [B, m]: the nodes on the way to it
    sums = np.matmul(weights, np.swapaxes(paths, 1, 2).astype(np.float32))  # [B, n, node]
    spent = np.matmul(weights, above[:, :, None].astype(np.float32))
    inside = np.where(below[:, None], sums - spent, -np.inf).max(axis=2)  # [B, n]
    rest = np.where(below[:, None], -np.inf, sums)
    outside = np.maximum(rest.max(axis=2), 0)
    reached = np.maximum(rest + inside[:, :, None], outside[:, :, None]).sum(axis=1)
    at_root = np.maximum(inside, outside).sum(axis=1)
    node = reached.argmax(axis=1)
    to_root = at_root >= reached[batch, node]
    way = np.where(to_root[:, None], False, paths[batch, node])  # [B, m]
    moved = (paths & ~above[:, None]) | way[:, None]
    paths = np.where(below[:, :, None], moved, paths).astype(np.float32)
    _place_rows(weights, found, paths)


def _tree(found: Weights) -> tuple[Any, Any, Any]:
    """Return parents `[B, m]`, the lowest node of each row `[B, n]`, and who holds whom.

    Equal columns are a chain in the order of their indices; the root is node m. `holds[b, v, u]`
    says that u is an ancestor of v; an empty column has none.
    """
    columns = found.shape[2]
    sizes = found.sum(axis=1)
    overlap = np.matmul(np.swapaxes(found, 1, 2), found)
    # Larger for ancestors, and no two alike.
    key = (sizes * columns).astype(np.int32) + np.arange(columns - 1, -1, -1, dtype=np.int32)
    holds = (overlap == sizes[:, :, None]) & (key[:, None, :] > key[:, :, None])
    holds &= (sizes > 0)[:, :, None]
    parents = _least(np.where(holds, key[:, None, :], _EMPTY))
    lowest = _least(np.where(found > 0, key[:, None, :], _EMPTY))
    return parents, lowest, holds


def _least(keys: npt.NDArray[np.int32]) -> Any:
    """Return where the least key stands along the last axis; behind the end if there is none."""
    place = keys.argmin(axis=2)
    none = np.take_along_axis(keys, place[:, :, None], axis=2)[:, :, 0] == _EMPTY
    return np.where(none, keys.shape[2], place)
