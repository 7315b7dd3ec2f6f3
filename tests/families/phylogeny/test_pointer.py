"""The pointer network: a reward that depends on what it points at, and what it reads."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tf_keras")

from edgekit.export.conversion import Plan, convert
from edgekit.families.phylogeny import FAMILY, Config
from edgekit.families.phylogeny.network import build
from edgekit.families.phylogeny.pointer import (
    CERTAIN,
    GAMMA,
    Rows,
    actor_and_critic,
    conflict_cost,
    policy_gradient,
)
from edgekit.families.phylogeny.policy import best_of_orders
from edgekit.families.rebuild import rebuild
from edgekit.families.run import Run, open_run
from edgekit.quantize.scheme import parse_scheme
from edgekit.sources.run import load
from edgekit.train import Options

SMALL = Config("elimination", "pointer", rows=4, columns=3, channels=16, flips=3, alpha=0.002,
               beta=0.1, matrices=64)  # fmt: skip
MATRIX = np.array([[[1, 1, -1], [1, -1, -1], [-1, 1, -1], [-1, -1, 0]]], np.float32)


def pointed_at(*entries: int) -> np.ndarray:
    """Return noise that makes an order certain."""
    noise = np.zeros((1, SMALL.flips, SMALL.rows * SMALL.columns), np.float32)
    for step, entry in enumerate(entries):
        noise[0, step, entry] = 1000.0
    return noise


@pytest.fixture(scope="module")
def trained() -> Any:
    return actor_and_critic(build(SMALL), SMALL)


def test_conflicts_are_counted_over_ordered_pairs() -> None:
    assert float(conflict_cost(MATRIX)[0]) == 2.0  # 1 x 1 x 1, both ways
    twice = np.concatenate([MATRIX, MATRIX], axis=1)
    assert float(conflict_cost(twice)[0]) == 16.0  # 2 x 2 x 2, both ways


def test_the_reward_is_not_constant(trained: Any) -> None:
    """Flips that mend, flips that cost more, and flips that mend nothing."""

    def cost_of(*entries: int) -> float:
        return float(trained([MATRIX, pointed_at(*entries)])["cost"][0])

    added = GAMMA * math.log((1 - 0.002) / 0.1)
    taken = GAMMA * math.log((1 - 0.1) / 0.002)
    assert cost_of(7, 2, 5) == pytest.approx(taken, rel=1e-5)  # third row: 01 becomes 00
    assert cost_of(4, 2, 5) == pytest.approx(added, rel=1e-5)  # second row: 10 becomes 11
    assert cost_of(2, 4, 5) == pytest.approx(2 * added, rel=1e-5)  # the prefix counts
    assert cost_of(9, 10, 2) == pytest.approx(2.0)  # the empty one is the best


def test_what_is_not_there_is_not_pointed_at(trained: Any) -> None:
    """The unknown entry, however much the noise is for it; nor an entry twice."""
    found = trained([MATRIX, pointed_at(11, 11, 11)])
    assert float(found["log_probability"][0]) > -100
    found = trained([MATRIX, pointed_at(4, 4, 4)])
    assert float(found["cost"][0]) == pytest.approx(GAMMA * math.log((1 - 0.002) / 0.1), rel=1e-5)


def test_a_row_holds_location_rate_and_state() -> None:
    rows = Rows(SMALL)(MATRIX).numpy()[0]
    np.testing.assert_allclose(rows[4], [1 / 4, 1 / 3, 0.1, 0], rtol=1e-6)  # a 0: beta
    np.testing.assert_allclose(rows[3], [1 / 4, 0, 0.002, 1], rtol=1e-6)  # a 1: alpha
    np.testing.assert_allclose(rows[11], [3 / 4, 2 / 3, 0, 0], rtol=1e-6)


def test_the_loss_makes_cheaper_orders_likelier() -> None:
    import tensorflow as tf

    logits = tf.Variable([0.0, 0.0])
    with tf.GradientTape() as tape:
        chosen = tf.nn.log_softmax(logits)
        outputs = {"cost": tf.constant([1.0, 3.0]), "log_probability": chosen,
                   "value": tf.constant([[2.0], [2.0]])}  # fmt: skip
        loss = tf.reduce_mean(policy_gradient(None, outputs))
    gradient = tape.gradient(loss, logits).numpy()
    assert gradient[0] < 0 < gradient[1]


def test_the_best_of_many_orders_is_the_best_that_there_is() -> None:
    """One 0 taken for a 1; an untrained network finds it among 300 orders."""
    network = build(SMALL)
    found, cost = best_of_orders(network, MATRIX.astype(np.int8), orders=300)
    assert float(cost[0]) == pytest.approx(GAMMA * math.log((1 - 0.002) / 0.1), rel=1e-5)
    changed = np.argwhere(found[0] != (MATRIX[0] > 0)).tolist()
    assert changed in ([[1, 1]], [[2, 0]])  # either ends the conflict of columns 1 and 2
    few, dear = best_of_orders(network, MATRIX.astype(np.int8), orders=1)
    assert few.shape == found.shape
    assert dear[0] >= cost[0]


def test_it_trains_and_comes_back(tmp_path: Path) -> None:
    options = Options(epochs=1, batch_size=32, learning_rate=1e-3)
    run = FAMILY.fit(
        Run(tmp_path / "run", FAMILY.name, replace(SMALL, flips=1), options, "simulation")
    )
    assert set(run.test["float"]) == {"cost", "conflict-free"}
    plan = Plan(tuple(map(parse_scheme, ("f32", "w8a8"))), ("tflite", "onnx"))
    made = convert(load(str(run.folder)), plan, tmp_path / "artifact").artifact
    assert [file.parity["passed"] for file in made.manifest.files] == [True] * 4
    again = rebuild(open_run(run.folder))
    x = np.random.default_rng(0).choice(np.array([-1, 1], np.float32), (3, 4, 3))
    assert again(x)["scores"].shape == (3, 4, 3)


def test_files_read_and_point_as_the_network_does() -> None:
    """The parts together, also where the matrix went through 8 bits in between."""
    network = build(SMALL)
    x = np.random.default_rng(0).choice(np.array([-1, 0, 1], np.float32), (16, 4, 3))
    read = FAMILY.finish(network, SMALL)(x)
    tail = FAMILY.tail(network, SMALL)
    assert tail
    rounded = read | {"passed": read["passed"] * 0.995}
    scores = tail("tflite")(rounded)["scores"].numpy()
    np.testing.assert_array_equal(scores, network(x)["scores"])
    assert set(np.abs(scores).ravel()) <= {0.0, CERTAIN}
