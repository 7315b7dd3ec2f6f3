"""A policy that adapts: it encodes what it lives through, and acts by what that says of the task.

The file encodes one transition at a time; here, as on a device, what it says is added up in
float32, whatever the file's scheme, and z is drawn anew from the sum for each trajectory (Rakelly
et al., arXiv:1903.08254, algorithm 2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.environments import Array, Environment
from edgekit.environments.tasks import TaskFamily, draw_tasks, tasks
from edgekit.environments.trajectories import Trajectories, play
from edgekit.errors import InputError
from edgekit.play import Entry, Wish
from edgekit.play.spread import Spread
from edgekit.tasks.trajectories import draw_adaptation

ENCODE, FUSE, ACT = "encode", "fuse", "act"
SUMS = ("precision", "precision_mean")
DRAWN = 6  # tasks whose course is handed back


@dataclass(frozen=True, eq=False)
class Adaptation:
    """Trajectories of K tasks, one after the other, and z in each, `[K, Z]`."""

    played: Sequence[Trajectories]
    latents: Sequence[Array]


def play_entries(
    entries: Mapping[str, Entry], params: Mapping[str, Any], wish: Wish
) -> dict[str, Any]:
    """Play tasks that nobody learned on, as many as `wish.episodes`.

    Returns:
        By trajectory and task "latents" (z), "returns", "sparse_returns" and "found" (whether the
        last step earned a sparse reward), both None where the tasks have no sparse rewards; the
        times of act, encode and fuse; of the first DRAWN tasks "tasks" (their parameters), and by
        trajectory "paths" and "rewards".

    Raises:
        InputError: an artifact for other tasks.
        SetupError: the environment is not installed.
    """
    family = tasks(wish.environment)
    rewards = params.get("rewards")
    if rewards not in ("dense", "sparse") or (rewards == "sparse" and family.sparse is None):
        raise InputError("policy: rewards in the manifest", got=rewards,
                         expected="dense, or sparse for tasks that have them")  # fmt: skip
    parameters = draw_tasks(family, wish.episodes, wish.seed, "test")
    count = wish.trajectories or int(params.get("trajectories", 3))
    noise = draw_noise(
        entries, (count, wish.episodes), wish.seed,
        spread=bool(params.get("spread")), widen=float(params.get("widen", 1.0)),
    )  # fmt: skip
    adaptation = adapt(entries, family, parameters, noise, seed=wish.seed,
                       sparse=rewards == "sparse")  # fmt: skip
    played = adaptation.played
    rare = [t.sparse for t in played if t.sparse is not None]
    return {
        "latents": [z.tolist() for z in adaptation.latents],
        "returns": [t.r.sum(axis=1).tolist() for t in played],
        "sparse_returns": [r.sum(axis=1).tolist() for r in rare] or None,
        "found": [(r[:, -1] > 0).tolist() for r in rare] or None,
        **{k: us for name in (ACT, ENCODE, FUSE) for k, us in entries[name].times(name).items()},
        "tasks": parameters[:DRAWN].tolist(),
        "paths": [_path(t)[:DRAWN].tolist() for t in played],
        "rewards": [t.r[:DRAWN].tolist() for t in played],
    }  # fmt: skip


def adapt(
    entries: Mapping[str, Entry], family: TaskFamily, parameters: Array, noise: Array, *,
    seed: int, sparse: bool = False,
) -> Adaptation:  # fmt: skip
    """Adapt to K tasks, trajectory by trajectory.

    Args:
        entries: encode, fuse and act.
        family: of the tasks.
        parameters: of the tasks, `[K, P]`.
        noise: of z, `[T, K, Z]` for T trajectories.
        seed: of the environment.
        sparse: whether what is encoded holds the sparse rewards.

    Raises:
        InputError: the file is for other observations or actions.
        SetupError: the environment is not installed.
    """
    environment = family.make(parameters, seed)
    _check(entries, environment)
    rare = partial(family.sparse, parameters) if family.sparse else None
    sums = {name: np.zeros(noise.shape[1:], np.float32) for name in SUMS}
    played, latents = [], []
    for drawn in noise.astype(np.float32):
        z = _by_row(entries[FUSE], {**sums, "noise": drawn})["z"]
        acting = partial(_act, entries[ACT], z, environment.limit)
        latest = play(environment, acting, rare)
        _tell(entries[ENCODE], latest, environment, sums, sparse)
        played.append(latest)
        latents.append(z)
    return Adaptation(played, latents)


def draw_noise(
    entries: Mapping[str, Entry], shape: tuple[int, int], seed: int, *, spread: bool = False,
    widen: float = 1.0,
) -> Array:  # fmt: skip
    """Return normal noise of z, `[*shape, Z]` float32, for T trajectories of K tasks.

    Args:
        entries: of which fuse takes it.
        shape: T and K.
        seed: of the noise.
        spread: whether a task's draws are evenly spread; see `spread`.
        widen: its deviation.
    """
    size, rng = entries[FUSE].inputs["noise"].shape[-1], np.random.default_rng(seed)
    if spread:
        draws = Spread(shape[1], size, rng)
        return np.float32(widen) * np.stack([draws.draw() for _ in range(shape[0])])
    noise = widen * rng.standard_normal((*shape, size))
    return noise.astype(np.float32)


def lines(played: Mapping[str, Any], environment: str) -> list[str]:
    """Return each trajectory's return and success, and what a call takes."""
    returns = np.array(played["returns"])
    told = [_line(number, played) for number in range(len(returns))]
    times = ", ".join(f"{played[f'median_{name}_us']:.3g} {article} {name}"
                      for name, article in ((ACT, "an"), (ENCODE, "an"), (FUSE, "a")))  # fmt: skip
    return [
        f"{returns.shape[1]} tasks that it did not learn on; z from the prior, then from all "
        "transitions so far",
        *told,
        f"microseconds: {times} (medians, measured here)",
    ]


def draw(played: Mapping[str, Any]) -> npt.NDArray[np.uint8]:
    """Return a picture of the first tasks: the goal and the paths, or rewards."""
    course = (np.array(played[name]) for name in ("tasks", "paths", "rewards"))
    return draw_adaptation(*course)


def _line(number: int, played: Mapping[str, Any]) -> str:
    found = played["found"]
    success = f", success {np.mean(found[number]):.0%}" if found else ""
    rare = played["sparse_returns"]
    sparse = f", sparse return {np.mean(rare[number]):.4g}" if rare else ""
    mean = np.mean(played["returns"][number])
    return f"trajectory {number + 1}: return {mean:.4g}{sparse}{success}"


def _path(trajectories: Trajectories) -> Array:
    """Return the states of each task from the first to the last, `[K, H + 1, O]`."""
    return np.concatenate([trajectories.s, trajectories.following[:, -1:]], axis=1)


def _check(entries: Mapping[str, Entry], environment: Environment) -> None:
    o, a = environment.observations, environment.actions
    encode, act = entries[ENCODE], entries[ACT]
    for entry, name, size in ((act, "observation", o), (encode, "observation", o),
                              (encode, "action", a), (encode, "reward", 1)):  # fmt: skip
        entry.take(name, size)
    if "next_observation" in encode.inputs:
        encode.take("next_observation", o)
    act.give("action", a)


def _act(entry: Entry, z: Array, limit: Array, states: Array) -> Array:
    """Return the actions in states `[K, O]`, in -1..1."""
    return _by_row(entry, {"observation": states, "z": z})["action"] / limit


def _tell(
    entry: Entry, latest: Trajectories, environment: Environment, sums: dict[str, Array],
    sparse: bool,
) -> None:  # fmt: skip
    """Encode each transition and add what it says to the sums."""
    rewards = latest.sparse if sparse and latest.sparse is not None else latest.r
    for step in range(latest.s.shape[1]):
        given = {
            "observation": latest.s[:, step], "action": latest.a[:, step] * environment.limit,
            "reward": rewards[:, step, None], "next_observation": latest.following[:, step],
        }  # fmt: skip
        told = _by_row(entry, {name: given[name] for name in entry.inputs})
        for name in SUMS:
            sums[name] += told[name]


def _by_row(entry: Entry, given: Mapping[str, Array]) -> dict[str, Array]:
    """Return the answers to K rows, one at a time as on a device."""
    rows = len(next(iter(given.values())))
    told = [entry(**{k: v[i : i + 1].astype(np.float32) for k, v in given.items()})
            for i in range(rows)]  # fmt: skip
    return {name: np.concatenate([t[name] for t in told]) for name in told[0]}
