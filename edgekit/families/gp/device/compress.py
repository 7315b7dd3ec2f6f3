"""From a posterior to its device form, with a dial between size and accuracy.

Loss is in nats an observation: the Kullback-Leibler divergence of the form's prediction from the
posterior's, which is how much worse the form's negative log density (NLPD) is to be expected. It
is counted on inputs that the fit did not see.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, eigh, qr, solve_triangular

from edgekit.errors import InputError
from edgekit.families.gp.device.form import Conditioned, Form, copies, leaves, offset
from edgekit.families.gp.device.samples import draw_inputs
from edgekit.families.gp.device.variance import (
    LEAST,
    POWERS,
    Truth,
    Variance,
    fit_exponents,
    fit_kept,
    least_softness,
    left_alone,
    left_by_data,
    rounding,
    shares,
)
from edgekit.families.gp.inference.posterior import Prediction
from edgekit.families.gp.inference.sparse import pivots
from edgekit.families.gp.prior.kernel import Array, Kernel

MAX_LOSS = 0.01  # nats, unless told otherwise
_RANKS = (8, 12, 16, 24, 32, 40, 48, 56, 64, 72, 80, 96, 112, 128, 160, 192, 256, 384, 512)
_RANK_LIMIT = 1e-9  # of the prior variance: what is left below it is rounding
# Errors of a covariance in float32, of its largest: what they add up to in the mean, and in the
# features, whose squares nearly cancel and are summed from larger terms.
_MEAN_ROUNDING = 1.5e-7
_FEATURE_ROUNDING = 5e-7
_CAREFUL = 1.6e-5  # instead, where float32 would move a deviation of f by more than
_DEVIATION_ROUNDING = 1e-3
_NEGLIGIBLE = 1e-4  # of the variance of y: a feature that never adds as much is left out
_SAMPLES = 3000
_MOST_POINTS = 3000  # that the mean may rest on, whatever the budget
_log = logging.getLogger("edgekit")

Size = tuple[int, int]  # points, features
# What carries a form: all data and all they say; a few points for mean and variance alike; all data
# for the mean, and as many eigen-features of theirs as fit for the variance.
FORMS = ("exact", "inducing", "eigen")


@dataclass(frozen=True)
class Budget:
    """What a form may take and lose; None is not asked."""

    max_bytes: int | None = None  # of a float32 .tflite
    max_loss: float | None = None  # nats an observation
    form: str | None = None  # one of FORMS


@dataclass(frozen=True)
class Compressed:
    """A form and its expected loss in nats."""

    form: Form
    loss: float


def compress(
    posterior: Conditioned, budget: Budget = Budget(), *, seed: int = 0, warped: bool = False
) -> Compressed:
    """Return the smallest form within `budget.max_loss`, or the best within `budget.max_bytes`.

    `warped` says that the file bends answers back, which takes bytes.
    Of inducing and eigen forms the better is taken, unless the budget names one. Without a budget
    the loss may be 0.01 nats; with both, the smallest within the loss must keep to the bytes.

    Raises:
        InputError: no form keeps to the budget; the line says how near the best comes.
    """
    if budget.form not in (None, *FORMS):
        raise InputError("--form", got=budget.form, expected="one of " + ", ".join(FORMS))
    maker = _Maker(posterior, seed, budget.form, overhead(posterior.gp.kernel, warped=warped))
    limit = budget.max_loss
    if budget.max_bytes is None and limit is None:
        limit = MAX_LOSS
    within = (maker.within(row, budget.max_bytes) for row in maker.rows())
    rows = [row for row in within if row]
    if not rows:
        raise InputError(
            f"--max-bytes {budget.max_bytes}: no form is as small",
            expected=f"{maker.bytes(*maker.rows()[0][0])} or more",
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


def overhead(kernel: Kernel, *, warped: bool = False) -> int:
    """Return the bytes of a .tflite beside its constants: ops, names, metadata; a little more."""
    return 9_500 + 4_000 * len(leaves(kernel)) + (4_200 if warped else 0)


class _Maker:
    """What all forms of one posterior share: samples, what it says of them, an order of points."""

    def __init__(self, posterior: Conditioned, seed: int, form: str | None, overhead: int) -> None:
        self.posterior = posterior
        self.form = form
        self.overhead = overhead
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
        prior = posterior.prior_variance(self.samples)
        self.unit = float(prior.max())
        closeness = posterior.noise / self.told.variance_y
        self.root_weight = np.sqrt(closeness / closeness.max())
        self.truth = Truth(
            self.told.variance_y / self.unit, prior / self.unit, posterior.noise / self.unit,
            closeness / closeness.sum(),
        )  # fmt: skip
        self.constant = bool(np.isclose(self.offset, prior).all())
        self.copies = copies(posterior.gp.kernel)
        limit = len(self.x) if form == "exact" else min(len(self.x), _RANKS[-1])
        pivotal = pivots(posterior, self.x, limit, _RANK_LIMIT)
        self.most = len(pivotal)
        order = np.append(pivotal, np.setdiff1d(np.arange(len(self.x)), pivotal))
        # As a device holds them: what is fitted over them knows the rounding.
        self.points = self.x[order].astype(np.float32).astype(np.float64)
        self._means: dict[int, tuple[Array, Array, float]] = {}

    def rows(self) -> list[list[Size]]:
        """Return the sizes of each form that is allowed, from small to large."""
        ranks = [*(rank for rank in _RANKS if rank < self.most), self.most]
        every = min(len(self.x), _MOST_POINTS)
        rows = {
            "exact": [(len(self.x), self.most)],
            "inducing": [(rank, rank) for rank in ranks],
            "eigen": [(max(every, rank), rank) for rank in ranks],
        }
        return [rows[self.form]] if self.form else [rows["inducing"], rows["eigen"]]

    def within(self, row: list[Size], max_bytes: int | None) -> list[Size]:
        """Return the sizes of a row that keep to the bytes."""
        if max_bytes is None:
            return row
        return [size for size in row if self.bytes(*size) <= max_bytes]

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
        """Return what the file of such a form takes, at the most."""
        floats = points * (self.copies * self.x.shape[1] + 1) + rank * (rank + 2) + 8
        return 4 * floats + self.overhead

    def make(self, points: int, rank: int) -> Compressed:
        """Return the form of these sizes."""
        posterior = self.posterior
        support = self.points[:points]
        k, mean_weights, mean_bias = self._mean(points)
        form = Form(
            gp=posterior.gp, theta=posterior.theta, unit=self.unit, support=support,
            mean_weights=mean_weights, mean_bias=mean_bias,
            variance=self._variance(k, support[:rank]),
        )  # fmt: skip
        told, made = self.told_unseen, form.predict(self.unseen)
        loss = divergence(told, made, posterior.noise / told.variance_y)
        _log.info(
            "%d points, %d features: %d bytes, loss %.4f",
            points, len(form.variance.kept), form.bytes, loss,
        )  # fmt: skip
        return Compressed(form, loss)

    def _mean(self, points: int) -> tuple[Array, Array, float]:
        """Return the covariances with so many points, and weights and bias of the mean."""
        if points not in self._means:
            posterior = self.posterior
            k = posterior.covariance(self.samples, self.points[:points])
            k = (k - self.offset) / self.unit
            target = self.told.mean - posterior.mean_function(self.samples)
            weights, bias = _least_squares(k, target[:, None], self.root_weight, _MEAN_ROUNDING)
            self._means[points] = k, weights[:, 0], float(bias[0])
        return self._means[points]

    def _variance(self, k: Array, support: Array) -> Variance:
        """Return the variance over covariances `k` with all points, of which `support` leads.

        Of two the more faithful, unless float32 would show in the deviation of f; in that of y the
        noise hides it.
        """
        known = self._fit_variance(k, support, _FEATURE_ROUNDING, self.truth.noise)
        if self.form == "exact" or rounding(known, k, self.truth.prior) <= _DEVIATION_ROUNDING:
            return known
        return self._fit_variance(k, support, _CAREFUL, 0.0)

    def _fit_variance(self, k: Array, support: Array, ridge: float, noise: float) -> Variance:
        """Return the variance with a ridge on the features, safe where this noise is added."""
        wanted, known = self._features(support)
        wanted[:, 0] = 1.0 - wanted[:, 0]
        features, bias = _least_squares(k[:, : len(support)], wanted, self.root_weight, ridge)
        features = features.astype(np.float32).astype(np.float64)  # what follows knows the rounding
        squares, left = shares(k[:, : len(support)] @ features + bias, self.truth.prior)
        if self.form == "exact":
            alone = np.zeros(len(POWERS) + 1 if self.constant else 0)
            return Variance(features, bias, known, least_softness(noise), np.append(1.0, alone))
        kept, softness = fit_kept(self.truth, squares, left, least_softness(noise))
        logs = np.log(left_by_data(squares, left, kept, softness))[:, None]
        if not self.constant:
            return Variance(features, bias, kept, softness, np.ones(1))
        logs = np.hstack([logs, left_alone(k, self.truth.noise)])
        exponents = fit_exponents(self.truth, logs)
        return Variance(features, bias, kept, softness, exponents)

    def _features(self, support: Array) -> tuple[Array, Array]:
        """Return the eigen-features of the data over `support` at the samples, and what they leave.

        The features, `[N, R]`, are in units of the prior's deviation; of the variance of each the
        data leave a share, `[R]`, from 0 to 1.

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
        share[0] = np.inf  # the first is always there, and above 0 where the data are
        first = np.sign(np.average(phi[:, 0], weights=self.truth.weight)) or 1.0
        counts = share > (0.0 if self.form == "exact" else _NEGLIGIBLE)
        return phi[:, counts] * first / np.sqrt(self.unit), np.maximum(shrink[counts], LEAST)


def _least_squares(
    k: Array, target: Array, root_weight: Array, rounding: float
) -> tuple[Array, Array]:
    """Return weights and bias of k to the targets, with float32's rounding of k as the ridge."""
    largest = np.abs(k).max()
    design = np.column_stack([k, np.full(len(k), largest)]) * root_weight[:, None]
    ridge = rounding * largest * np.sqrt(len(k)) * np.eye(design.shape[1])
    q, r = qr(np.vstack([design, ridge]), mode="economic", overwrite_a=True, check_finite=False)
    solution = solve_triangular(r, q[: len(k)].T @ (target * root_weight[:, None]))
    return solution[:-1], solution[-1] * largest


def divergence(told: Prediction, made: Prediction, weight: Array) -> float:
    """Return the mean Kullback-Leibler divergence of `made` from `told`, for observations."""
    ratio = told.variance_y / made.variance_y
    error = (told.mean - made.mean) ** 2 / made.variance_y
    return float(np.average(0.5 * (ratio - 1.0 - np.log(ratio) + error), weights=weight))
