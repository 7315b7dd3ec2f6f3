"""Percentiles of run times, and intervals that mean what they say.

Run times are neither independent nor alike from one process to the next: the clock drifts, and
where the loader happens to put a buffer stays for the life of a process. So a benchmark starts
several processes (rounds), and what is taken as independent is a round's median, not a run
(Kalibera and Jones, "Rigorous Benchmarking in Reasonable Time", ISMM 2013). The interval is
Student's over the logarithms of those medians. With five rounds it covers the true median in 93 to
97 of 100 cases, whatever the correlation inside a round; bootstrapping the pooled runs covers it in
as few as 65, and bootstrapping five rounds in 89 to 100. Of two files that took turns the
differences are judged by their ranks, where there are seven or more.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.profile.timing.ranks import centre, signed_rank_interval

Samples = Sequence[float] | npt.NDArray[np.float64]
Interval = tuple[float, float]

CONFIDENCE = 0.95
BATCHES = 5  # that stand for rounds where there is only one
_RESAMPLES = 20_000  # of the bootstrap
P99_RUNS = 100  # below this the 99th percentile is only a name for the maximum


@dataclass(frozen=True)
class Summary:
    """Run times in the unit of the samples."""

    n: int  # runs
    rounds: int  # processes
    mean: float
    p50: float
    p90: float
    p99: float | None  # None below P99_RUNS runs
    interval: Interval | None  # of p50, CONFIDENCE; None below two groups of runs

    @property
    def spread(self) -> float | None:
        """Half the interval's width as a share of p50."""
        if self.interval is None:
            return None
        return (self.interval[1] - self.interval[0]) / 2 / self.p50


def summarize(rounds: Sequence[Samples]) -> Summary:
    """Return the percentiles of all runs (linear between neighbours) and the median's interval.

    Args:
        rounds: the run times of each process, all above 0.
    """
    pooled = np.concatenate([np.asarray(r, np.float64) for r in rounds])
    p50, p90, p99 = (float(p) for p in np.percentile(pooled, [50, 90, 99]))
    return Summary(
        n=len(pooled),
        rounds=len(rounds),
        mean=float(pooled.mean()),
        p50=p50,
        p90=p90,
        p99=p99 if len(pooled) >= P99_RUNS else None,
        interval=median_interval(rounds),
    )


def median_interval(rounds: Sequence[Samples], confidence: float = CONFIDENCE) -> Interval | None:
    """Return the interval of the median run time, from the spread between rounds.

    A single round is cut into BATCHES consecutive parts: that takes care of correlation between
    neighbours, and cannot see what differs from process to process.

    Returns:
        None where fewer than two groups of runs can be made: one run has no spread.
    """
    medians = log_medians(groups(rounds))
    if len(medians) < 2:
        return None
    error = float(medians.std(ddof=1)) / math.sqrt(len(medians))
    return _exp(float(medians.mean()), error * student(confidence, len(medians) - 1))


def ratio_interval(
    base: Sequence[Samples],
    new: Sequence[Samples],
    *,
    paired: bool = False,
    confidence: float = CONFIDENCE,
) -> Interval | None:
    """Return the interval of median(new) / median(base).

    Args:
        base: run times of each round.
        new: the same, of the other.
        paired: round i of both ran in turn, so that a drift of the machine cancels: by ranks from
            seven rounds on, Student's below. Where not, Welch's interval.
        confidence: nominal coverage.

    Returns:
        None where fewer than two groups of runs can be made of either.
    """
    if paired and 2 <= len(base) == len(new):
        return _paired(log_medians(new) - log_medians(base), confidence)
    old, fresh = log_medians(groups(base)), log_medians(groups(new))
    return _welch(old, fresh, confidence)


def controlled_ratio(
    base: Mapping[int, Samples],
    base_controls: Sequence[Mapping[int, Samples]],
    new: Mapping[int, Samples],
    new_controls: Sequence[Mapping[int, Samples]],
) -> tuple[float, Interval] | None:
    """Return the ratio new / base across two calls, and its interval, each beside its controls.

    Controls are files that did not change and took turns with the file in both calls. What is taken
    as independent is the logarithm of a round's median less that of its controls' (a difference in
    differences), and the interval is Welch's. A drift of the machine cancels as far as it slows all
    alike, as a lower clock does; caches that others use slow each file in its own way.

    Args:
        base: run times by turn.
        base_controls: the same of each control, in the same call.
        new: of the other call.
        new_controls: of the same files in that call.

    Returns:
        None where fewer than two turns of either call have all of them.
    """
    old, fresh = _beside(base, base_controls), _beside(new, new_controls)
    interval = _welch(old, fresh, CONFIDENCE)
    return interval and (math.exp(float(fresh.mean() - old.mean())), interval)


def _beside(
    runs: Mapping[int, Samples], controls: Sequence[Mapping[int, Samples]]
) -> npt.NDArray[np.float64]:
    """Return the log medians of the turns that all have, less the mean of the controls'."""
    turns = sorted(runs.keys() & set.intersection(*(set(c) for c in controls)))
    own, *others = (log_medians([each[t] for t in turns]) for each in (runs, *controls))
    beside: npt.NDArray[np.float64] = own - np.mean(others, axis=0)
    return beside


def _welch(
    old: npt.NDArray[np.float64], fresh: npt.NDArray[np.float64], confidence: float
) -> Interval | None:
    """Return Welch's interval of exp(mean(fresh) - mean(old))."""
    if min(len(old), len(fresh)) < 2:
        return None
    parts = [float(m.var(ddof=1)) / len(m) for m in (old, fresh)]
    variance = sum(parts)
    if variance == 0:
        return _exp(float(fresh.mean() - old.mean()), 0.0)
    freedoms = (len(old) - 1, len(fresh) - 1)
    freedom = variance**2 / sum(p**2 / f for p, f in zip(parts, freedoms, strict=True))
    margin = math.sqrt(variance) * student(confidence, freedom)
    return _exp(float(fresh.mean() - old.mean()), margin)


def turns_ratio(
    base: Mapping[int, Samples], new: Mapping[int, Samples]
) -> tuple[float, Interval] | None:
    """Return median(new) / median(base) and its interval, by turn in one call.

    Paired where at least two turns have both, and they are most of what there is: then the ratio is
    Hodges and Lehmann's. Else the geometric means', with Welch's interval.

    Returns:
        None where there is no interval: of a single run.
    """
    both = sorted(base.keys() & new.keys())
    if 2 * len(both) >= max(len(base), len(new), 4):
        difference = log_medians([new[t] for t in both]) - log_medians([base[t] for t in both])
        return math.exp(centre(difference)), _paired(difference, CONFIDENCE)
    interval = ratio_interval(list(base.values()), list(new.values()))
    return interval and (math.sqrt(interval[0] * interval[1]), interval)


def _paired(difference: npt.NDArray[np.float64], confidence: float) -> Interval:
    """Return the interval of exp(the centre of differences)."""
    if found := signed_rank_interval(difference, confidence):
        return math.exp(found[0]), math.exp(found[1])
    error = float(difference.std(ddof=1)) / math.sqrt(len(difference))
    return _exp(float(difference.mean()), error * student(confidence, len(difference) - 1))


def drop_interval(lost: int, gained: int, n: int) -> Interval:
    """Return the interval of the points of 100 lost, by the paired bootstrap over `n` examples.

    Drawing examples with replacement and counting which went over is one multinomial draw.

    Args:
        lost: examples that counted before and no longer do.
        gained: examples that count now and did not.
        n: all of them.
    """
    shares = np.array([lost, gained, n - lost - gained]) / n
    drawn = np.random.default_rng(0).multinomial(n, shares, _RESAMPLES)
    low, high = np.quantile(100 * (drawn[:, 0] - drawn[:, 1]) / n, [0.025, 0.975])
    return float(low), float(high)


def groups(rounds: Sequence[Samples]) -> list[npt.NDArray[np.float64]]:
    """Return what counts as independent: the rounds, or consecutive batches of the only one."""
    arrays = [np.asarray(r, np.float64) for r in rounds]
    if len(arrays) == 1:
        return [b for b in np.array_split(arrays[0], BATCHES) if len(b)]
    return arrays


def log_medians(rounds: Sequence[Samples]) -> npt.NDArray[np.float64]:
    """Return the logarithm of each round's median; ratios of times are then differences."""
    return np.log([np.median(np.asarray(r, np.float64)) for r in rounds])


@functools.cache
def student(confidence: float, freedom: float) -> float:
    """Return t with P(|T| < t) = `confidence` for Student's T, for a `freedom` of 1 or more.

    With t = sqrt(freedom) tan(angle) the density becomes cos(angle)^(freedom - 1), which is smooth
    and bounded, so a trapezoid sum over the angles is exact to better than 1e-6.
    """
    angles = np.linspace(0, np.pi / 2, 100_001)[:-1]
    density = np.cos(angles) ** (freedom - 1)
    within = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    # The last step, from the last angle to pi / 2, matters for a freedom of 1 alone.
    total = within[-1] + density[-1] / (2 if freedom > 1 else 1)
    return float(math.sqrt(freedom) * np.tan(np.interp(confidence * total, within, angles)))


def _exp(centre: float, margin: float) -> Interval:
    return math.exp(centre - margin), math.exp(centre + margin)
