"""Signed ranks against scipy's distribution, a table, hand arithmetic and drawn differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from edgekit.profile.timing.ranks import centre, signed_rank_interval


def test_by_hand() -> None:
    """Walsh averages of 1, 2, 4: 1, 1.5, 2, 2.5, 3, 4."""
    values = np.array([4.0, 1.0, 2.0])
    assert centre(values) == 2.25
    assert signed_rank_interval(values, 0.75) == (1.0, 4.0)  # all but 2 of 8 patterns of signs
    assert signed_rank_interval(values, 0.5) == (1.5, 3.0)
    assert signed_rank_interval(values, 0.95) is None  # no three values know so much
    assert signed_rank_interval(values[:1], 0.95) is None
    assert signed_rank_interval(np.arange(6.0), 0.95) is None  # 93.75 or 96.875%


@pytest.mark.parametrize(("n", "k"), [(7, 3), (8, 5), (10, 9), (15, 26), (20, 53)])
def test_ends_are_those_of_the_table(n: int, k: int) -> None:
    """The k of the nearest to 95%, from the quantiles of W+ (Hollander and Wolfe, table A.4)."""
    differences = np.random.default_rng(n).standard_normal(n)
    first, second = np.triu_indices(n)
    averages = np.sort((differences[first] + differences[second]) / 2)
    assert signed_rank_interval(differences, 0.95) == (averages[k - 1], averages[-k])


@pytest.mark.parametrize("n", [7, 9, 14, 25])
def test_it_holds_what_wilcoxons_test_does_not_reject(n: int) -> None:
    differences = np.random.default_rng(n).standard_t(2, n)
    low, high = signed_rank_interval(differences, 0.95) or (0, 0)
    edge = 1e-6 * (high - low)

    def p(shift: float) -> float:
        return float(stats.wilcoxon(differences - shift, mode="exact").pvalue)

    for end, inside in ((low, low + edge), (high, high - edge)):
        outside = 2 * end - inside
        assert p(outside) < 0.0675
        assert p(outside) < p(inside)
        assert p(inside) > 0.04


@pytest.mark.parametrize("n", [7, 8, 10, 30])
@pytest.mark.parametrize("freedom", [1.5, 100])
def test_it_covers_as_often_as_it_says_whatever_the_tails(n: int, freedom: float) -> None:
    rng = np.random.default_rng(n)
    covered = 0
    for _ in range(2000):
        low, high = signed_rank_interval(rng.standard_t(freedom, n), 0.95) or (1, -1)
        covered += low <= 0 <= high
    assert 0.935 <= covered / 2000 <= 0.965


def test_one_slow_process_moves_it_little() -> None:
    differences = np.random.default_rng(0).normal(0, 0.01, 20)
    differences[7] = 5.0
    low, high = signed_rank_interval(differences, 0.95) or (0, 0)
    assert -0.02 < low < centre(differences) < high < 0.02
    student = stats.t.interval(0.95, 19, differences.mean(), stats.sem(differences))
    assert student[1] - student[0] > 0.9
