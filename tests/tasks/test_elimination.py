"""The decoder against every conflict-free matrix there is, and on matrices too large for that."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edgekit.families.phylogeny.simulation import add_noise, coalescent
from edgekit.tasks.matrices.elimination import eliminate, log_odds
from edgekit.tasks.matrices.perfect import UNKNOWN, conflict_free, nll

RATES = (0.002, 0.1)


def test_best_of_all_4x3_matrices() -> None:
    every = np.array(list(itertools.product((0, 1), repeat=12)), np.uint8).reshape(-1, 4, 3)
    every = every[conflict_free(every)]
    rng = np.random.default_rng(0)
    values = (rng.random((200, 4, 3)) < 0.5).astype(np.uint8)
    found = nll(values, eliminate(log_odds(values, *RATES)), *RATES)
    best = np.array([nll(one, every, *RATES).min() for one in values])
    np.testing.assert_allclose(found, best)


@pytest.mark.parametrize("scores", ["none", "noise", "constant"])
def test_whatever_it_is_given_it_ends_conflict_free(scores: str) -> None:
    rng = np.random.default_rng(1)
    values = (rng.random((20, 15, 12)) < 0.5).astype(np.uint8)
    values[rng.random(values.shape) < 0.2] = UNKNOWN
    given = {
        "none": None,
        "noise": rng.normal(0, 9, values.shape),
        "constant": np.ones_like(values),
    }
    truth = eliminate(log_odds(values, *RATES), given[scores], kicks=2)
    assert conflict_free(truth).all()
    assert set(np.unique(truth)) <= {0, 1}


def test_a_matrix_without_conflict_stays() -> None:
    values = coalescent(30, 12, 9, np.random.default_rng(2))
    np.testing.assert_array_equal(eliminate(log_odds(values, *RATES), kicks=2), values)


def test_it_is_likelier_than_the_truth() -> None:
    rng = np.random.default_rng(3)
    truth = coalescent(20, 20, 20, rng)
    values = add_noise(truth, *RATES, 0.0, rng)
    found = eliminate(log_odds(values, *RATES), kicks=40)
    assert (nll(values, found, *RATES) <= nll(values, truth, *RATES) + 1e-6).all()


def test_padding_changes_nothing() -> None:
    rng = np.random.default_rng(4)
    values = add_noise(coalescent(5, 8, 6, rng), *RATES, 0.0, rng)
    weights = log_odds(values, *RATES)
    padded = np.pad(weights, ((0, 0), (0, 3), (0, 2)))
    alone, inside = eliminate(weights, kicks=99), eliminate(padded, kicks=99)[:, :8, :6]
    np.testing.assert_allclose(nll(values, alone, *RATES), nll(values, inside, *RATES))
