"""Reconstruction: a linear op answers from rounded inputs what it answered from exact ones.

For an output channel with weights w and bias b, which reads x in the float network and x' in the
integer one, the w' and b' sought are those of the least

    E[a (w x + b - w' x' - b')^2],

a being 1 where the activation behind the op lets a change through and next to nothing where it cuts
it off. About the means this is a regression: w' = (H + l)^-1 (C + l) w with H = E[a x' x'^T],
C = E[a x' x^T] and a small l that holds w' near w. Errors of the weights before, which x tells, it
undoes; of noise that x does not tell, as 8-bit activations bring, it can but shrink w, and over
many layers that costs more than it gains. The asymmetric objective is that of Nagel et al.,
arXiv:2004.10568, AdaRound.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.quantize.graph.float_graph import FloatGraph, FloatOp
from edgekit.quantize.graph.linear import channels_read, patches, rows_of

Array = npt.NDArray[Any]

_POSITIONS = 20_000  # that moments are taken over, spread over the examples
_OWN_POSITIONS = 5_000  # of a few taps that are each output's own fewer tell as much
_CUT_OFF = 0.01  # the weight of positions where the activation cuts changes off
_RIDGE = 3.0  # l, of H's diagonal, for the square of weights per position: few tell little
_OWN_MULTIPLICATIONS = 2e10  # up to which each output channel has an H of its own
_CEILINGS = {"relu": np.inf, "relu6": 6.0}


@dataclass(frozen=True, eq=False)
class Moments:
    """Of what an op reads, about the mean: `[O, K]` and `[O, K, K]`, with O = 1 where shared."""

    exact_mean: Array
    rounded_mean: Array
    exact: Array  # E[a x x^T], and a ridge, as of the next two: no direction is free
    energy: Array  # H
    cross: Array  # C
    positions: Array  # that let changes through, `[O]`

    def reconstruct(self, rows: Array) -> Array:
        """Return the weights `[O, K]` that answer from rounded inputs as `rows` from exact ones."""
        return _each(np.linalg.solve(self.energy, self.cross), rows)

    def expected_error(self, rows: Array, before: Array) -> Array:
        """Return the squared error of answers by `rows` `[O, K]` against rows `before`, `[O]`.

        That is of the positions that were seen, the bias having taken the mean back.
        """
        found: Array = (
            (_each(self.exact, before) * before).sum(axis=1)
            - 2 * (_each(self.cross, before) * rows).sum(axis=1)
            + (_each(self.energy, rows) * rows).sum(axis=1)
        )
        return found

    def unseen(self) -> Array:
        """Return by how much a regression errs more where it was not made, `[O]`.

        That is (M + K) / (M - K) for K weights and M positions, the final prediction error of
        Akaike, Annals of the Institute of Statistical Mathematics 21 (1969); infinite where there
        are not more positions than weights.
        """
        size = self.energy.shape[1]
        left = self.positions - size
        return np.where(left > 0, (self.positions + size) / np.maximum(left, 1e-9), np.inf)

    def bias_shift(self, rows: Array, before: Array) -> Array:
        """Return what `rows` `[O, K]` answer to the mean more than rows `before` did, `[O]`.

        The bias takes it back: Nagel et al., arXiv:1906.04721, section 4.2, empirical.
        """
        shift: Array = (rows * self.rounded_mean - before * self.exact_mean).sum(axis=1)
        return shift


def measure(
    graph: FloatGraph, op: FloatOp, exact: Array, rounded: Array, *, second: bool = True
) -> Moments:
    """Return the moments of what a linear op reads.

    Args:
        graph: the float network, with the op's weights and bias as they were.
        op: linear.
        exact: what it reads in it, `[N, ...]`.
        rounded: what it reads in the integer network, of the same examples.
        second: whether those of second order are wanted, at many times the work; else they are 0.
    """
    weights, rows = graph.weights(op), rows_of(graph, op)
    own = channels_read(op, weights, exact.shape[-1])
    most = _POSITIONS if own is None else _OWN_POSITIONS
    seen, noisy = (_sampled(op, weights, values, most) for values in (exact, rounded))
    if own is not None:
        answers = [_flat(seen[:, :, c]) @ row for c, row in zip(own, rows, strict=True)]
        passed = _passed(graph, op, np.stack(answers))
        return _stacked(_moments(_flat(seen[:, :, c]), _flat(noisy[:, :, c]), a, second)
                        for c, a in zip(own, passed, strict=True))  # fmt: skip
    seen, noisy = _flat(seen), _flat(noisy)
    passed = _passed(graph, op, rows @ seen.T)
    if (passed == 1).all() or passed.size * rows.shape[1] ** 2 > _OWN_MULTIPLICATIONS:
        passed = np.ones((1, len(seen)))
    return _stacked(_moments(seen, noisy, a, second) for a in passed)


def _passed(graph: FloatGraph, op: FloatOp, answers: Array) -> Array:
    """Return `[O, M]`, how much of a change in each answer gets through the activation."""
    if op.activation not in _CEILINGS:
        return np.ones_like(answers)
    answers = answers + graph.bias(op)[:, np.newaxis]
    inside = (answers > 0) & (answers < _CEILINGS[op.activation])
    return np.where(inside, 1.0, _CUT_OFF)


def _stacked(parts: Iterable[tuple[Array, ...]]) -> Moments:
    return Moments(*(np.stack(part) for part in zip(*parts, strict=True)))


def _moments(seen: Array, noisy: Array, passed: Array, second: bool) -> tuple[Array, ...]:
    """Return the moments of one output channel, of what it sees `[M, K]`."""
    share = passed / passed.sum()
    exact_mean, rounded_mean = share @ seen, share @ noisy
    if not second:
        none = np.zeros((1, 1))
        return exact_mean, rounded_mean, none, none, none, passed.sum()
    seen, noisy = seen - exact_mean, noisy - rounded_mean
    weighted = (noisy * share[:, np.newaxis]).T
    energy, cross = weighted @ noisy, weighted @ seen
    exact = (seen * share[:, np.newaxis]).T @ seen
    ridge = np.diag(_RIDGE * (len(energy) / passed.sum()) ** 2 * np.diag(energy) + 1e-12)
    return exact_mean, rounded_mean, exact + ridge, energy + ridge, cross + ridge, passed.sum()


def _flat(seen: Array) -> Array:
    return seen.reshape(len(seen), -1)


def _sampled(op: FloatOp, weights: Array, values: Array, most: int) -> Array:
    """Return what up to `most` positions spread over all examples see, `[M, taps, C]`."""
    each = max(1, most // len(values))
    rng = np.random.default_rng(0)  # the same positions in both networks
    found = []
    for value in values:
        seen = patches(op, weights, value[np.newaxis])
        picked = rng.choice(len(seen), min(each, len(seen)), replace=False)
        found.append(seen[np.sort(picked)])
    together: Array = np.concatenate(found).astype(np.float64)
    return together


def _each(matrices: Array, rows: Array) -> Array:
    """Return matrices `[O or 1, K, K]` times rows `[O, K]`."""
    if len(matrices) == 1:
        shared: Array = rows @ matrices[0].T
        return shared
    own: Array = np.einsum("okl,ol->ok", matrices, rows)
    return own
