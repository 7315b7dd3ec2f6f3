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
    o, a = actor.observations, actor.actions
    rows = context.reshape(-1, context.shape[-1])[_transitions(natural[0], rng)]
    task, known = (rng.integers(0, size, ROWS) for size in before[0].shape[:2])
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


def _transitions(precision: Array, rng: np.random.Generator) -> Array:
    """Return places of transitions, `[ROWS]`, by turns any and one that says something of z.

    Of sparse rewards most say nothing, and ranges and parity would be those of silence.
    """
    told = precision.sum(axis=-1).reshape(-1).astype(np.float64)
    anything = rng.integers(0, told.size, ROWS)
    by_weight = rng.choice(told.size, ROWS, p=told / told.sum())
    places: Array = np.where(np.arange(ROWS) % 2, by_weight, anything)
    return places
