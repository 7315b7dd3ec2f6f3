"""Training: an agent on many tasks, then the student that it teaches."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.environments.tasks import TaskFamily, draw_tasks, tasks
from edgekit.environments.trajectories import play
from edgekit.errors import InputError
from edgekit.families.pearl.actor import Actor
from edgekit.families.pearl.agent import Pearl
from edgekit.families.pearl.calibration import lived_through
from edgekit.families.pearl.distill import Lessons, distill
from edgekit.families.pearl.family import FAMILY, Recipe
from edgekit.families.pearl.meta_test import meta_test
from edgekit.families.pearl.meta_train import MetaTraining
from edgekit.families.pearl.network import assemble
from edgekit.families.run import CALIBRATION, Run, claim, write_run
from edgekit.files import write_file
from edgekit.train.checkpoint import save_weights
from edgekit.train.history import History
from edgekit.train.loop import seed_everything
from edgekit.train.progress import EpochProgress

FILES = {"teacher": "agent.h5", "student": "weights.h5"}  # of the networks, by form
CALL = 500  # updates of a lesson in one compiled call, at the most
JUDGED = 20  # times in a run, on tasks of its own
Array = npt.NDArray[Any]


def fit(run: Run, *, sha256: str | None, resume: bool, distributed: bool) -> Run:
    """Train an agent and its student; see `Family.fit`. Scores are those of held-out tasks.

    Raises:
        SetupError: the environment is not installed.
    """
    folder, config, options = run.folder, run.config, run.options
    if run.data != FAMILY.data:
        raise InputError("pearl: --data", got=run.data, do="leave it out: tasks are drawn")
    if not resume:
        claim(folder)
    family = tasks(config.tasks)
    learned_on = draw_tasks(family, config.train_tasks, options.seed, "train")
    one = family.make(learned_on[:1], options.seed)
    config = replace(config, observations=one.observations, actions=one.actions)
    seed_everything(options.seed)
    agent = Pearl(config.observations, config.actions, config)
    run = replace(run, config=config, task=FAMILY.describe(config))
    training = MetaTraining(agent, family, learned_on, config, seed=options.seed)
    write_run(run)
    _train(training, run, resume)
    actors: dict[str, Actor] = {"teacher": agent}
    if config.rounds:
        lessons = Lessons(
            hidden_units=config.student_units, encoder_units=config.student_units,
            rounds=config.rounds, updates=config.lesson, call=_call(config.lesson),
        )  # fmt: skip
        actors["student"], _ = distill(
            agent, family, learned_on, lessons, seed=options.seed, sparse=config.sparse
        )
    for form, actor in actors.items():
        save_weights(assemble(actor, one.limit), folder / FILES[form])
    met = lived_through(agent, family, learned_on, config, one.limit, options.seed)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **met)
    write_file(folder / CALIBRATION, buffer.getvalue())
    best = judge(agent, family, config, options.seed, "validation")
    run = replace(run, best={"float": best["return"]},
                  test={"float": test(actors, family, config, options.seed)})  # fmt: skip
    write_run(run)
    return run


def _train(training: MetaTraining, run: Run, resume: bool) -> None:
    """Iterate to the end of the plan, with a checkpoint now and then and a row of each."""
    config, seed = run.config, run.options.seed
    checkpoints = training.checkpoints(run.folder / "checkpoints" / "float")
    checkpoints.sweep()
    if resume:
        checkpoints.restore()
    history = History(run.folder, "float")
    history.begin(int(training.iteration))
    every, saved = max(1, config.iterations // JUDGED), time.monotonic()
    with EpochProgress("float", config.iterations, 1) as progress:
        while (number := int(training.iteration)) < config.iterations:
            started = time.monotonic()
            told = training.iterate()
            last = number + 1 == config.iterations
            if last or (number + 1) % every == 0:
                scores = judge(training.agent, training.family, config, seed, "validation")
                told |= {f"val_{name}": value for name, value in scores.items()}
            seconds = round(time.monotonic() - started, 3)
            row = {"phase": "float", "epoch": number + 1, **told, "seconds": seconds}
            history.add(row)
            if last or time.monotonic() - saved >= run.options.checkpoint_seconds > 0:
                checkpoints.save()
                saved = time.monotonic()
            progress.step(number, 1, told["critics"])
            progress.epoch(row)


def _call(updates: int) -> int:
    """Return how many updates a compiled call has: all calls are alike."""
    return max(n for n in range(1, CALL + 1) if updates % n == 0)


def judge(
    actor: Actor, family: TaskFamily, config: Recipe, seed: int, part: str
) -> dict[str, float]:
    """Return the mean return of the last trajectory over tasks that were not learned on.

    And "success" where there are sparse rewards: the share of tasks whose last step earned one.
    """
    parameters = draw_tasks(family, config.test_tasks, seed, part)
    *_, last = meta_test(actor, family, parameters, trajectories=config.trajectories, seed=seed,
                         sparse=config.sparse, spread=config.spread,
                         widen=config.widen)  # fmt: skip
    found = {"return": float(last.r.sum(axis=1).mean())}
    if last.sparse is not None:
        found["success"] = float((last.sparse[:, -1] > 0).mean())
    return found


def test(
    actors: dict[str, Actor], family: TaskFamily, config: Recipe, seed: int
) -> dict[str, float]:
    """Return the scores of agent, chance and student on the same held-out tasks.

    Retention is (student - chance) / (agent - chance).
    """
    found = judge(actors["teacher"], family, config, seed, "test")
    parameters = draw_tasks(family, config.test_tasks, seed, "test")
    environment, rng = family.make(parameters, seed), np.random.default_rng(seed)
    shape = (len(parameters), environment.actions)
    chance = play(environment, lambda _: rng.uniform(-1, 1, shape).astype(np.float32))
    found["chance"] = float(chance.r.sum(axis=1).mean())
    if "student" in actors:
        found["student"] = judge(actors["student"], family, config, seed, "test")["return"]
        found["retention"] = ((found["student"] - found["chance"])
                              / (found["return"] - found["chance"]))  # fmt: skip
    return found
