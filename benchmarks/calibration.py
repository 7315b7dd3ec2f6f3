"""Fits a core's rates to published latencies, on relative error, and says how well by leaving out.

Every coefficient is bounded by physics (a share of the core's peak; positive bandwidth) and has a
prior, so that few points suffice: a Gaussian on the logit of each efficiency and on the log of each
bandwidth, around a level that they share, so that what a few networks say of one class moves the
others too. What is discrete, the SIMD width and the overlap, is chosen by the same penalised error,
inside each fold. The form was not chosen blindly: the shared level and the priors' widths came
after three variants over all cores, which moved the Pixel 1's left-out error between 2.47% and
2.54%.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from anchors import Point
from edgekit.profile.cost.work import CLASSES, COMPUTE, MOVE, columns, list_work
from edgekit.profile.prediction.cores import Rates
from edgekit.profile.prediction.roofline import op_times_ms

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
BANDWIDTHS = ("activations", "weights", "matrices")
# Prior means: shares of the peak, GB/s, microseconds.
EFFICIENCY = {"pointwise": 0.5, "conv": 0.35, "conv3x3": 0.35, "depthwise": 0.25,
              "fully_connected": 0.5}  # fmt: skip
GB_PER_S = (3.0, 3.0, 5.0)
OVERHEAD_US = 3.0
COEFFICIENTS = len(COMPUTE) + len(BANDWIDTHS)
# Standard deviations of the priors: e^0.7 = 2, e^1 = 2.7 either way; overhead, then the level.
SPREADS = np.array([0.7] * COEFFICIENTS + [1.0, 1.0])
OVERLAPS = (1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Setting:
    """What is known of a core and a runtime before any latency."""

    madds_per_cycle: float  # at best: SIMD lanes times pipes
    simd_widths: tuple[
        int, ...
    ]  # of the runtime's kernels; the fit chooses where there are several
    noise: float  # relative error that even the right coefficients would leave
    winograd: float = 1.0  # multiplications saved by 3x3 kernels, at most


@dataclass(frozen=True)
class Fit:
    """The rates at `clock_ghz` and how well they fit, penalty included."""

    rates: Rates
    clock_ghz: float
    cost: float


class Tables:
    """The points of one core as arrays, made once for each SIMD width."""

    def __init__(self, points: Sequence[Point]) -> None:
        self.points = tuple(points)
        works = {id(p.graph): list_work(p.graph) for p in points}
        self.works = [works[id(p.graph)] for p in points]
        self.ms = np.array([p.ms for p in points])
        self.rounding = np.array([p.rounding_ms / p.ms for p in points])
        self.clock_ghz = points[0].clock_ghz
        self.slowness = self.clock_ghz / np.array([p.clock_ghz for p in points])
        self.ops = np.array([len(w) for w in self.works])
        self._tables: dict[int, Array] = {}

    def table(self, simd_width: int) -> Array:
        """Return `[points, ops, 4]`, multiply-adds scaled to the reference clock."""
        if simd_width not in self._tables:
            made = np.zeros((len(self.works), int(self.ops.max()), 4))
            made[..., 0] = CLASSES.index(MOVE)
            for row, works in enumerate(self.works):
                made[row, : len(works)] = columns(works, simd_width)
            made[..., 1] *= self.slowness[:, None]
            self._tables[simd_width] = made
        return self._tables[simd_width]

    def predict(self, rates: Rates, rows: Indices) -> Array:
        """Return the latency in ms of some points."""
        whole = op_times_ms(self.table(rates.simd_width)[rows], rates)[2].sum(-1)
        overhead: Array = self.ops[rows] * self.slowness[rows] * rates.overhead_us / 1e3
        return np.asarray(whole + overhead)


def fit(tables: Tables, rows: Indices, setting: Setting) -> Fit:
    """Fit some points of a core; deterministic."""
    found = [
        _fit_coefficients(tables, rows, setting, width, overlap)
        for width, overlap in itertools.product(setting.simd_widths, OVERLAPS)
    ]
    return min(found, key=lambda f: f.cost)


def _fit_coefficients(
    tables: Tables, rows: Indices, setting: Setting, width: int, overlap: float
) -> Fit:
    shares = np.array([EFFICIENCY[name] for name in COMPUTE])
    start = np.r_[np.log(shares / (1 - shares)), np.log(GB_PER_S), np.log(OVERHEAD_US), 0]
    noise = np.hypot(setting.noise, tables.rounding[rows] / np.sqrt(3))
    target = np.log(tables.ms[rows])

    def residuals(theta: Array) -> Array:
        rates = _rates(theta, tables.clock_ghz, setting, width, overlap)
        error = (np.log(tables.predict(rates, rows)) - target) / noise
        penalised: Array = np.r_[error, (theta - start) / SPREADS]
        return penalised

    solved = least_squares(residuals, start, method="lm")
    rates = _rates(solved.x, tables.clock_ghz, setting, width, overlap)
    return Fit(rates, tables.clock_ghz, float(solved.cost))


def _rates(theta: Array, clock_ghz: float, setting: Setting, width: int, overlap: float) -> Rates:
    """Return the rates of logits, logs, and the level that they share."""
    moved = theta[:COEFFICIENTS] + theta[-1]
    shares = 1 / (1 + np.exp(-moved[: len(COMPUTE)]))
    efficiency = dict(zip(COMPUTE, shares.tolist(), strict=True))
    efficiency["conv3x3"] *= setting.winograd
    return Rates(
        peak_gmadds=clock_ghz * setting.madds_per_cycle,
        efficiency=efficiency,
        gb_per_s=dict(zip(BANDWIDTHS, np.exp(moved[len(COMPUTE) :]).tolist(), strict=True)),
        overhead_us=float(np.exp(theta[-2])),
        simd_width=width,
        overlap=overlap,
    )


def leave_out(tables: Tables, setting: Setting, group: Callable[[Point], object]) -> Array:
    """Return the log ratios predicted / published, each point fitted without its group.

    Args:
        tables: the points.
        setting: of the core.
        group: what is left out together, as the network or the device.
    """
    groups = np.array([str(group(p)) for p in tables.points])
    errors = np.zeros(len(groups))
    for name in dict.fromkeys(groups):
        out = np.flatnonzero(groups == name)
        found = fit(tables, np.flatnonzero(groups != name), setting)
        errors[out] = np.log(tables.predict(found.rates, out) / tables.ms[out])
    return errors


def leave_out_both(tables: Tables, setting: Setting) -> Array:
    """Return the log ratios, each point fitted without its device and without its network."""
    errors = np.zeros(len(tables.points))
    for row, point in enumerate(tables.points):
        rows = [
            other for other, p in enumerate(tables.points)
            if p.device != point.device and p.network != point.network
        ]  # fmt: skip
        found = fit(tables, np.array(rows), setting)
        errors[row] = np.log(tables.predict(found.rates, np.array([row])) / point.ms)[0]
    return errors
