"""Distillation's losses by hand, a student that learns, and what a device runs."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from edgekit.environments.tasks import tasks
from edgekit.families.pearl import Config
from edgekit.families.pearl.actor import Actor
from edgekit.families.pearl.device import OnDevice
from edgekit.families.pearl.distill import Lessons, distill, imitation_loss, natural_loss
from edgekit.families.pearl.meta_test import meta_test
from edgekit.families.pearl.rollout import Players, play, unknown

TEACHER = Config(latent=2, hidden_units=(8,), encoder_units=(8,), factors="precision")
LIMIT = np.full(2, 0.1, np.float32)


def test_natural_loss_by_hand() -> None:
    """Errors 1 and 2 over scales 1 and 4: (1 + 1/4) / 2."""
    told, known = (tf.constant([[2.0]]), tf.constant([[1.0]])), (tf.ones((1, 1)), -tf.ones((1, 1)))
    scale = tf.constant([[1.0], [4.0]])
    assert float(natural_loss(told, known, scale)) == pytest.approx((1.0 + 0.25) / 2)


def test_imitation_loss_by_hand() -> None:
    told, known = (tf.constant([[0.5]]), tf.constant([[1.0]])), (tf.zeros((1, 1)), -tf.ones((1, 1)))
    assert float(imitation_loss(told, known)) == pytest.approx(0.25 + 0.1 * 4.0)


def test_a_student_comes_nearer_to_its_teacher() -> None:
    family, lessons = tasks("point-robot"), Lessons((16,), (16,), 2, 200, 2, call=200)
    goals = family.draw(8, np.random.default_rng(0))
    teacher = Actor(2, 2, TEACHER)
    student, told = distill(teacher, family, goals, lessons, seed=0)
    assert [v.shape for v in student.policy.variables] != [
        v.shape for v in teacher.policy.variables
    ]
    assert told[1]["encoder"] < 0.5, "of 1, for who says the mean"
    assert told[1]["policy"] < told[0]["policy"]
    played = meta_test(student, family, goals, trajectories=2, seed=1)
    assert np.isfinite(played[-1].r).all()


def test_a_device_does_what_the_workstation_does() -> None:
    """Encode one by one, add up, fuse and act, against the players' posterior and policy."""
    family, actor = tasks("point-robot"), Actor(2, 2, TEACHER)
    goals = family.draw(1, np.random.default_rng(3))
    players = Players(actor, sparse=False, rng=np.random.default_rng(0))
    episodes = play(family.make(goals, 0), players.policy(players.prior(1), stochastic=True))
    belief = players.see(unknown(1, 2), episodes)
    device = OnDevice(actor, LIMIT)
    sums = np.zeros((2, 1, 2), np.float32)
    for s, a, r in zip(episodes.s[0], episodes.a[0], episodes.r[0], strict=True):
        told = device.encode(s[None], a[None] * LIMIT, r[None, None])
        sums += np.stack([told["precision"], told["precision_mean"]])
    np.testing.assert_allclose(sums[0], belief.precision, rtol=1e-5)
    np.testing.assert_allclose(sums[1], belief.weighted, rtol=1e-4, atol=1e-6)
    noise = np.array([[0.5, -1.0]], np.float32)
    z = device.fuse(*sums, noise)["z"]
    variance = 1 / (1 + belief.precision)
    np.testing.assert_allclose(
        z, belief.weighted * variance + np.sqrt(variance) * noise, rtol=1e-4, atol=1e-6
    )
    s = np.array([[0.3, 0.2]], np.float32)
    expected = players.policy(np.asarray(z), stochastic=False)(s) * LIMIT
    np.testing.assert_allclose(device.act(s, z)["action"], expected, rtol=1e-5)


def test_a_student_pair_fits_in_16_kib() -> None:
    """Encoder 2x32 and policy 2x32, z of 5, of the point robot: 5.8 and 6.2 KiB of float32."""
    actor = Actor(2, 2, Config(hidden_units=(32, 32), encoder_units=(32, 32)))
    encoder = (5 * 32 + 32) + (32 * 32 + 32) + (32 * 10 + 10)
    policy = (7 * 32 + 32) + (32 * 32 + 32) + 2 * (32 * 2 + 2)
    assert (actor.encoder.count_params(), actor.policy.count_params()) == (encoder, policy)
    assert (encoder + policy) * 4 <= 16 * 1024
