"""The networks: what they must not see, and what the exact one must."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tf_keras")

from edgekit.families.phylogeny import FAMILY, Config
from edgekit.families.phylogeny.data import TrainingData, simulate
from edgekit.families.phylogeny.network import build
from edgekit.tasks.matrices.perfect import UNKNOWN, conflict_free, conflicts
from edgekit.tasks.phylogeny import signed

SMALL = Config(rows=9, columns=6, channels=8, blocks=2)
INVARIANT = [
    SMALL,
    replace(SMALL, problem="noise"),
    replace(SMALL, problem="elimination"),
]


def matrices(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.choice(np.array([-1, 0, 1], np.float32), (count, 9, 6), p=[0.6, 0.1, 0.3])


@pytest.mark.parametrize("config", INVARIANT, ids=lambda c: c.problem)
def test_the_order_of_rows_and_columns_does_not_matter(config: Config) -> None:
    rng = np.random.default_rng(1)
    network, x = build(config), matrices(5)
    rows, columns = rng.permutation(9), rng.permutation(6)
    one, other = network(x), network(x[:, rows][:, :, columns])
    for name, value in one.items():
        expected = value.numpy()
        if name == "scores":
            expected = expected[:, rows][:, :, columns]
        if name == "pairs":
            expected = expected[:, columns][:, :, columns]
        np.testing.assert_allclose(other[name], expected, rtol=1e-4, atol=1e-5)
        assert np.ptp(expected) > 0


@pytest.mark.parametrize("config", INVARIANT, ids=lambda c: c.problem)
def test_a_larger_tensor_with_the_same_weights_answers_alike(config: Config) -> None:
    network, x = build(config), matrices(5)
    wide = build(replace(config, rows=14, columns=11))
    wide.set_weights(network.get_weights())
    one, other = network(x), wide(np.pad(x, ((0, 0), (0, 5), (0, 5))))
    for name, value in one.items():
        found = other[name].numpy()
        found = found[:, :9, :6] if name == "scores" else found
        found = found[:, :6, :6] if name == "pairs" else found
        np.testing.assert_allclose(found, value, rtol=1e-4, atol=1e-5)


def test_every_cell_twice_branches_no_more() -> None:
    network, x = build(SMALL), matrices(5)
    wide = build(replace(SMALL, rows=18))
    wide.set_weights(network.get_weights())
    np.testing.assert_allclose(wide(np.repeat(x, 2, axis=1))["branching"], network(x)["branching"],
                               rtol=1e-4)  # fmt: skip


def test_the_exact_graph_is_the_exact_test() -> None:
    rng = np.random.default_rng(2)
    values = (rng.random((2000, 9, 6)) < rng.uniform(0.1, 0.6, (2000, 1, 1))).astype(np.uint8)
    values[rng.random(values.shape) < 0.1] = UNKNOWN
    found = build(replace(SMALL, problem="noise", network="exact"))(signed(values).astype(float))
    np.testing.assert_array_equal(found["pairs"].numpy() > 0.5, conflicts(values))
    expected = ~conflict_free(values)
    np.testing.assert_array_equal(found["conflict"].numpy()[:, 0] > 0.5, expected)
    assert 0.1 < expected.mean() < 0.9


@pytest.mark.parametrize("problem", ["branching", "noise"])
def test_simulated_classes_are_balanced_and_mixed(problem: str) -> None:
    config = replace(SMALL, problem=problem, rows=10, columns=10, alpha=0.002, beta=0.1)
    drawn = simulate(config, 400, np.random.default_rng(3))
    assert drawn.targets.sum() == 200
    assert 60 < drawn.targets[:200].sum() < 140
    if problem == "noise":
        values = np.where(drawn.seen > 0, 1, 0)
        np.testing.assert_array_equal(~conflict_free(values), drawn.targets > 0)


@pytest.mark.parametrize("problem", ["branching", "elimination"])
def test_a_resumed_epoch_goes_on_with_the_same_matrices(problem: str) -> None:
    """And, for the pointer network, with the same noise."""
    from edgekit.families.phylogeny.policy import Orders
    from edgekit.train import Shard

    drawn = TrainingData(replace(SMALL, problem=problem, matrices=64), 16, seed=5)
    data = Orders(drawn) if problem == "elimination" else drawn
    whole = list(data.batches(2, 0, Shard()).as_numpy_iterator())
    rest = list(data.batches(2, 3, Shard()).as_numpy_iterator())
    assert (len(whole), len(rest)) == (4, 1)
    other = next(iter(data.batches(3, 3, Shard()).as_numpy_iterator()))
    for one, same, new in zip(_flat(whole[3]), _flat(rest[0]), _flat(other), strict=True):
        np.testing.assert_array_equal(one, same)
        assert problem == "branching" or (one != new).any()


def _flat(batch: Any) -> list[np.ndarray]:
    import tensorflow as tf

    return tf.nest.flatten(batch)


def test_varied_matrices_stay_within_what_is_declared() -> None:
    config = Config(
        "elimination", rows=30, columns=12, alpha=0.01, beta=0.2, missing=0.2, vary=True
    )
    drawn = simulate(config, 200, np.random.default_rng(4))
    assert drawn.seen.shape == drawn.targets.shape == (200, 30, 12)
    sizes = (drawn.targets != 0).any(axis=2).sum(axis=1)
    assert sizes.min() < 15
    assert sizes.max() > 20
    assert (drawn.seen[drawn.targets == 0] == 0).all()


def test_presets_state_their_counts() -> None:
    for name, preset in FAMILY.presets.items():
        assert build(preset.config).count_params() == preset.params, name
