"""Soft actor-critic's losses by hand, its density against SciPy, and compiled updates."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf
from scipy.integrate import quad

from edgekit.agents.networks import build_critics, log_density
from edgekit.agents.replay import Replay, Transitions
from edgekit.agents.sac import (
    SoftActorCritic,
    critic_loss,
    policy_loss,
    soft_target,
    temperature_loss,
)
from edgekit.agents.updates import compile_updates, with_noise


def transitions(count: int, seed: int = 0) -> Transitions:
    rng = np.random.default_rng(seed)
    return Transitions(
        rng.standard_normal((count, 3)).astype(np.float32),
        rng.uniform(-1, 1, (count, 1)).astype(np.float32),
        np.arange(count, dtype=np.float32),
        rng.standard_normal((count, 3)).astype(np.float32),
        np.zeros(count, np.float32),
    )


def test_losses_by_hand() -> None:
    one, two = tf.constant([1.0, 2.0]), tf.constant([0.0, 1.0])
    np.testing.assert_allclose(soft_target(one, two, tf.constant([4.0, 4.0]), 0.5), [3.0, 2.0])
    # (1 + 0) / 2 of the first member and (4 + 9) / 2 of the second.
    assert float(critic_loss(tf.constant([[2.0, 2.0], [3.0, 5.0]]), one)) == pytest.approx(7.0)
    # Mean of .5 * (1, 2) - (1, 3).
    values = tf.constant([[1.0, 4.0], [2.0, 3.0]])
    assert float(policy_loss(one, values, 0.5)) == pytest.approx(-1.25)
    assert float(temperature_loss(tf.constant(2.0), one, -1.0)) == pytest.approx(-1.0)


def test_the_density_of_squashed_actions_integrates_to_one() -> None:
    mean, log_std = 0.3, -0.5

    def density(action: float) -> float:
        noise = (math.atanh(action) - mean) / math.exp(log_std)
        values = (tf.constant([[v]], tf.float32) for v in (mean, log_std, noise))
        return math.exp(float(log_density(*values)[0]))

    assert quad(density, -0.9999, 0.9999, limit=40)[0] == pytest.approx(1.0, abs=1e-3)


def test_members_of_an_ensemble_answer_as_networks_of_their_own() -> None:
    network = build_critics(4, (5,), 3)
    x = np.random.default_rng(0).standard_normal((7, 4)).astype(np.float32)
    w0, b0, w1, b1 = (v.numpy() for v in network.variables)
    for member, values in enumerate(np.asarray(network(x))):
        hidden = np.maximum(x @ w0[member] + b0[member], 0)
        expected = (hidden @ w1[member] + b1[member])[:, 0]
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-6)


def test_a_full_replay_overwrites_the_oldest() -> None:
    replay = Replay(4, 3, 1)
    replay.add(transitions(3))
    assert len(replay.kept()) == 3
    replay.add(transitions(2))
    np.testing.assert_array_equal(replay.kept().r, [1.0, 1.0, 2.0, 0.0])
    _, _, drawn, _, _ = replay.sample(200, tf.constant([0, 1]))
    assert set(np.asarray(drawn)) == {0.0, 1.0, 2.0}


def test_compiled_updates_are_those_that_were_taken_one_by_one() -> None:
    replay = Replay(16, 3, 1)
    replay.add(transitions(10))
    rows = [tf.reshape(column[:6], (3, 2, *column.shape[1:])) for column in replay.columns]
    one, other = agents = [SoftActorCritic(3, 1, (4,)) for _ in range(2)]
    for network in ("policy", "critics", "targets"):
        weights = getattr(one, network).get_weights()
        getattr(other, network).set_weights(weights)
    noise = one.draw(6, tf.constant([1, 2]))
    columns = [*rows, *(tf.reshape(n, (3, 2, 1)) for n in noise)]
    flat = [tf.reshape(c, (6, *c.shape[2:])) for c in columns]
    told = compile_updates(lambda count, seed: tuple(flat), one.update, one.REPORTS, count=3,
                           batch=2)(7, 0)  # fmt: skip
    by_hand = [other.update([column[k] for column in columns]) for k in range(3)]
    for name, value in told.items():
        assert value == pytest.approx(np.mean([float(u[name]) for u in by_hand]), rel=1e-4)
    for this, that in zip(*(agent.variables for agent in agents), strict=True):
        np.testing.assert_allclose(this, that, rtol=1e-4, atol=1e-6)


def test_noise_comes_behind_the_rows() -> None:
    replay = Replay(16, 3, 1)
    replay.add(transitions(10))
    agent = SoftActorCritic(3, 1, (4,))
    drawn = with_noise(replay.sample, agent.draw)(500, tf.constant([0, 1]))
    assert [c.shape.as_list() for c in drawn[5:]] == [[500, 1], [500, 1]]
    assert abs(float(tf.reduce_mean(drawn[5] * drawn[6]))) < 0.15  # two draws, not one
    again = with_noise(replay.sample, agent.draw)(500, tf.constant([0, 1]))
    np.testing.assert_array_equal(drawn[6], again[6])
