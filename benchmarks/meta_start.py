"""Does a meta-training start, leave a checkpoint and go on from it as if nothing had happened?"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tf_keras as keras

from edgekit.environments.tasks import draw_tasks, tasks
from edgekit.families.pearl.agent import Pearl
from edgekit.families.pearl.family import Recipe
from edgekit.families.pearl.meta_train import MetaTraining

Array = npt.NDArray[Any]


def start(recipe: Recipe, seed: int, runs: Path) -> dict[str, Any]:
    """Run one iteration, keep it, run the second; then resume and run the second again.

    Args:
        recipe: of two iterations.
        seed: of all that is drawn.
        runs: where the checkpoint lies for the time being.

    Raises:
        InputError: the checkpoint cannot be written or read, or a loss is not finite.
        MissingExtraError: the tasks need a simulator that is not installed.
    """
    began = time.process_time()
    runs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=runs) as place:
        folder = Path(place)
        run = opened(recipe, seed)
        run.run(lambda number, losses: number == 1, folder)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        before = weights(run)
        run.iterate()
        whole = weights(run)
        del run  # the buffers of some tasks take gigabytes
        resumed = opened(recipe, seed, of_weights=seed + 1)  # which the checkpoint must replace
        resumed.checkpoints(folder).restore()
        resumed.iterate()
    again = weights(resumed)
    return {
        "difference": float(np.abs(whole - again).max()),
        "changed_percent": 100 * float((whole != before).mean()),
        "checkpoint_mb": size / 1e6,
        "cpu_minutes": (time.process_time() - began) / 60,
    }


def opened(recipe: Recipe, seed: int, of_weights: int | None = None) -> MetaTraining:
    """Return a run that has done nothing yet; its first weights may have a seed of their own."""
    keras.utils.set_random_seed(seed if of_weights is None else of_weights)
    family = tasks(recipe.tasks)
    learned_on = draw_tasks(family, recipe.train_tasks, seed, "train")
    agent = Pearl(recipe.observations, recipe.actions, recipe)
    return MetaTraining(agent, family, learned_on, recipe, seed=seed)


def weights(run: MetaTraining) -> Array:
    """Return all weights of an agent that are trained, in a row."""
    return np.concatenate([np.ravel(v.numpy()) for v in run.agent.trainable_variables])
