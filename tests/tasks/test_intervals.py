"""Intervals beside SciPy's, by hand, and as often right as they say."""

import numpy as np
import pytest
import scipy.stats

from edgekit.tasks import intervals

RNG = np.random.default_rng(7)


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (1, 10), (5, 10), (349, 360), (10, 10), (1, 1)])
def test_interval_is_wilsons(hits: int, n: int) -> None:
    expected = scipy.stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert intervals.wilson_interval(hits, n) == pytest.approx(tuple(expected), abs=1e-12)


def test_the_interval_of_an_area_is_delongs() -> None:
    """By hand: true 3, 1 and false 2, 0: areas of 1, 1/2 and of 1/2, 1; variances 1/8 each."""
    values, truths = np.array([3.0, 1.0, 2.0, 0.0]), np.array([1, 1, 0, 0])
    assert intervals.area_under_curve(values, truths) == 0.75
    reach = 1.959963984540054 * (0.125 / 2 + 0.125 / 2) ** 0.5
    assert intervals.area_interval(values, truths) == pytest.approx((0.75 - reach, 1.0))


def test_the_interval_of_an_area_holds_the_truth() -> None:
    """Two normal distributions one deviation apart have an area of Phi(1 / sqrt 2)."""
    area = scipy.stats.norm.cdf(1 / np.sqrt(2))
    inside = 0
    for _ in range(400):
        values = np.concatenate([RNG.normal(1, 1, 60), RNG.normal(0, 1, 90)])
        low, high = intervals.area_interval(values, np.arange(150) < 60)
        inside += low <= area <= high
    assert 0.91 <= inside / 400 <= 0.98


def test_the_bootstrap_of_a_mean_is_scipys() -> None:
    values = RNG.exponential(size=300)
    expected = scipy.stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=9999, rng=np.random.default_rng(1)
    ).confidence_interval
    assert intervals.bootstrap_mean(values) == pytest.approx(tuple(expected), abs=0.02)
