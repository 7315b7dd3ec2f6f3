"""Meta-test (algorithm 2): new tasks, adapted to trajectory by trajectory; no weight changes."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.environments.tasks import TaskFamily
from edgekit.families.pearl.agent import Pearl
from edgekit.families.pearl.rollout import Episodes, Players, play, unknown

Array = npt.NDArray[Any]


def meta_test(
    agent: Pearl,
    family: TaskFamily,
    parameters: Array,
    *,
    trajectories: int,
    seed: int,
    sparse: bool = False,
    stochastic: bool = False,
    adapt: bool = True,
) -> list[Episodes]:
    """Return the trajectories of K tasks, the first with z from the prior.

    Args:
        agent: trained.
        family: of the tasks.
        parameters: of the tasks, `[K, P]`.
        trajectories: how many, each with a z drawn anew from the posterior so far.
        seed: of latents, environments and actions.
        sparse: whether the context holds the sparse rewards.
        stochastic: whether actions are drawn; else they are the policy's mean, as the authors' are.
        adapt: False draws every z from the prior: an ablation.
    """
    environment = family.make(parameters, seed)
    players = Players(agent, sparse=sparse, rng=np.random.default_rng(seed))
    rare = partial(family.sparse, parameters) if family.sparse else None
    belief = unknown(len(parameters), agent.config.latent)
    played = []
    for _ in range(trajectories):
        z = players.posterior(belief)
        played.append(play(environment, players.policy(z, stochastic=stochastic), rare))
        if adapt:
            belief = players.see(belief, played[-1])
    return played
