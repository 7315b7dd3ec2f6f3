"""The batch of a run: made here, or read from a file that the user brings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit.agents.apprentice import Apprenticeship
from edgekit.agents.batch import Batch, check, read_batch
from edgekit.agents.collection import BEHAVIOURS, collect, is_behaviour
from edgekit.agents.hdf5 import read_d4rl, read_minari
from edgekit.environments import Environment, make
from edgekit.errors import InputError
from edgekit.families.bear import Config

_HDF5 = (".hdf5", ".h5")


def load(source: str, config: Config, *, seed: int = 0) -> Batch:
    """Return the batch in `source`.

    Args:
        source: behaviours, as "random+medium", whose batch is made now; an .npz of an earlier run;
            a D4RL .hdf5; or a Minari folder.
        config: its environment, and how long the agent learns that makes batches.
        seed: of that agent.

    Raises:
        InputError: none of these, damaged, or of another environment.
        SetupError: the environment is not installed.
    """
    environment = make(config.environment)
    path = Path(source)
    if path.exists():
        batch = _read(path, environment)
    elif is_behaviour(source):
        how = Apprenticeship(steps=config.behaviour_steps)
        batch = collect(config.environment, source, config.transitions, seed, how)
    else:
        raise InputError(
            f"--data {source}: no batch", expected="a file, or one of " + ", ".join(BEHAVIOURS)
            + ", or several as random+medium",
        )  # fmt: skip
    if batch.environment not in (None, config.environment):
        raise InputError(f"{source}: environment", got=batch.environment,
                         expected=config.environment, do="give --environment")  # fmt: skip
    return check(batch, source, environment)


def _read(path: Path, environment: Environment) -> Batch:
    limit: Any = environment.limit
    if path.is_dir():
        return read_minari(path, limit)
    if path.suffix in _HDF5:
        return read_d4rl(path, limit)
    if path.suffix == ".npz":
        return read_batch(path)
    raise InputError(f"{path}: no batch", expected="an .npz, a D4RL .hdf5 or a Minari folder")
