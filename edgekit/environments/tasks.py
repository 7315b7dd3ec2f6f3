"""Families of tasks: environments that differ by a vector of parameters, as the place of a goal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgekit.environments import Array, Environment
from edgekit.environments.point_robot import PointRobot, draw_goals, sparse_reward
from edgekit.errors import InputError


@dataclass(frozen=True)
class TaskFamily:
    """Tasks that are drawn alike, and how many of them are played side by side."""

    name: str
    draw: Callable[[int, np.random.Generator], Array]  # count -> parameters of tasks, [T, P]
    make: Callable[[Array, int], Environment]  # (parameters [T, P], seed) -> T environments
    # (parameters [T, P], states [T, O]) -> rewards [T], where there are sparse ones beside dense
    sparse: Callable[[Array, Array], Array] | None = None


TASKS: dict[str, TaskFamily] = {}


def register(family: TaskFamily) -> None:
    """Add a family of tasks."""
    if family.name in TASKS:
        raise ValueError(f"tasks {family.name} are registered already")
    TASKS[family.name] = family


def tasks(name: str) -> TaskFamily:
    """Return the family of tasks called `name`.

    Raises:
        InputError: there is none.
    """
    from edgekit.environments import mujoco_tasks  # noqa: F401  (registers itself)

    if name not in TASKS:
        raise InputError(f"tasks {name}: unknown", expected="one of " + ", ".join(TASKS))
    return TASKS[name]


PARTS = {"train": 0, "test": 1, "validation": 2}


def draw_tasks(family: TaskFamily, count: int, seed: int, part: str) -> Array:
    """Return the parameters `[count, P]` of tasks to train on, or of others to be tested on."""
    return family.draw(count, np.random.default_rng((seed, PARTS[part])))


def _distance(goals: Array, at: Array) -> Array:
    distance: Array = np.linalg.norm(at - goals, axis=1)
    return distance


register(TaskFamily(
    "point-robot",
    draw_goals,
    lambda goals, seed: PointRobot(goals),
    lambda goals, at: sparse_reward(_distance(goals, at)),
))  # fmt: skip
