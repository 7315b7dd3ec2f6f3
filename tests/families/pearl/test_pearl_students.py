"""Distillation's losses by hand, and a student that learns."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from edgekit.environments.tasks import tasks
from edgekit.families.pearl import Config
from edgekit.families.pearl.actor import Actor
from edgekit.families.pearl.distill import Lessons, distill, imitation_loss, natural_loss
from edgekit.families.pearl.meta_test import meta_test

TEACHER = Config(latent=2, hidden_units=(8,), encoder_units=(8,), factors="precision")


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


def test_a_student_pair_fits_in_16_kib() -> None:
    """Encoder 2x32 and policy 2x32, z of 5, of the point robot: 5.8 and 6.2 KiB of float32."""
    actor = Actor(2, 2, Config(hidden_units=(32, 32), encoder_units=(32, 32)))
    encoder = (5 * 32 + 32) + (32 * 32 + 32) + (32 * 10 + 10)
    policy = (7 * 32 + 32) + (32 * 32 + 32) + 2 * (32 * 2 + 2)
    assert (actor.encoder.count_params(), actor.policy.count_params()) == (encoder, policy)
    assert (encoder + policy) * 4 <= 16 * 1024
