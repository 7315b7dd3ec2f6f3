"""Batches made here: by chance, and by soft actor-critic on its way from there to an expert.

random: actions drawn evenly. expert: the agent at its end. medium: the agent as it was when it
first had a third of the expert's advantage over chance (as D4RL, arXiv:2004.07219). mixed: what the
agent did, chance at the beginning included, up to there (D4RL's medium-replay).
"""

from __future__ import annotations

import numpy as np

from edgekit.agents.apprentice import Apprentice, Apprenticeship, at_random
from edgekit.agents.batch import Batch, join
from edgekit.agents.replay import Transitions
from edgekit.environments import make
from edgekit.errors import InputError

BEHAVIOURS = ("random", "medium", "mixed", "expert")


def is_behaviour(source: str) -> bool:
    """Whether `source` names behaviours, as "expert" or "random+medium"."""
    return all(part in BEHAVIOURS for part in source.split("+"))


def collect(
    environment: str, source: str, size: int, seed: int, how: Apprenticeship | None = None
) -> Batch:
    """Return `size` transitions of each behaviour in `source`, as "random+medium", in one batch.

    mixed has as many as the agent took.

    Raises:
        InputError: no such behaviour or environment, or the agent learned too little.
    """
    if not is_behaviour(source):
        raise InputError(f"batch {source}", expected="one of " + ", ".join(BEHAVIOURS))
    wanted = source.split("+")
    found = collect_all(environment, tuple(wanted), size, seed, how)
    return join([found[name] for name in wanted])


def collect_all(
    environment: str, wanted: tuple[str, ...], size: int, seed: int,
    how: Apprenticeship | None = None,
) -> dict[str, Batch]:  # fmt: skip
    """Return the batch of each behaviour; one agent learns for all of them."""
    how = how or Apprenticeship()
    outer = make(environment, how.members, seed)
    rng = np.random.default_rng([seed, 1])
    steps: dict[str, Transitions] = {}
    told: dict[str, float] = {}
    if "random" in wanted:
        steps["random"] = at_random(outer, size, rng)
    if set(wanted) - {"random"}:
        learned, told = Apprentice(environment, outer, how, seed).batches(size)
        steps |= learned

    def batch(name: str) -> Batch:
        more = {} if name == "random" else told
        return Batch(steps[name], environment, {"behaviour": name, "seed": seed, **more})

    return {name: batch(name) for name in wanted}


def collect_within(
    environment: str, returns: tuple[float, float], size: int, seed: int,
    how: Apprenticeship | None = None, pace: float = -np.inf,
) -> Batch:  # fmt: skip
    """Return `size` transitions of the agent as it was when its return first lay within `returns`.

    Its mean action is judged; its stochastic policy makes the batch, whose origin has the return
    and the steps that it took to learn. Where a bonus is paid for every step, a return is earned by
    standing still as well; then `pace` says what is to be earned by the step, at the least.

    Raises:
        InputError: no such environment, or no judgement lay there.
    """
    how = how or Apprenticeship()
    outer = make(environment, how.members, seed)
    steps, told = Apprentice(environment, outer, how, seed).within(*returns, pace, size)
    behaviour = f"from {returns[0]:g} to {returns[1]:g}"
    return Batch(steps, environment, {"behaviour": behaviour, "seed": seed, **told})
