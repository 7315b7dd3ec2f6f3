"""The MuJoCo tasks of PEARL (Rakelly et al. 2019, appendix A), on gymnasium's v5 environments.

Rewards are the authors' formulas over what the v5 environments report. Their observations are the
v5 ones, so returns do not compare with those of the authors' older environments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from edgekit.environments import Array, Environment
from edgekit.environments.gym import GymEnvironment, open_gym
from edgekit.environments.tasks import TaskFamily, register
from edgekit.errors import InputError

HORIZON = 200
LIMIT = 3.0  # of the exponents by which parameters vary
# Model fields that vary with a task, and the base of their factors (rand_param_envs, base.py).
VARIED = {"body_mass": 1.5, "body_inertia": 1.5, "dof_damping": 1.3, "geom_friction": 1.5}
Reward = Callable[[Array, Array, Mapping[str, Any]], float]  # (task [P], action [A], info)


class Rewarded:
    """A gymnasium environment with another reward."""

    def __init__(self, member: Any, reward: Callable[[Array, Mapping[str, Any]], float]) -> None:
        self.member, self.reward = member, reward
        self.spec = member.spec
        self.observation_space, self.action_space = member.observation_space, member.action_space

    def reset(self, seed: int | None = None) -> tuple[Array, Mapping[str, Any]]:
        """Begin an episode."""
        observation, info = self.member.reset(seed=seed)
        return observation, info

    def step(self, action: Array) -> tuple[Array, float, bool, bool, Mapping[str, Any]]:
        """Take an action."""
        observation, _, ended, out_of_time, info = self.member.step(action)
        return observation, self.reward(action, info), ended, out_of_time, info


def cheetah_direction(task: Array, action: Array, info: Mapping[str, Any]) -> float:
    """Return velocity along the direction `task[0]`, 1 or -1, less .05 |a|^2."""
    return float(task[0] * info["x_velocity"] - 0.05 * np.square(action).sum())


def cheetah_velocity(task: Array, action: Array, info: Mapping[str, Any]) -> float:
    """Return minus the distance from the velocity `task[0]` in m/s, less .05 |a|^2."""
    return float(-abs(info["x_velocity"] - task[0]) - 0.05 * np.square(action).sum())


def ant_direction(task: Array, action: Array, info: Mapping[str, Any]) -> float:
    """Return velocity along the angle `task[0]`, less .5 |a|^2 and contacts, plus 1."""
    rest = info["reward_contact"] + info["reward_survive"]
    return float(_along(task, info) - 0.5 * np.square(action).sum() + rest)


def ant_goal(task: Array, action: Array, info: Mapping[str, Any]) -> float:
    """Return minus the L1 distance from the place `task` in m, less .1 |a|^2 and contacts."""
    away = abs(info["x_position"] - task[0]) + abs(info["y_position"] - task[1])
    return float(-away - 0.1 * np.square(action).sum() + info["reward_contact"])


def humanoid_direction(task: Array, action: Array, info: Mapping[str, Any]) -> float:
    """Return 1.25 times velocity along the angle `task[0]`, less control and impact, plus 5."""
    rest = info["reward_ctrl"] + info["reward_contact"] + info["reward_survive"]
    return float(1.25 * _along(task, info) + rest)


def _along(task: Array, info: Mapping[str, Any]) -> float:
    return float(np.cos(task[0]) * info["x_velocity"] + np.sin(task[0]) * info["y_velocity"])


def rewarded(name: str, reward: Reward, **options: Any) -> Callable[[Array, int], Environment]:
    """Return what makes environments whose reward is the task's."""

    def make(tasks: Array, seed: int) -> Environment:
        members = [
            Rewarded(open_gym(name, max_episode_steps=HORIZON, **options), partial(reward, task))
            for task in tasks
        ]
        return GymEnvironment(name, len(tasks), seed, members)

    return make


def varied(name: str) -> Callable[[Array, int], Environment]:
    """Return what makes environments whose bodies are the task's."""

    def make(tasks: Array, seed: int) -> Environment:
        members = [open_gym(name, max_episode_steps=HORIZON) for _ in tasks]
        for member, task in zip(members, tasks, strict=True):
            vary(name, member.unwrapped.model, task)
        return GymEnvironment(name, len(tasks), seed, members)

    return make


def vary(name: str, model: Any, exponents: Array) -> None:
    """Multiply mass, inertia, damping and friction by base ** exponents `[P]`, entry by entry.

    Raises:
        InputError: there are not as many as the model has entries.
    """
    sizes = [getattr(model, field).size for field in VARIED]
    if len(exponents) != sum(sizes):
        raise InputError(f"tasks of {name}: parameters", got=len(exponents),
                         expected=str(sum(sizes)))  # fmt: skip
    parts = np.split(exponents, np.cumsum(sizes)[:-1])
    for (field, base), part in zip(VARIED.items(), parts, strict=True):
        values = getattr(model, field)
        values[...] = values * base ** part.reshape(values.shape)


def _both(first: float, second: float) -> Callable[[int, np.random.Generator], Array]:
    """Return what gives the same two tasks in turn, for training and test alike."""
    return lambda count, rng: np.resize(np.array([[first], [second]], np.float32), (count, 1))


def _uniform(high: float, low: float = 0.0, size: int = 1) -> Callable[[int, Any], Array]:
    return lambda count, rng: rng.uniform(low, high, (count, size)).astype(np.float32)


def _disc(count: int, rng: np.random.Generator) -> Array:
    """Return places within 3 m, `[count, 2]`."""
    angle, radius = 2 * np.pi * rng.random(count), 3 * rng.random(count) ** 0.5
    places: Array = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    return places.astype(np.float32)


register(TaskFamily("cheetah-dir", _both(-1.0, 1.0), rewarded("HalfCheetah-v5", cheetah_direction)))
register(TaskFamily("cheetah-vel", _uniform(3.0), rewarded("HalfCheetah-v5", cheetah_velocity)))
register(TaskFamily("ant-dir", _both(0.0, np.pi), rewarded(
    "Ant-v5", ant_direction, include_cfrc_ext_in_observation=False)))  # fmt: skip
register(TaskFamily("ant-goal", _disc, rewarded(
    "Ant-v5", ant_goal, exclude_current_positions_from_observation=False,
    terminate_when_unhealthy=False)))  # fmt: skip
register(TaskFamily("humanoid-dir", _uniform(2 * np.pi), rewarded(
    "Humanoid-v5", humanoid_direction)))  # fmt: skip
register(TaskFamily("walker-rand-params", _uniform(LIMIT, -LIMIT, 65), varied("Walker2d-v5")))
register(TaskFamily("hopper-rand-params", _uniform(LIMIT, -LIMIT, 41), varied("Hopper-v5")))
