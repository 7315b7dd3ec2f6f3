"""Batches that a user brings: D4RL's HDF5 files and Minari's folders.

D4RL (Fu et al., arXiv:2004.07219) keeps one row a step: observations, actions, rewards, terminals,
timeouts, and in newer files next_observations. Minari keeps a group an episode in
data/main_data.hdf5: observations [T + 1, O], actions [T, A], rewards, terminations, truncations.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from edgekit.agents.batch import Batch
from edgekit.agents.replay import Transitions
from edgekit.errors import InputError

Array = npt.NDArray[Any]
MAIN = "main_data.hdf5"


def read_d4rl(path: Path, limit: Array) -> Batch:
    """Read a D4RL file; its actions are divided by `limit`, `[A]`.

    Where it holds no next_observations, the next row's observation is the next state: the last step
    before a timeout, whose next state the file does not hold, is left out.

    Raises:
        InputError: damaged, or an array is missing.
    """
    steps = _opened(path, lambda file: _d4rl_steps(path, file, limit))
    return Batch(steps, None, {"file": path.name, "format": "D4RL"})


def read_minari(folder: Path, limit: Array) -> Batch:
    """Read a Minari data set: its folder, or the `data` folder in it.

    Raises:
        InputError: not one, damaged, or observations or actions that are no vectors.
    """
    data = folder / "data" if (folder / "data" / MAIN).exists() else folder
    if not (data / MAIN).exists():
        raise InputError(f"{folder}: no batch", expected=f"a Minari folder with data/{MAIN}")

    def read(file: Any) -> tuple[Transitions, str | None]:
        episodes = sorted((n for n in file if re.fullmatch(r"episode_\d+", n)),
                          key=lambda n: int(n.rpartition("_")[2]))  # fmt: skip
        if not episodes:
            raise InputError(f"{data / MAIN}: no episodes")
        parts = [_episode(f"{data / MAIN}: {name}", file[name], limit) for name in episodes]
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        return Transitions(*columns), _environment(data, file)

    steps, environment = _opened(data / MAIN, read)
    return Batch(steps, environment, {"folder": folder.name, "format": "Minari"})


def _opened(path: Path, read: Callable[[Any], Any]) -> Any:
    try:
        with h5py.File(path, "r") as file:
            return read(file)
    except FileNotFoundError:
        raise InputError(f"{path}: not found") from None
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        reason = str(error).strip("'\"").splitlines()[0][:160]
        raise InputError(f"{path}: damaged, or not HDF5", got=reason,
                         do="fetch or copy it again") from None  # fmt: skip


def _d4rl_steps(path: Path, file: Any, limit: Array) -> Transitions:
    given = {name: _array(path, file, name) for name in ("observations", "actions", "rewards",
                                                         "terminals")}  # fmt: skip
    rows = {name: len(array) for name, array in given.items()}
    if len(set(rows.values())) > 1:
        raise InputError(f"{path}: rows", got=str(rows), expected="as many of each")
    s, a, r, ended = given.values()
    if "next_observations" in file:
        following, kept = _array(path, file, "next_observations"), np.ones(len(s), bool)
    elif "timeouts" in file:
        following = np.concatenate([s[1:], s[-1:]])
        out_of_time = _array(path, file, "timeouts").astype(bool)
        kept = ~out_of_time | (ended > 0)
        kept[-1] = ended[-1] > 0
    else:
        raise InputError(f"{path}: arrays", got=", ".join(file),
                         expected="next_observations or timeouts as well")  # fmt: skip
    a = _scaled(str(path), a, limit)
    return Transitions(*(x[kept].astype(np.float32) for x in (s, a, r, following, ended)))


def _array(path: Path, file: Any, name: str) -> Array:
    if name not in file or not isinstance(file[name], h5py.Dataset):
        raise InputError(f"{path}: no array {name}", got=", ".join(list(file)[:8]),
                         expected="a D4RL file")  # fmt: skip
    return np.asarray(file[name])


def _episode(where: str, group: Any, limit: Array) -> tuple[Array, ...]:
    for name in ("observations", "actions"):
        if not isinstance(group[name], h5py.Dataset) or group[name].ndim != 2:
            raise InputError(f"{where}: {name}", got="no vectors", expected="[T, size]")
    seen, a = np.asarray(group["observations"]), np.asarray(group["actions"])
    if len(seen) != len(a) + 1:
        raise InputError(f"{where}: observations", got=len(seen),
                         expected=f"{len(a) + 1}: one more than actions")  # fmt: skip
    r, ended = np.asarray(group["rewards"]), np.asarray(group["terminations"])
    columns = (seen[:-1], _scaled(where, a, limit), r, seen[1:], ended)
    return tuple(column.astype(np.float32) for column in columns)


def _scaled(where: str, actions: Array, limit: Array) -> Array:
    if actions.ndim != 2 or actions.shape[1] != len(limit):
        raise InputError(f"{where}: actions", got=list(actions.shape),
                         expected=f"[N, {len(limit)}]")  # fmt: skip
    scaled: Array = actions / limit
    return scaled


def _environment(data: Path, file: Any) -> str | None:
    """Return the name that metadata.json, or in older files an attribute, gives."""
    spec = file.attrs.get("env_spec")
    if (data / "metadata.json").is_file():
        spec = json.loads((data / "metadata.json").read_text()).get("env_spec", spec)
    spec = json.loads(spec) if isinstance(spec, str | bytes) else spec
    return str(spec["id"]) if spec and "id" in spec else None
