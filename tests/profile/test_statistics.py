"""Intervals against scipy's distributions and against what is true of drawn samples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal, stats

from edgekit.profile.timing.statistics import (
    controlled_ratio,
    drop_interval,
    median_interval,
    ratio_interval,
    student,
    summarize,
)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("freedom", [1, 2, 3.7, 4, 30, 1000])
def test_student_is_scipys(confidence: float, freedom: float) -> None:
    expected = stats.t.ppf((1 + confidence) / 2, freedom)
    assert student(confidence, freedom) == pytest.approx(expected, rel=1e-6)


def test_median_interval_is_students_over_the_log_medians() -> None:
    rounds = [[1.0, 2.0, 9.0], [2.2, 2.1, 0.1], [1.9, 1.9, 1.9]]
    logs = np.log([2.0, 2.1, 1.9])
    expected = stats.t.interval(0.95, 2, logs.mean(), stats.sem(logs))
    assert median_interval(rounds) == pytest.approx(np.exp(expected))


def test_unpaired_ratio_is_welchs() -> None:
    base, new = [[1.0], [1.1], [1.05]], [[2.0], [2.5], [2.2], [2.1]]
    a, b = np.log(np.ravel(base)), np.log(np.ravel(new))
    expected = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    assert ratio_interval(base, new) == pytest.approx(np.exp([expected.low, expected.high]))


def test_paired_ratio_is_students_over_the_differences() -> None:
    base, new = [[1.0], [2.0], [4.0]], [[1.1], [2.3], [4.3]]
    difference = np.log(np.ravel(new)) - np.log(np.ravel(base))
    expected = stats.t.interval(0.95, 2, difference.mean(), stats.sem(difference))
    got = ratio_interval(base, new, paired=True)
    assert got == pytest.approx(np.exp(expected))
    unpaired = ratio_interval(base, new)
    assert got is not None
    assert unpaired is not None
    assert got[1] - got[0] < (unpaired[1] - unpaired[0]) / 10


def test_summary_by_hand() -> None:
    summary = summarize([[4.0, 1.0, 3.0], [2.0, 5.0]])
    assert (summary.n, summary.rounds, summary.mean, summary.p50) == (5, 2, 3.0, 3.0)
    assert summary.p90 == pytest.approx(4.6)
    assert summary.p99 is None  # five runs have no 99th percentile
    assert summarize([np.arange(1.0, 102.0)]).p99 == pytest.approx(100.0)


def test_a_paired_drop_is_scipys_bootstrap() -> None:
    lost, gained, n = 12, 4, 200
    differences = np.array([1.0] * lost + [-1.0] * gained + [0.0] * (n - lost - gained))
    theirs = stats.bootstrap(
        (100 * differences,), np.mean, method="percentile", n_resamples=20_000, random_state=1
    ).confidence_interval
    assert drop_interval(lost, gained, n) == pytest.approx(tuple(theirs), abs=0.25)
    assert drop_interval(0, 0, 10) == (0.0, 0.0)


def test_one_run_has_no_interval() -> None:
    summary = summarize([[1.0]])
    assert summary.interval is None
    assert summary.spread is None
    assert ratio_interval([[1.0]], [[1.0], [1.0]]) is None


def test_equal_rounds_have_a_point() -> None:
    assert ratio_interval([[2.0], [2.0]], [[3.0], [3.0]]) == pytest.approx((1.5, 1.5))


def draw(rng: np.random.Generator, n: int, correlation: float, process: float) -> np.ndarray:
    """Draw skewed run times of one process: AR(1), median exp(0.05) times the process's factor."""
    noise = rng.standard_normal(n + 100)
    noise = signal.lfilter([1], [1, -correlation], noise)[100:] * np.sqrt(1 - correlation**2)
    return np.exp(0.05 * np.exp(noise) + process * rng.standard_normal())


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("process", [0.0, 0.02])
def test_rounds_cover_93_to_97(correlation: float, process: float) -> None:
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(2000):
        rounds = [draw(rng, 60, correlation, process) for _ in range(5)]
        low, high = median_interval(rounds) or (0, 0)
        covered += low <= np.exp(0.05) <= high
    assert 0.93 <= covered / 2000 <= 0.97


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_one_long_round_covers_93_to_97(correlation: float) -> None:
    rng = np.random.default_rng(8)
    covered = 0
    for _ in range(2000):
        low, high = median_interval([draw(rng, 600, correlation, 0.0)]) or (0, 0)
        covered += low <= np.exp(0.05) <= high
    assert 0.93 <= covered / 2000 <= 0.97


@pytest.mark.parametrize("paired", [False, True])
def test_a_a_ratios_cover_93_to_97(paired: bool) -> None:
    rng = np.random.default_rng(9)
    covered = 0
    for _ in range(2000):
        base = [draw(rng, 40, 0.5, 0.01) for _ in range(5)]
        new = [draw(rng, 40, 0.5, 0.01) for _ in range(5)]
        low, high = ratio_interval(base, new, paired=paired) or (0, 0)
        covered += low <= 1 <= high
    assert 0.93 <= covered / 2000 <= 0.97


def test_pairing_cancels_a_drift() -> None:
    rng = np.random.default_rng(10)
    drift = np.exp(0.3 * rng.standard_normal(5))
    base = [d * draw(rng, 40, 0.0, 0.0) for d in drift]
    new = [1.1 * d * draw(rng, 40, 0.0, 0.0) for d in drift]
    low, high = ratio_interval(base, new, paired=True) or (0, 0)
    assert 1.05 < low <= 1.1 <= high < 1.15


def test_bootstrapping_pooled_runs_would_not_cover() -> None:
    """Why this module does what it does: a bootstrap of pooled runs cannot see processes."""
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(300):
        pooled = np.concatenate([draw(rng, 60, 0.5, 0.02) for _ in range(5)])
        medians = np.median(rng.choice(pooled, (200, len(pooled))), axis=1)
        low, high = np.quantile(medians, [0.025, 0.975])
        covered += low <= np.exp(0.05) <= high
    assert covered / 300 < 0.8


def test_a_control_by_hand() -> None:
    """Twice as slow a machine, and a file that became 1.5 times slower beside its controls."""
    base, control = {0: [1.0], 1: [1.1], 2: [1.3]}, {0: [2.0], 1: [2.0], 2: [2.0]}
    new, same = {0: [3.0], 1: [3.3], 3: [9.0]}, {0: [4.0], 1: [4.0]}
    old, fresh = np.log([0.5, 0.55, 0.65]), np.log([0.75, 0.825])
    expected = stats.ttest_ind(fresh, old, equal_var=False).confidence_interval(0.95)
    ratio, interval = controlled_ratio(base, [control], new, [same]) or (0, (0, 0))
    assert ratio == pytest.approx(np.exp(fresh.mean() - old.mean()))
    assert interval == pytest.approx(np.exp([expected.low, expected.high]))
    assert controlled_ratio(base, [control], {0: [1.0]}, [same]) is None


def test_intervals_across_calls_cover_beside_a_control() -> None:
    """A drift of 20% from call to call and 3% from turn to turn; without a control most miss."""
    rng = np.random.default_rng(12)
    beside = alone = 0
    for _ in range(2000):
        calls = []
        for _ in range(2):
            drift = np.exp(0.2 * rng.standard_normal() + 0.03 * rng.standard_normal(5))
            files = [
                {t: d * draw(rng, 40, 0.5, 0.01) for t, d in enumerate(drift)} for _ in range(2)
            ]
            calls.append(files)
        (base, control), (new, same) = calls
        found = controlled_ratio(base, [control], new, [same])
        low, high = found[1] if found else (0, 0)
        beside += low <= 1 <= high
        low, high = ratio_interval(list(base.values()), list(new.values())) or (0, 0)
        alone += low <= 1 <= high
    assert 0.93 <= beside / 2000 <= 0.97
    assert alone / 2000 < 0.5
