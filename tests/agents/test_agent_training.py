"""Cloning by hand, a resumed run's curve, and a student that learns what it is taught."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from edgekit.agents import Scaling  # noqa: E402
from edgekit.agents.cloning import BehaviourCloning  # noqa: E402
from edgekit.agents.distillation import Lessons, actor_of, distil  # noqa: E402
from edgekit.agents.playing import actor, compile_choice  # noqa: E402
from edgekit.agents.training import Course, train  # noqa: E402
from edgekit.environments.episodes import play  # noqa: E402
from edgekit.environments.point_robot import PointRobot  # noqa: E402
from edgekit.errors import CheckFailedError  # noqa: E402
from edgekit.families.bear import Config  # noqa: E402
from edgekit.families.bear.agent import Bear  # noqa: E402
from edgekit.families.bear.network import build_student  # noqa: E402
from edgekit.train.checkpoint import Checkpoints, State  # noqa: E402
from edgekit.train.history import read_history  # noqa: E402
from edgekit.train.loop import seed_everything  # noqa: E402

GOAL = np.array([[0.0, 1.0]], np.float32)


def updates_of(agent: BehaviourCloning):
    """Return updates on rows that are functions of their number, not compiled."""

    def call(seed: int, first: int) -> dict[str, float]:
        rng = np.random.default_rng([seed, first])
        s = rng.standard_normal((16, 2)).astype(np.float32)
        return {"error": float(agent.update((s, np.tanh(s[:, :1])))["error"])}

    return call


def cloned(folder: Path, epochs: int, resume: bool = False, judged=lambda: None):
    seed_everything(5)
    agent = BehaviourCloning(2, 1, (4,))

    def judge() -> dict[str, float]:
        judged()
        return {"return": float(tf.reduce_sum(agent.policy(tf.ones((1, 2)))[0]))}

    last = train(agent, updates_of(agent), judge, Course(folder, epochs, 3, 1, seed=2),
                 resume=resume)  # fmt: skip
    return agent, last


def test_a_resumed_run_has_the_curve_of_one_that_was_not(tmp_path: Path) -> None:
    whole, last = cloned(tmp_path / "whole", 4)
    left = iter([None, None])

    def cut() -> None:
        if next(left, "cut") == "cut":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cloned(tmp_path / "cut", 4, judged=cut)
    again, resumed = cloned(tmp_path / "cut", 4, resume=True)
    for one, other in zip(whole.policy.get_weights(), again.policy.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    rows = [[{k: v for k, v in row.items() if k != "seconds"} for row in read_history(folder)]
            for folder in (tmp_path / "whole", tmp_path / "cut")]  # fmt: skip
    assert rows[0] == rows[1]
    assert [row["epoch"] for row in rows[0]] == [1, 2, 3, 4]
    assert last == resumed == {"return": rows[0][-1]["val_return"]}
    assert list((tmp_path / "cut" / "tensorboard" / "float").glob("events*"))
    _, told = cloned(tmp_path / "cut", 4, resume=True)  # with nothing left to do
    assert told == last


def test_divergence_is_told(tmp_path: Path) -> None:
    agent = BehaviourCloning(2, 1, (4,))

    def updates(seed: int, first: int) -> dict[str, float]:
        agent.policy.variables[0].assign_add(tf.fill((2, 4), np.nan))
        return {"error": 0.0}

    with pytest.raises(CheckFailedError, match="diverged in epoch 1 of float: got NaN"):
        train(agent, updates, dict, Course(tmp_path, 1, 1, 1))


def test_a_checkpoint_holds_all_of_bear(tmp_path: Path) -> None:
    small = Config(hidden_units=(4,), vae_units=(4,), samples=2, target_samples=2, warm_up=1)

    def batch(agent: Bear, number: int):
        rng = np.random.default_rng(number)
        s, following = rng.standard_normal((2, 8, 3)).astype(np.float32)
        a = rng.uniform(-1, 1, (8, 1)).astype(np.float32)
        r, ended = rng.standard_normal(8).astype(np.float32), np.zeros(8, np.float32)
        return (s, a, r, following, ended, *agent.draw(8, tf.constant([0, number])))

    def saved(agent: Bear) -> Checkpoints:
        return Checkpoints(tmp_path / "c", State(agent, agent.optimizers))

    agent = Bear(3, 1, small)
    for number in range(2):
        agent.update(batch(agent, number))
    saved(agent).save()
    other = Bear(3, 1, small)
    assert saved(other).restore()
    told = [one.update(batch(one, 2)) for one in (agent, other)]
    for name in Bear.REPORTS:
        assert float(told[0][name]) == float(told[1][name])
    for one, two in zip(agent.variables, other.variables, strict=True):
        np.testing.assert_array_equal(one, two)
    assert int(other.updates) == 3


def test_cloning_fits_the_mean_by_hand() -> None:
    """With all weights 0 the action is 0: the mean of .5^2 and 1^2."""
    agent = BehaviourCloning(2, 1, (4,))
    for variable in agent.policy.variables:
        variable.assign(tf.zeros_like(variable))
    told = agent.update((np.ones((2, 2), "f"), np.array([[0.5], [1.0]], "f")))
    assert float(told["error"]) == pytest.approx(0.625)
    # Adam's first step: the rate, towards the mean action.
    bias = next(v for v in agent.policy.variables if v.name.startswith("policy_mean/bias"))
    assert float(bias[0]) == pytest.approx(1e-3, rel=1e-3)


def test_scaling_leaves_constant_columns_alone() -> None:
    seen = np.array([[1.0, 5.0], [3.0, 5.0]], np.float32)
    scaling = Scaling.of(seen, np.ones(1, np.float32))
    np.testing.assert_allclose(scaling.normalise(seen), [[-1, 5], [1, 5]])
    plain = Scaling.of(seen, np.ones(1, np.float32), normalise=False)
    np.testing.assert_array_equal(plain.normalise(seen), seen)


def test_an_agent_plays_in_the_environments_units() -> None:
    agent = BehaviourCloning(2, 2, (4,))
    scaling = Scaling(np.ones(2, "f"), np.full(2, 2.0, "f"), np.array([0.1, 0.2], "f"))
    act = actor(compile_choice(agent, scaling), seed=0)
    seen = np.array([[3.0, -1.0]], np.float32)
    expected = np.tanh(agent.policy((seen - 1) / 2)[0]) * [0.1, 0.2]
    np.testing.assert_allclose(act(seen), expected, rtol=1e-5)


def test_returns_of_episodes_by_hand() -> None:
    """Standing still: 20 times the distance 1."""
    found = play(PointRobot(np.repeat(GOAL, 3, axis=0)), lambda seen: np.zeros((3, 2)))
    np.testing.assert_allclose(found.returns, -20.0)
    np.testing.assert_array_equal(found.lengths, 20)
    assert found.observations.shape == (20, 3, 2)


def test_a_student_does_what_its_teacher_does() -> None:
    robots = PointRobot(np.repeat(GOAL, 4, axis=0))

    def teacher(seen: np.ndarray) -> np.ndarray:
        return np.clip(GOAL - seen, -0.1, 0.1)

    taught = float(play(robots, teacher).returns.mean())
    student = build_student(Config(observations=2, actions=2, student_units=(32,)))
    student.get_layer("action").set_weights([robots.limit, np.zeros(2, "f")])
    before = float(play(robots, actor_of(student)).returns.mean())
    states = distil(student, teacher, robots, Lessons(rounds=3, updates=600))
    after = float(play(robots, actor_of(student)).returns.mean())
    assert len(states) == 4 * 20 * 4  # of the teacher, then of three rounds
    assert after > taught - 0.1 * (taught - before)
