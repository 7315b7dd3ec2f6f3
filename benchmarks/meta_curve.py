"""The learning curve of a meta-training that is given minutes, not iterations.

The agent is meta-tested before the first gradient step and after every so many. A point is the mean
return of the last trajectory over held-out tasks, as `edgekit train` judges; tasks, beginnings and
noise are the same at every point. Minutes, by the clock and of the CPU, are those of the whole
process since the run began: compiling, collection, gradient steps and meta-tests.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import tf_keras as keras

from edgekit.environments.tasks import draw_tasks, tasks
from edgekit.families.pearl.agent import Pearl
from edgekit.families.pearl.family import FAMILY, Recipe
from edgekit.families.pearl.fit import judge
from edgekit.families.pearl.meta_train import MetaTraining

Array = npt.NDArray[Any]
LEAST_TASKS = 10  # of a meta-test; where there are two tasks alone, five beginnings of each


@dataclass(frozen=True)
class Point:
    """A meta-test, and what the run had done before it."""

    minutes: float  # by the clock
    cpu_minutes: float
    updates: int  # gradient steps
    steps: int  # of environments
    held_out: float  # return of the last trajectory


@dataclass(frozen=True)
class Budget:
    """When a run ends, and how often it is looked at."""

    minutes: float  # by the clock
    every: int  # gradient steps between meta-tests, a multiple of those of a compiled call


class OutOfTimeError(Exception):
    """The minutes are over."""


class Watch:
    """Minutes since it was made, by the clock and of the CPU."""

    def __init__(self) -> None:
        self._began = np.array([time.monotonic(), time.process_time()])

    def read(self) -> tuple[float, float]:
        """Return both."""
        minutes, of_cpu = (np.array([time.monotonic(), time.process_time()]) - self._began) / 60
        return float(minutes), float(of_cpu)


class Recorder:
    """Meta-tests an agent now and then; raises `OutOfTimeError` at the first point past the end."""

    def __init__(self, run: MetaTraining, recipe: Recipe, budget: Budget, watch: Watch) -> None:
        self.run, self.budget, self.watch = run, budget, watch
        self.recipe = replace(recipe, test_tasks=max(recipe.test_tasks, LEAST_TASKS))
        self.points: list[Point] = []
        self.test_minutes = 0.0  # CPU, of all meta-tests

    def __call__(self, updates: int) -> None:
        """Add a point where one is due."""
        if updates % self.budget.every:
            return
        before = self.watch.read()[1]
        found = judge(self.run.agent, self.run.family, self.recipe, self.run.seed, "test")
        now = self.watch.read()
        self.test_minutes += now[1] - before
        steps = int(np.sum(self.run.steps.added.numpy()))
        point = Point(*now, updates, steps, found["return"])
        self.points.append(point)
        print(f"{self.run.family.name}, seed {self.run.seed}: {point}", flush=True)
        if updates and point.minutes >= self.budget.minutes:
            raise OutOfTimeError


def record(recipe: Recipe, seed: int, budget: Budget) -> dict[str, Any]:
    """Meta-train by `recipe` until the minutes are over; return the points and the minutes.

    Raises:
        MissingExtraError: the tasks need a simulator that is not installed.
    """
    watch = Watch()
    keras.utils.set_random_seed(seed)
    family = tasks(recipe.tasks)
    learned_on = draw_tasks(family, recipe.train_tasks, seed, "train")
    agent = Pearl(recipe.observations, recipe.actions, recipe)
    recorder = Recorder(MetaTraining(agent, family, learned_on, recipe, seed=seed), recipe, budget,
                        watch)  # fmt: skip
    try:
        recorder(0)
        recorder.run.run(between=recorder)
    except OutOfTimeError:
        pass
    return {
        "points": [asdict(point) for point in recorder.points],
        "cpu_minutes": watch.read()[1],
        "test_minutes": recorder.test_minutes,
    }


def recipe_of(name: str) -> Recipe:
    """Return the preset as it is published."""
    found: Recipe = FAMILY.preset(name).config
    return found


def rise(returns: Array) -> tuple[float, float]:
    """Return how much the mean of the last third of `[N]` returns is above that of the first.

    And half of its 95% interval, by twice the standard errors of both, as if points were
    independent (their tasks and noise are the same, so that what differs is the agent).
    """
    third = max(1, len(returns) // 3)
    ends = (returns[:third], returns[-third:])
    errors = [float(np.var(e, ddof=1)) / third if third > 1 else 0.0 for e in ends]
    return float(ends[1].mean() - ends[0].mean()), 2.0 * float(np.sqrt(sum(errors)))
