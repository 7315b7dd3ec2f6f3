"""Environments, many of one kind stepped together; light, so that a device can play them too.

Actions are in the environment's own units here; agents scale theirs from -1..1 by `limit`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Step:
    """What one step of N environments brought."""

    following: Array  # [N, O] float32: the state that the action led to
    reward: Array  # [N] float32
    ended: Array  # [N] bool: there is nothing beyond, as after a fall
    over: Array  # [N] bool: the episode is over, by its end or by its time
    observation: Array  # [N, O] float32: what to act on next; of a new episode where one is over


class Environment(Protocol):
    """N environments of one kind; episodes begin anew by themselves."""

    count: int  # N
    observations: int  # O
    actions: int  # A
    limit: Array  # [A]: actions lie within -limit..limit
    horizon: int  # steps of an episode, at the most

    def reset(self) -> Array:
        """Begin N episodes and return what is seen, `[N, O]` float32."""
        ...

    def step(self, actions: Array) -> Step:
        """Take `[N, A]` actions; beyond the limit they are clipped."""
        ...


# name -> (count, seed) -> environment; any other name is asked of gymnasium
ENVIRONMENTS: dict[str, Callable[[int, int], Environment]] = {}


def register(name: str, make: Callable[[int, int], Environment]) -> None:
    """Add an environment of our own."""
    if name in ENVIRONMENTS:
        raise ValueError(f"environment {name} is registered already")
    ENVIRONMENTS[name] = make


def make(name: str, count: int = 1, seed: int = 0) -> Environment:
    """Return `count` environments called `name`: our own, or gymnasium's.

    Raises:
        InputError: there is none of that name, or its observations or actions are no vectors.
        MissingExtraError: gymnasium, or what that environment needs, is not installed.
    """
    if count < 1:
        raise InputError(f"environment {name}: count", got=count, expected="1 or more")
    from edgekit.environments import point_robot  # noqa: F401  (registers itself)

    if name in ENVIRONMENTS:
        return ENVIRONMENTS[name](count, seed)
    from edgekit.environments.gym import GymEnvironment

    return GymEnvironment(name, count, seed)


def check_actions(name: str, actions: Array, count: int, size: int) -> Array:
    """Return actions as float32 `[N, A]`.

    Raises:
        InputError: another shape, or NaN or infinity among them.
    """
    actions = np.asarray(actions, np.float32)
    if actions.shape != (count, size):
        raise InputError(f"environment {name}: actions", got=list(actions.shape),
                         expected=f"[{count}, {size}]")  # fmt: skip
    if not np.isfinite(actions).all():
        raise InputError(f"environment {name}: actions", got="NaN or infinity")
    return actions
