"""A policy: observations to actions, perhaps with noise, in whole episodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.environments import Array, Environment, make
from edgekit.environments.episodes import Episodes, play
from edgekit.errors import InputError
from edgekit.play import Entry, Wish
from edgekit.tasks.control import decode
from edgekit.tasks.trajectories import draw_episodes

OBSERVATION, NOISE, ACTION = "observation", "noise", "action"
DRAWN = 12  # episodes whose course is handed back


def play_entries(
    entries: Mapping[str, Entry], params: Mapping[str, Any], wish: Wish
) -> dict[str, Any]:
    """Play episodes with a file's actions.

    Returns:
        "returns" and "lengths" by episode, the times of a step, and the course of
        the first DRAWN: "observations", "actions", "rewards".

    Raises:
        InputError: a policy for another environment, or one that does not adapt.
        SetupError: the environment is not installed.
    """
    if wish.trajectories:
        raise InputError("--trajectories", got=wish.trajectories,
                         do="leave it out: this policy adapts to no task")  # fmt: skip
    (entry,) = entries.values()
    episodes = play_file(entry, wish.environment, wish.episodes, wish.seed)
    course = {
        name: _json(getattr(episodes, name)[:, :DRAWN])
        for name in ("observations", "actions", "rewards")
    }
    return {
        "returns": episodes.returns.tolist(), "lengths": episodes.lengths.tolist(),
        **entry.times("step"), **course,
    }  # fmt: skip


def play_file(entry: Entry, environment: str, episodes: int, seed: int) -> Episodes:
    """Play `episodes` episodes with an entry point's actions.

    Args:
        entry: with an input "observation", perhaps "noise", and an output "action".
        environment: a name that `edgekit.environments` knows.
        episodes: all of them begin where `seed` says, so that files can be compared in pairs.
        seed: of the environment and of the noise.

    Raises:
        InputError: the file is no policy, or one for another environment.
        SetupError: the environment is not installed.
    """
    outer = make(environment, episodes, seed)
    return play(outer, _Pilot(entry, outer, seed))


def lines(played: Mapping[str, Any], environment: str) -> list[str]:
    """Return the returns and the time of a step as a person reads them."""
    returns, lengths = np.array(played["returns"]), np.array(played["lengths"])
    count = len(returns)
    error = f" +- {returns.std(ddof=1) / count**0.5:.3g}" if count > 1 else ""
    median, late = played["median_step_us"], played["p95_step_us"]
    return [
        f"return {returns.mean():.5g}{error} (mean and standard error), {returns.min():.5g} to "
        f"{returns.max():.5g} in {count} episodes of {lengths.mean():.4g} steps",
        f"{median:.3g} microseconds a step (median, measured here; 95% within {late:.3g})",
    ]


def draw(played: Mapping[str, Any]) -> npt.NDArray[np.uint8]:
    """Return a picture of the first episodes."""
    course = [np.array(played[name], float) for name in ("observations", "actions", "rewards")]
    return draw_episodes(
        Episodes(np.array(played["returns"]), np.array(played["lengths"]), *course)
    )


def _json(values: Array) -> Any:
    """Return an array as lists, with None for NaN: behind an episode's end."""
    found = values.astype(object)
    found[np.isnan(values)] = None
    return found.tolist()


class _Pilot:
    """Acts as a file says, one observation at a time as on a device."""

    def __init__(self, entry: Entry, outer: Environment, seed: int) -> None:
        self.entry = entry
        entry.take(OBSERVATION, outer.observations)
        entry.give(ACTION, outer.actions)
        if extra := set(entry.inputs) - {OBSERVATION, NOISE}:
            raise InputError("policy: inputs", got=", ".join(sorted(extra)),
                             expected="observation, and noise if any")  # fmt: skip
        self.rng = np.random.default_rng(seed)

    def __call__(self, observations: Array) -> Array:
        return np.concatenate([self._act(row[np.newaxis]) for row in observations])

    def _act(self, observation: Array) -> Array:
        given: dict[str, Any] = {OBSERVATION: observation}
        if NOISE in self.entry.inputs:
            shape = (1, *self.entry.inputs[NOISE].shape[1:])
            given[NOISE] = self.rng.standard_normal(shape).astype(np.float32)
        return decode(self.entry(**given), {})
