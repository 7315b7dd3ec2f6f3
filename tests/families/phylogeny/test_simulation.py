"""Matrices of the coalescent against its theory, and classes against their exact tests."""

from __future__ import annotations

import numpy as np

from edgekit.families.phylogeny.simulation import (
    add_noise,
    clonal,
    coalescent,
    conflicting,
    pairs,
)
from edgekit.tasks.matrices.perfect import UNKNOWN, conflict_free, linear


def test_frequencies_follow_the_site_frequency_spectrum() -> None:
    """A mutation is carried by i of n samples with probability 1/i / sum_k 1/k (Fu 1995)."""
    rows = 10
    drawn = coalescent(20_000, rows, 5, np.random.default_rng(0))
    carried = drawn.sum(axis=1, dtype=int).ravel()
    # Over trees of fixed length; with a fixed number of mutations the first share is a little less.
    shares = np.bincount(carried, minlength=rows + 1)[1:rows] / carried.size
    assert carried.min() >= 1
    assert carried.max() < rows
    assert (np.diff(shares[:6]) < 0).all()
    assert abs(drawn.mean() - 0.300) < 0.006  # as msprime's (facts; benchmarks compare in full)


def test_samples_and_mutations_are_exchangeable() -> None:
    drawn = coalescent(20_000, 8, 6, np.random.default_rng(1)).astype(float)
    for axes in ((0, 2), (0, 1)):
        assert np.ptp(drawn.mean(axis=axes)) < 0.02


def test_every_matrix_is_a_tree_and_seeds_repeat() -> None:
    drawn = coalescent(500, 25, 25, np.random.default_rng(2))
    assert conflict_free(drawn).all()
    again = coalescent(500, 25, 25, np.random.default_rng(2))
    np.testing.assert_array_equal(drawn, again)


def test_two_samples_have_singletons() -> None:
    assert coalescent(50, 2, 3, np.random.default_rng(3)).sum(axis=1).tolist() == [[1] * 3] * 50


def test_clones_are_trees_with_more_ones() -> None:
    drawn = clonal(2000, 25, 12, np.random.default_rng(8))
    assert conflict_free(drawn).all()
    assert 0.1 < linear(drawn).mean() < 0.9
    coalesced = coalescent(2000, 25, 12, np.random.default_rng(8))
    assert drawn.mean(axis=(1, 2)).std() > 1.5 * coalesced.mean(axis=(1, 2)).std()
    assert np.ptp(drawn.mean(axis=(0, 2))) < 0.05  # cells are alike


def test_classes_differ_but_not_in_their_column_sums() -> None:
    branched, chained = pairs(500, 10, 8, np.random.default_rng(4))
    assert not linear(branched).any()
    assert linear(chained).all()
    assert conflict_free(branched).all()
    assert conflict_free(chained).all()
    np.testing.assert_array_equal(branched.sum(axis=1), chained.sum(axis=1))


def test_chains_have_no_preferred_sample() -> None:
    _, chained = pairs(20_000, 6, 5, np.random.default_rng(5))
    assert np.ptp(chained.mean(axis=(0, 2))) < 0.02


def test_noise_has_its_rates() -> None:
    rng = np.random.default_rng(6)
    truth = np.repeat(np.array([[[0, 1]]], np.uint8), 100_000, axis=1)
    seen = add_noise(truth, 0.02, 0.1, 0.25, rng)[0]
    known = seen != UNKNOWN
    assert abs(known.mean() - 0.75) < 0.005
    assert abs((seen[:, 0] == 1)[known[:, 0]].mean() - 0.02) < 0.003
    assert abs((seen[:, 1] == 0)[known[:, 1]].mean() - 0.1) < 0.005


def test_noise_until_there_is_a_conflict() -> None:
    rng = np.random.default_rng(7)
    assert not conflict_free(conflicting(300, 10, 10, 0.002, 0.1, rng)).any()
