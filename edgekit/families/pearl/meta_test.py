"""Meta-test (algorithm 2): new tasks, adapted to trajectory by trajectory; no weight changes."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.environments.tasks import TaskFamily
from edgekit.environments.trajectories import Trajectories, play
from edgekit.families.pearl.actor import Actor
from edgekit.families.pearl.rollout import Players, unknown

Array = npt.NDArray[Any]


def meta_test(
    agent: Actor,
    family: TaskFamily,
    parameters: Array,
    *,
    trajectories: int,
    seed: int,
    sparse: bool = False,
    explore: bool = False,
    adapt: bool = True,
    players: Players | None = None,
) -> list[Trajectories]:
    """Return K tasks' trajectories by the policy's mean, the first with z from the prior.

    Args:
        agent: trained.
        family: of the tasks.
        parameters: of the tasks, `[K, P]`.
        trajectories: how many, each with a z drawn anew from the posterior so far.
        seed: of latents, environments and actions.
        sparse: whether the context holds the sparse rewards.
        explore: whether the context is gathered by drawn actions, as in meta-training: one more
            trajectory for each z, of which only the context learns. Else it is what is returned.
        adapt: False draws every z from the prior: an ablation.
        players: who plays, where noise is given; else drawn by the seed.
    """
    environment = family.make(parameters, seed)
    players = players or Players(agent, sparse=sparse, rng=np.random.default_rng(seed))
    rare = partial(family.sparse, parameters) if family.sparse else None
    belief = unknown(len(parameters), agent.config.latent)
    played = []
    for _ in range(trajectories):
        z = players.posterior(belief)
        played.append(play(environment, players.policy(z, stochastic=False), rare))
        if adapt:
            seen = (play(environment, players.policy(z, stochastic=True), rare)
                    if explore else played[-1])  # fmt: skip
            belief = players.see(belief, seen)
    return played
