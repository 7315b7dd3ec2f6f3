"""What the exported functions will see: rows of a meta-test, for calibration and parity."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.environments.tasks import TaskFamily
from edgekit.families.pearl.actor import Actor
from edgekit.families.pearl.encoder import encode
from edgekit.families.pearl.family import Recipe
from edgekit.families.pearl.meta_test import meta_test

Array = npt.NDArray[Any]
ROWS = 200


def lived_through(
    actor: Actor, family: TaskFamily, parameters: Array, config: Recipe, limit: Array, seed: int
) -> dict[str, Array]:
    """Return inputs of encode, fuse and act by name, `[ROWS, ...]` each.

    Args:
        actor: trained.
        family: of the tasks.
        parameters: of the tasks that it plays, `[T, P]`.
        config: for how many trajectories, and with which rewards.
        limit: of actions, `[A]`.
        seed: of what is drawn.
    """
    played = meta_test(actor, family, parameters, trajectories=config.trajectories, seed=seed,
                       sparse=config.sparse)  # fmt: skip
    context = np.concatenate(
        [e.context(sparse=config.sparse, next_state=config.next_state) for e in played], axis=1
    ).astype(np.float32)
    natural = [np.asarray(part) for part in encode(actor.encoder, context)]
    sums = [np.cumsum(part, axis=1, dtype=np.float32) for part in natural]
    before = [np.concatenate([np.zeros_like(s[:, :1]), s], axis=1) for s in sums]
    rng = np.random.default_rng(seed)
    task = rng.integers(0, len(parameters), ROWS)
    step, known = (rng.integers(0, context.shape[1] + k, ROWS) for k in (0, 1))
    o, a = actor.observations, actor.actions
    rows = context[task, step]
    precision, weighted = (part[task, known] for part in before)
    noise = rng.standard_normal(precision.shape).astype(np.float32)
    found = {
        "observation": rows[:, :o],
        "action": rows[:, o : o + a] * np.asarray(limit, np.float32),
        "reward": rows[:, o + a : o + a + 1],
        "precision": precision,
        "precision_mean": weighted,
        "noise": noise,
        "z": np.asarray(actor.fuse(precision, weighted, noise)),
    }
    return found | ({"next_observation": rows[:, -o:]} if config.next_state else {})
