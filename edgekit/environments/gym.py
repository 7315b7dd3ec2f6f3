"""Gymnasium's environments, with vectors of observations and bounded vectors of actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgekit.environments import Array, Step, check_actions
from edgekit.environments.mujoco_warnings import redirect
from edgekit.errors import InputError, MissingExtraError, SetupError


class GymEnvironment:
    """`count` gymnasium environments stepped one after the other; see `Environment`.

    gymnasium's own vectors keep the last state of an episode back for a step of its own; here it
    comes with the step that led to it.
    """

    def __init__(
        self, name: str, count: int, seed: int, members: Sequence[Any] | None = None
    ) -> None:
        """Open the environments, or take those that are open."""
        self.name, self.count = name, count
        self.members = [open_gym(name) for _ in range(count)] if members is None else members
        first = self.members[0]
        self.observations, self.actions = (
            _size(name, first, "observation"),
            _size(name, first, "action"),
        )
        self.limit = _limit(name, first.action_space)
        self.horizon = int(getattr(first.spec, "max_episode_steps", None) or 1000)
        self.seeds: list[int | None] = [seed * 1_000_003 + i for i in range(count)]
        self._steps = np.zeros(count, int)

    def reset(self) -> Array:
        """Begin N episodes; the first have the seeds that the environment was made with."""
        self._steps[:] = 0
        return np.stack([self._begin(i) for i in range(self.count)])

    def step(self, actions: Array) -> Step:
        """Take `[N, A]` actions."""
        actions = check_actions(self.name, actions, self.count, self.actions)
        actions = np.clip(actions, -self.limit, self.limit)
        following = np.empty((self.count, self.observations), np.float32)
        reward, ended = np.empty(self.count, np.float32), np.empty(self.count, bool)
        over = np.empty(self.count, bool)
        for i, member in enumerate(self.members):
            following[i], reward[i], ended[i], out_of_time, _ = member.step(actions[i])
            over[i] = ended[i] or out_of_time
        observation = following
        if over.any():
            observation = following.copy()
            for i in np.flatnonzero(over):
                observation[i] = self._begin(i)
        return Step(following, reward, ended, over, observation)

    def _begin(self, i: int) -> Array:
        seed, self.seeds[i] = self.seeds[i], None
        return np.asarray(self.members[i].reset(seed=seed)[0], np.float32)


def open_gym(name: str, **options: Any) -> Any:
    """Return gymnasium's environment of that name.

    Raises:
        InputError: gymnasium knows none.
        MissingExtraError: it is not installed.
        SetupError: the simulator that the environment needs is not.
    """
    try:
        import gymnasium
    except ModuleNotFoundError:
        raise MissingExtraError("gymnasium", "rl") from None
    if "mujoco" in str(getattr(gymnasium.registry.get(name), "entry_point", "")):
        redirect()
    try:
        return gymnasium.make(name, **options)
    except (gymnasium.error.DependencyNotInstalled, ModuleNotFoundError) as error:
        if "mujoco" in str(error).lower():
            raise MissingExtraError("mujoco", "mujoco") from None
        raise SetupError(f"environment {name}", got=str(error).splitlines()[0][:200],
                         do="install what gymnasium asks for") from None  # fmt: skip
    except gymnasium.error.Error as error:
        reason = str(error).splitlines()[0][:200]
        raise InputError(f"environment {name}: unknown", got=reason,
                         expected="point-robot, or a name of gymnasium's, as Pendulum-v1",
                         ) from None  # fmt: skip


def _size(name: str, member: Any, side: str) -> int:
    shape = getattr(getattr(member, f"{side}_space"), "shape", None)
    if shape is None or len(shape) != 1:
        raise InputError(f"environment {name}: {side}s", got=str(shape), expected="a vector")
    return int(shape[0])


def _limit(name: str, space: Any) -> Array:
    low, high = getattr(space, "low", None), getattr(space, "high", None)
    if low is None or high is None or not np.isfinite(high).all() or not np.allclose(low, -high):
        raise InputError(f"environment {name}: actions", got=str(space),
                         expected="within -limit..limit")  # fmt: skip
    return np.asarray(high, np.float32)
