"""Families of tasks: the point robot's, and MuJoCo's with rewards by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgekit.environments.mujoco_tasks import (
    VARIED,
    ant_direction,
    ant_goal,
    cheetah_direction,
    cheetah_velocity,
    humanoid_direction,
    vary,
)
from edgekit.environments.tasks import TASKS, TaskFamily, register, tasks
from edgekit.errors import InputError

ACTION = np.array([0.5, -1.0])  # |a|^2 = 1.25
INFO = {"x_velocity": 2.0, "y_velocity": 1.0, "x_position": 3.0, "y_position": -1.0,
        "reward_ctrl": -0.125, "reward_contact": -0.25, "reward_survive": 1.0}  # fmt: skip
MUJOCO = ("cheetah-dir", "cheetah-vel", "ant-dir", "ant-goal", "humanoid-dir",
          "walker-rand-params", "hopper-rand-params")  # fmt: skip


def test_rewards_by_hand() -> None:
    backward, upward = np.array([-1.0]), np.array([math.pi / 2])
    assert cheetah_direction(backward, ACTION, INFO) == pytest.approx(-2.0 - 0.0625)
    assert cheetah_velocity(np.array([2.5]), ACTION, INFO) == pytest.approx(-0.5 - 0.0625)
    assert ant_direction(upward, ACTION, INFO) == pytest.approx(1.0 - 0.625 - 0.25 + 1.0)
    assert ant_goal(np.array([1.0, 1.0]), ACTION, INFO) == pytest.approx(-4.0 - 0.125 - 0.25)
    assert humanoid_direction(upward, ACTION, INFO) == pytest.approx(1.25 - 0.125 - 0.25 + 1.0)


class Body:
    """A model of two bodies."""

    def __init__(self) -> None:
        self.body_mass, self.body_inertia = np.ones(2), np.ones((2, 3))
        self.dof_damping, self.geom_friction = np.ones(3), np.ones((1, 3))


def test_bodies_vary_by_powers() -> None:
    body, exponents = Body(), np.zeros(14)
    exponents[[1, 2, 8, 13]] = (1.0, -1.0, 2.0, 3.0)
    vary("a body", body, exponents)
    np.testing.assert_allclose(body.body_mass, [1.0, 1.5])
    assert body.body_inertia[0, 0] == pytest.approx(1 / 1.5)
    assert body.dof_damping[0] == pytest.approx(1.3**2)
    assert body.geom_friction[0, 2] == pytest.approx(1.5**3)
    with pytest.raises(InputError, match="got 13, expected 14"):
        vary("a body", body, np.zeros(13))


@pytest.mark.parametrize("name", MUJOCO)
def test_tasks_differ_in_what_they_should(name: str) -> None:
    """The same actions from the same state: other rewards, or other bodies and so other states."""
    pytest.importorskip("mujoco", reason="MuJoCo is not installed")
    family = tasks(name)
    parameters = family.draw(2, np.random.default_rng(0))
    found = []
    for task in parameters:
        one = family.make(task[None], 7)
        assert (one.count, one.horizon) == (1, 200)
        first = one.reset()
        step = [one.step(np.full((1, one.actions), 0.3, np.float32)) for _ in range(3)][-1]
        found.append((first, step.following, step.reward))
    (first, following, reward), (other_first, other, other_reward) = found
    np.testing.assert_array_equal(first, other_first)
    assert np.isfinite(following).all()
    if name.endswith("params"):
        assert not np.allclose(following, other)
    else:
        np.testing.assert_array_equal(following, other)
        assert reward[0] != other_reward[0]


def test_fields_that_vary_are_the_authors() -> None:
    assert VARIED == {"body_mass": 1.5, "body_inertia": 1.5, "dof_damping": 1.3,
                      "geom_friction": 1.5}  # fmt: skip


def test_sparse_rewards_of_the_point_robot() -> None:
    """At .1 from the goal .9; at .3 nothing."""
    goals, at = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.9, 0.0], [0.0, 0.7]])
    sparse = tasks("point-robot").sparse
    assert sparse is not None
    np.testing.assert_allclose(sparse(goals, at), [0.9, 0.0], rtol=1e-5)


def test_a_name_is_taken_once() -> None:
    with pytest.raises(InputError, match="tasks cartpole: unknown"):
        tasks("cartpole")
    with pytest.raises(ValueError, match="registered already"):
        register(TaskFamily("point-robot", TASKS["point-robot"].draw, TASKS["point-robot"].make))
