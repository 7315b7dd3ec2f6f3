"""The point robot by its published figures; gymnasium's episodes; what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from edgekit.environments import make, mujoco_warnings
from edgekit.environments.point_robot import PointRobot, draw_goals, sparse_reward
from edgekit.errors import InputError


def test_the_return_of_going_straight_by_hand() -> None:
    """To (c, c), c = .7071: 0 five times, 1 - .1515, 1 - .0101, then 1 thirteen times."""
    c = math.sqrt(0.5)
    robots = PointRobot(np.array([[c, c]]), sparse=True)
    at, total = robots.reset(), 0.0
    for _ in range(robots.horizon):
        step = robots.step(robots.goals - at)  # clipped to .1 along each axis
        at, total = step.following, total + float(step.reward[0])
    expected = 15 - math.sqrt(2) * ((c - 0.6) + (c - 0.7))
    assert total == pytest.approx(expected, rel=1e-5)
    assert step.over.all()
    assert not step.ended.any()
    np.testing.assert_array_equal(step.observation, 0)


def test_rewards_by_hand() -> None:
    robots = PointRobot(np.array([[0.0, 1.0]]))
    robots.reset()
    step = robots.step(np.array([[5.0, 0.05]]))  # clipped to (.1, .05)
    assert step.reward[0] == pytest.approx(-math.hypot(0.1, 0.95), rel=1e-6)
    np.testing.assert_allclose(sparse_reward(np.array([0.0, 0.19, 0.21])), [1, 0.81, 0], rtol=1e-6)


def test_goals_lie_on_the_upper_half_circle() -> None:
    goals = draw_goals(200, np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.norm(goals, axis=1), 1.0, rtol=1e-6)
    assert goals[:, 1].min() >= 0
    assert goals[:, 0].min() < -0.5


def test_gymnasium_episodes_begin_anew_and_keep_their_last_state() -> None:
    pytest.importorskip("gymnasium")
    one, same = (make("Pendulum-v1", 2, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.reset(), same.reset())
    assert (one.horizon, one.limit.tolist()) == (200, [2.0])
    for number in range(200):
        step = one.step(np.full((2, 1), 0.5))
        assert step.over.all() == (number == 199)
    assert not step.ended.any()
    assert (step.observation != step.following).any()


def test_mujoco_warns_once(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The cheetah's model has a deprecated attribute: not on stderr, nor in a file."""
    pytest.importorskip("mujoco", reason="MuJoCo is not installed")
    monkeypatch.chdir(tmp_path)
    mujoco_warnings._told.clear()
    with caplog.at_level("INFO", "edgekit"):
        make("HalfCheetah-v5", 3)
        mujoco_warnings.tell("unstable")
        mujoco_warnings.tell("unstable")
    told = [(r.levelname, r.getMessage()) for r in caplog.records]
    assert told.count(("WARNING", "MuJoCo: unstable")) == 1
    assert len(told) == len(set(told))
    assert capfd.readouterr().err == ""
    assert not list(tmp_path.iterdir())


def test_bad_input_is_one_line() -> None:
    with pytest.raises(InputError, match=r"point-robot: actions: got \[1, 3\], expected \[1, 2\]"):
        make("point-robot").step(np.zeros((1, 3)))
    with pytest.raises(InputError, match="NaN or infinity"):
        make("point-robot").step(np.full((1, 2), np.nan))
    pytest.importorskip("gymnasium")
    with pytest.raises(InputError, match="environment NoSuch-v0: unknown"):
        make("NoSuch-v0")
    with pytest.raises(InputError, match="observations: got"):
        make("FrozenLake-v1")
