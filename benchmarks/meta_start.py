"""Does a meta-training start, leave a checkpoint and go on from it as if nothing had happened?

Both halves run in processes of their own, as an interrupted run and the one that resumes it.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras as keras

from edgekit.environments.tasks import draw_tasks, tasks
from edgekit.families.pearl.agent import Pearl
from edgekit.families.pearl.family import Recipe
from edgekit.families.pearl.meta_train import MetaTraining

Array = npt.NDArray[Any]
Half = tuple[Array, Array, float]  # weights at the checkpoint and in the end, CPU seconds


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
    runs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=runs) as place:
        folder = Path(place)
        before, whole, seconds = _alone(begin, recipe, seed, folder)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        _, again, more = _alone(resume, recipe, seed, folder)
    return {
        "difference": float(np.abs(whole - again).max()),
        "changed_percent": 100 * float((whole != before).mean()),
        "checkpoint_mb": size / 1e6,
        "cpu_minutes": (seconds + more) / 60,
    }


def begin(recipe: Recipe, seed: int, folder: Path) -> Half:
    """Run both iterations, with a checkpoint between them."""
    run = opened(recipe, seed, of_weights=seed)
    run.run(lambda number, losses: number == 1, folder)
    before = weights(run)
    run.iterate()
    return before, weights(run), time.process_time()


def resume(recipe: Recipe, seed: int, folder: Path) -> Half:
    """Run the second iteration from the checkpoint, which must replace other weights."""
    run = opened(recipe, seed, of_weights=seed + 1)
    run.checkpoints(folder).restore()
    before = weights(run)
    run.iterate()
    return before, weights(run), time.process_time()


def opened(recipe: Recipe, seed: int, of_weights: int) -> MetaTraining:
    """Return a run that has done nothing yet, whose first weights have a seed of their own."""
    keras.utils.set_random_seed(of_weights)
    family = tasks(recipe.tasks)
    learned_on = draw_tasks(family, recipe.train_tasks, seed, "train")
    agent = Pearl(recipe.observations, recipe.actions, recipe)
    return MetaTraining(agent, family, learned_on, recipe, seed=seed)


def weights(run: MetaTraining) -> Array:
    """Return all weights of an agent that are trained, in a row."""
    return np.concatenate([np.ravel(v.numpy()) for v in run.agent.trainable_variables])


def keep_to(threads: int) -> None:
    """Keep TensorFlow to so many threads; before its first operation."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def _alone(half: Callable[[Recipe, int, Path], Half], *arguments: Any) -> Half:
    """Return what a new process finds: its buffers, gigabytes of some tasks, go with it."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh, initializer=keep_to, initargs=(1,)) as pool:
        return pool.submit(half, *arguments).result()
