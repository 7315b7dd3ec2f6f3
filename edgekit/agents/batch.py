"""A batch: what somebody did in an environment, saved with where it is from."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.agents.replay import Transitions
from edgekit.environments import Environment
from edgekit.errors import InputError
from edgekit.files import write_file

SCHEMA = 1
_SLACK = 1e-4  # beyond -1..1: float32 and a squashed action


@dataclass(frozen=True, eq=False)
class Batch:
    """Transitions of an environment; actions are in -1..1."""

    steps: Transitions
    environment: str | None  # its name; None where the file does not say
    origin: Mapping[str, Any] = field(default_factory=dict)  # as {"behaviour": "medium", "seed": 0}

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def sha256(self) -> str:
        """The hash of the five arrays."""
        digest = hashlib.sha256()
        for array in self.steps.arrays():
            digest.update(np.ascontiguousarray(array, np.float32).tobytes())
        return digest.hexdigest()


def check(batch: Batch, where: str, environment: Environment) -> Batch:
    """Return the batch if one can learn from it.

    Raises:
        InputError: empty, of other shapes than the environment's, NaN or infinity, or actions
            beyond the limit.
    """
    steps, n = batch.steps, len(batch)
    if not n:
        raise InputError(f"{where}: no transitions")
    widths = {"s": (environment.observations,), "a": (environment.actions,), "r": (),
              "following": (environment.observations,), "ended": ()}  # fmt: skip
    for name, width in widths.items():
        array = getattr(steps, name)
        if array.shape != (n, *width):
            what = {"s": "observations", "a": "actions", "following": "next observations"}
            raise InputError(f"{where}: {what.get(name, name)}", got=list(array.shape),
                             expected=str([n, *width]))  # fmt: skip
        if bad := int((~np.isfinite(array)).sum()):
            raise InputError(f"{where}: {name}", got=f"NaN or infinity in {bad} of {array.size}",
                             do="remove those transitions")  # fmt: skip
    if (most := float(np.abs(steps.a).max())) > 1 + _SLACK:
        raise InputError(f"{where}: actions", got=f"{most:.4g} of the environment's limit",
                         expected="at most 1")  # fmt: skip
    return batch


def write_batch(path: Path, batch: Batch) -> None:
    """Write an .npz: the arrays of `Transitions`, and JSON under "batch"."""
    told = {"schema": SCHEMA, "environment": batch.environment, "origin": dict(batch.origin),
            "sha256": batch.sha256}  # fmt: skip
    arrays = {f.name: getattr(batch.steps, f.name) for f in fields(Transitions)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, batch=np.array(json.dumps(told)), **arrays)
    write_file(path, buffer.getvalue())


def read_batch(path: Path) -> Batch:
    """Read what `write_batch` wrote.

    Raises:
        InputError: not such a file, or another than was written.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            told = json.loads(str(file["batch"]))
            steps = Transitions(*(np.asarray(file[f.name], np.float32)
                                  for f in fields(Transitions)))  # fmt: skip
        if told["schema"] != SCHEMA:
            raise InputError(f"{path}: unknown schema", got=told["schema"], expected=str(SCHEMA))
        batch = Batch(steps, told["environment"], told["origin"])
        expected = told["sha256"]
    except FileNotFoundError:
        raise InputError(f"{path}: not found") from None
    except KeyError as error:
        names = ", ".join(f.name for f in fields(Transitions))
        raise InputError(f"{path}: no {error} in it", expected=f"batch, {names}") from None
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: cannot be read as a batch", got=error) from None
    if batch.sha256 != expected:
        raise InputError(f"{path}: changed since it was written",
                         got=f"SHA-256 {batch.sha256[:12]}", expected=expected[:12])  # fmt: skip
    return batch


def join(parts: list[Batch]) -> Batch:
    """Return the transitions of several batches as one."""
    if len(parts) == 1:
        return parts[0]
    columns = zip(*(part.steps.arrays() for part in parts), strict=True)
    return Batch(
        Transitions(*(np.concatenate(column) for column in columns)), parts[0].environment,
        {"parts": [dict(part.origin) for part in parts]},
    )  # fmt: skip
