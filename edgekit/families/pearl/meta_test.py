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
    spread: bool = False,
    widen: float = 1.0,
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
        explore: whether the context is gathered as in meta-training: by one more trajectory before
            each but the first, with drawn actions and z of its own. Else it is what is returned,
            as on a device.
        spread: whether latents of the context are spread evenly (see `play.spread`).
        widen: what their deviation from the posterior's mean is multiplied by. Above 1 tasks at the
            border of the prior are looked for too (Agrawal and Goyal, arXiv:1209.3352, widen the
            posterior of Thompson sampling likewise).
        adapt: False draws every z from the prior: an ablation.
        players: who plays, where noise is given; else drawn by the seed.
    """
    environment = family.make(parameters, seed)
    players = players or Players(agent, sparse=sparse, rng=np.random.default_rng(seed))
    rare = partial(family.sparse, parameters) if family.sparse else None
    belief = unknown(len(parameters), agent.config.latent)
    noise, played = players.noise(len(parameters), spread=spread), []
    for number in range(trajectories):
        if explore and adapt and number:
            looking = players.policy(players.posterior(belief, widen * noise()), stochastic=True)
            belief = players.see(belief, play(environment, looking, rare))
        drawn = None if explore else widen * noise()
        policy = players.policy(players.posterior(belief, drawn), stochastic=False)
        played.append(play(environment, policy, rare))
        if adapt and not explore:
            belief = players.see(belief, played[-1])
    return played
