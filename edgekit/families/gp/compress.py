"""From a posterior to its device form, with a dial between size and accuracy.

Loss is in nats an observation: the Kullback-Leibler divergence of the form's prediction from the
posterior's, which is how much worse the form's negative log density (NLPD) is to be expected. It
is counted on inputs that the fit did not see.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, eigh, solve_triangular
from scipy.optimize import lsq_linear, minimize
from scipy.spatial import cKDTree

from edgekit.errors import InputError
from edgekit.families.gp.form import (
    MAX_CORRECTION,
    Conditioned,
    Form,
    leaves,
    offset,
    variance_terms,
)
from edgekit.families.gp.kernel import Array
from edgekit.families.gp.posterior import Prediction
from edgekit.families.gp.sparse import pivots

MAX_LOSS = 0.01  # nats, unless told otherwise
OVERHEAD = 7000  # bytes of a .tflite beside the constants
_RANKS = (8, 12, 16, 24, 32, 40, 48, 56, 64, 72, 80, 96, 112, 128, 160, 192, 256, 384, 512)
_RANK_LIMIT = 1e-9  # of the prior variance: what is left below it is rounding
_ROUNDING = 5e-7  # relative, of a covariance in float32: a few units in the last place
_DEAD_ZONE = 3e-6  # of the prior variance: what float32 cannot tell from 0 in a sum of squares
_NEGLIGIBLE = (
    1e-4  # of the variance of an observation: a feature that never adds as much is left out
)
_SMOOTHING = 1e-4  # ridge of the correction of the variance
_SAMPLES = 3000
_MOST_POINTS = 3000  # that the mean may rest on, whatever the budget
_log = logging.getLogger("edgekit")

Size = tuple[int, int]  # points, features


@dataclass(frozen=True)
class Budget:
    """What a form may take and lose; None is not asked."""

    max_bytes: int | None = None  # of a float32 .tflite
    max_loss: float | None = None  # nats an observation


@dataclass(frozen=True)
class Compressed:
    """A form and its expected loss in nats."""

    form: Form
    loss: float


def compress(posterior: Conditioned, budget: Budget = Budget(), *, seed: int = 0) -> Compressed:
    """Return the smallest form within `budget.max_loss`, or the best within `budget.max_bytes`.

    Without a budget the loss may be 0.01 nats; with both, the smallest within the loss must keep to
    the bytes.

    Raises:
        InputError: no form keeps to the budget; the line says how near the best comes.
    """
    maker = _Maker(posterior, seed)
    limit = budget.max_loss
    if budget.max_bytes is None and limit is None:
        limit = MAX_LOSS
    within = (maker.within(row, budget.max_bytes) for row in maker.rows())
    rows = [row for row in within if row]
    if not rows:
        raise InputError(
            f"--max-bytes {budget.max_bytes}: no form is as small",
            expected=f"{maker.bytes(*maker.rows()[0][0]) + OVERHEAD} or more",
        )
    if limit is None:
        return min((maker.make(*row[-1]) for row in rows), key=lambda made: made.loss)
    found = [maker.smallest(row, limit) for row in rows]
    kept = [made for made in found if made.loss <= limit]
    if kept:
        return min(kept, key=lambda made: made.form.bytes)
    best = min(found, key=lambda made: made.loss)
    if budget.max_loss is not None and budget.max_bytes is not None:
        raise InputError(
            f"--max-nlpd-loss {limit:g}: not reached within {budget.max_bytes} bytes",
            got=f"{best.loss:.4f}", do="allow more bytes or more loss",
        )  # fmt: skip
    return best


class _Maker:
    """What all forms of one posterior share: samples, what it says of them, an order of points."""

    def __init__(self, posterior: Conditioned, seed: int) -> None:
        self.posterior = posterior
        rng = np.random.default_rng(seed)
        self.x = posterior.x
        dims = self.x.shape[1]
        self.theta = posterior.gp.split(posterior.theta, dims)[1]
        self.offset = offset(posterior.gp.kernel, self.theta, dims)
        drawn = draw_inputs(self.x, 2 * _SAMPLES, rng)
        self.samples = np.vstack([self.x, drawn[:_SAMPLES]])
        self.unseen = drawn[_SAMPLES:]
        self.told = posterior.predict(self.samples)
        self.told_unseen = posterior.predict(self.unseen)
        self.prior = posterior.prior_variance(self.samples)
        closeness = posterior.noise / self.told.variance_y
        self.weight = closeness / closeness.sum()
        self.copies = leaves(posterior.gp.kernel)
        limit = min(len(self.x), _RANKS[-1])
        self.order = pivots(posterior, self.x, limit, _RANK_LIMIT)

    def rows(self) -> list[list[Size]]:
        """Return sizes from small to large: with few points, and with all for the mean."""
        most = len(self.order)
        ranks = [*(rank for rank in _RANKS if rank < most), most]
        every = min(len(self.x), _MOST_POINTS)
        return [[(rank, rank) for rank in ranks], [(max(every, rank), rank) for rank in ranks]]

    def within(self, row: list[Size], max_bytes: int | None) -> list[Size]:
        """Return the sizes of a row that keep to the bytes."""
        if max_bytes is None:
            return row
        return [size for size in row if self.bytes(*size) + OVERHEAD <= max_bytes]

    def smallest(self, row: list[Size], limit: float) -> Compressed:
        """Return the first form of a row whose loss is within the limit, else the last."""
        low, high = 0, len(row) - 1
        best = self.make(*row[high])
        while low < high and best.loss <= limit:
            middle = (low + high) // 2
            made = self.make(*row[middle])
            if made.loss <= limit:
                high, best = middle, made
            else:
                low = middle + 1
        return best

    def bytes(self, points: int, rank: int) -> int:
        """Return what the constants of such a form take, at the most."""
        return 4 * (points * (self.copies * self.x.shape[1] + 2) + rank * (rank + 2) + 4)

    def make(self, points: int, rank: int) -> Compressed:
        """Return the form of these sizes."""
        posterior = self.posterior
        chosen = self.order[:rank]
        others = np.setdiff1d(np.arange(len(self.x)), chosen)[: points - rank]
        support = self.x[np.concatenate([chosen, others])]
        k = posterior.covariance(self.samples, support) - self.offset
        weight = np.sqrt(self.weight / self.weight.max())
        target = self.told.mean - posterior.mean_function(self.samples)
        mean_weights, mean_bias = _least_squares(k, target[:, None], weight)
        wanted = self._features(support[:rank])
        features, feature_bias = _least_squares(k[:, :rank], wanted, weight)
        phi = k[:, :rank] @ features + feature_bias
        rest, spread = self._spread(phi)
        basis, far = variance_terms(phi, self.prior, _DEAD_ZONE)
        plain = self.prior * (far + basis @ np.append(rest, spread))
        correction = self._correction(k + self.offset, plain)
        form = Form(
            gp=posterior.gp, theta=posterior.theta, support=support,
            mean_weights=mean_weights[:, 0], mean_bias=float(mean_bias[0]),
            features=features, feature_bias=feature_bias, spread=spread, rest=rest,
            dead_zone=_DEAD_ZONE, correction=correction,
            correction_bias=self.offset * float(correction.sum()),
        )  # fmt: skip
        told, made = self.told_unseen, form.predict(self.unseen)
        loss = divergence(told, made, posterior.noise / told.variance_y)
        _log.info(
            "%d points, %d features: %d bytes, loss %.4f", points, len(spread), form.bytes, loss
        )
        return Compressed(form, loss)

    def _features(self, support: Array) -> Array:
        """Return the eigen-features of the data over `support` at the samples, `[N, R]`.

        L^-1 k is a basis in which the prior is white (Nystrom); turned so that the data tell
        nothing of one direction by another, the posterior is diagonal: noise / (noise + lambda).
        """
        posterior = self.posterior
        gram = posterior.covariance(support, support)
        gram.flat[:: len(gram) + 1] += 1e-12 * np.trace(gram) / len(gram)
        lower = cholesky(gram, lower=True)
        white = solve_triangular(lower, posterior.covariance(support, self.samples), lower=True)
        own = white[:, : len(self.x)]
        values, vectors = eigh(own @ own.T)
        phi = (vectors.T @ white)[::-1].T
        shrink = posterior.noise / (posterior.noise + np.maximum(values[::-1], 0.0))
        share = (shrink * phi**2 / self.told.variance_y[:, None]).max(axis=0)
        kept: Array = phi[:, share > _NEGLIGIBLE]
        return kept

    def _spread(self, phi: Array) -> tuple[float, Array]:
        """Return g and c, each from 0 to 1: the posterior's variance as non-negative terms.

        They minimise the divergence, for which a variance that is too small costs more than one
        that is as much too large. The search begins at least squares of relative errors.
        """
        basis, far = variance_terms(phi, self.prior, _DEAD_ZONE)
        told, noise = self.told.variance_y, self.posterior.noise
        scale = self.prior / told
        target = self.told.variance_f / self.prior - far
        start = lsq_linear(basis * scale[:, None], target * scale, bounds=(0.0, 1.0)).x
        scaled = basis * self.prior[:, None]

        def loss(factors: Array) -> tuple[float, Array]:
            made = noise + self.prior * far + scaled @ factors
            slope = self.weight * (1.0 / made - told / made**2)
            return float(self.weight @ (np.log(made) + told / made)), scaled.T @ slope

        inside = np.clip(start, 1e-6, 1.0 - 1e-6)
        bounds = [(0.0, 1.0)] * len(start)
        found = minimize(loss, inside, jac=True, method="L-BFGS-B", bounds=bounds,
                         options={"maxiter": 200}).x  # fmt: skip
        return float(found[0]), found[1:]

    def _correction(self, k: Array, plain: Array) -> Array:
        """Return h: the divergence is convex in what the logarithm of the variance lacks."""
        told, noise = self.told.variance_y, self.posterior.noise
        design = k / self.prior.max()

        def loss(h: Array) -> tuple[float, Array]:
            lifted = plain * np.exp(np.clip(design @ h, -MAX_CORRECTION, MAX_CORRECTION))
            made = noise + lifted
            slope = self.weight * (1.0 / made - told / made**2) * lifted
            value = self.weight @ (np.log(made) + told / made) + 0.5 * _SMOOTHING * h @ h
            return float(value), design.T @ slope + _SMOOTHING * h

        start = np.zeros(k.shape[1])
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 60}).x
        correction: Array = found / self.prior.max()
        return correction


def _least_squares(k: Array, target: Array, weight: Array) -> tuple[Array, Array]:
    """Return weights and bias of k to the targets, with float32's rounding of k as the ridge."""
    design = np.column_stack([k, np.full(len(k), np.abs(k).max())]) * weight[:, None]
    u, values, vt = np.linalg.svd(design, full_matrices=False)
    noise = (_ROUNDING * np.abs(k).max()) ** 2 * len(k)
    shrunk = (values / (values**2 + noise))[:, None] * (u.T @ (target * weight[:, None]))
    solution = vt.T @ shrunk
    return solution[:-1], solution[-1] * np.abs(k).max()


def draw_inputs(x: Array, count: int, rng: np.random.Generator) -> Array:
    """Return inputs like `x`: between and a little beyond neighbours, and mixtures of rows.

    Half lie on lines through a row and one of its five nearest; in half some columns come from
    another row, and some are moved by a tenth of their standard deviation.
    """
    rows = rng.integers(0, len(x), count)
    scale = np.maximum(x.std(axis=0), 1e-12)
    _, near = cKDTree(x / scale).query(x[rows] / scale, k=min(6, len(x)))
    near = near.reshape(count, -1)
    partner = near[np.arange(count), rng.integers(0, near.shape[1], count)]
    between = x[rows] + rng.uniform(-0.5, 1.0, (count, 1)) * (x[partner] - x[rows])
    other = x[rng.integers(0, len(x), count)]
    mixed = np.where(rng.random(x[rows].shape) < 0.3, other, x[rows])
    moved = rng.random(mixed.shape) < 0.3
    mixed = mixed + 0.1 * scale * rng.standard_normal(mixed.shape) * moved
    drawn: Array = np.where((np.arange(count) % 2 == 0)[:, None], between, mixed)
    return drawn


def divergence(told: Prediction, made: Prediction, weight: Array) -> float:
    """Return the mean Kullback-Leibler divergence of `made` from `told`, for observations."""
    ratio = told.variance_y / made.variance_y
    error = (told.mean - made.mean) ** 2 / made.variance_y
    return float(np.average(0.5 * (ratio - 1.0 - np.log(ratio) + error), weights=weight))
