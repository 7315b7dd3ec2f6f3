"""Control: what is observed to an action, row by row; `edgekit.play` plays whole episodes.

`params` of a manifest: "environment", the name that `edgekit.environments` knows, and "batch", what
the policy was learned from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.signature import DEFAULT_SIGNATURE, TensorSpec
from edgekit.tasks import Params, Score
from edgekit.tasks.tables import Table, read_table

SUFFIXES = ("trajectories.png",)  # of drawn copies\' names
SHOWN = 12  # rows on the screen


# The signatures of a file, and the module of edgekit.play that plays through them.
PLAYERS = {
    (DEFAULT_SIGNATURE,): "edgekit.play.policy",
    ("act", "encode", "fuse"): "edgekit.play.adaptation",
}


def player(signatures: Sequence[str]) -> str:
    """Return the module that plays through entry points of these names.

    Raises:
        InputError: there is none.
    """
    found = PLAYERS.get(tuple(sorted(signatures)))
    if found is None:
        raise InputError("policy: signatures", got=", ".join(signatures),
                         expected=" or ".join(", ".join(names) for names in PLAYERS))  # fmt: skip
    return found


def load(path: Path) -> Table:
    """Read a CSV with a column for each entry of an observation, in order."""
    return read_table(path)


def encode(thing: Table, spec: TensorSpec, params: Params) -> npt.NDArray[Any]:
    """Return the rows as the tensor `[N, O]` that `spec` describes.

    Raises:
        InputError: another number of columns than the policy observes.
    """
    if len(spec.shape) != 2 or len(thing.columns) != spec.shape[1]:
        raise InputError(f"{thing.where}: columns", got=len(thing.columns),
                         expected=f"{spec.shape[-1]}: what {params.get('environment')} shows",
                         )  # fmt: skip
    return spec.quantize(thing.values)


def decode(
    outputs: Mapping[str, npt.NDArray[Any]], params: Params, thing: object = None
) -> npt.NDArray[np.float32]:
    """Return the actions, `[N, A]`.

    Raises:
        InputError: another output, or NaN or infinity in it.
    """
    if set(outputs) != {"action"}:
        raise InputError("control: outputs", got=", ".join(outputs), expected="action")
    action = np.asarray(outputs["action"], np.float32)
    if bad := int((~np.isfinite(action)).sum()):
        raise InputError("control: action", got=f"NaN or infinity in {bad} of {action.size}")
    return action


def describe(answer: npt.NDArray[np.float32]) -> list[dict[str, Any]]:
    """Return each row's action."""
    return [{"action": [float(value) for value in row]} for row in answer]


def lines(answer: npt.NDArray[np.float32]) -> list[str]:
    """Return one line a row; of many rows the first few."""
    shown = [f"row {number + 1}: " + ", ".join(f"{value:.4g}" for value in row)
             for number, row in enumerate(answer[:SHOWN])]  # fmt: skip
    if len(answer) > SHOWN:
        shown.append(f"{len(answer) - SHOWN} more rows (--json shows all)")
    return shown


def remark(params: Params) -> str | None:
    """Return where the policy acts."""
    return f"actions for {params.get('environment')}; --env plays whole episodes"


def draw(thing: object, answer: object) -> tuple[npt.NDArray[np.uint8], ...]:
    """Refuse: rows are no episode.

    Raises:
        InputError: always.
    """
    raise InputError("control: rows of a table cannot be drawn", do="play episodes with --env")


def read(source: str, params: Params) -> Sequence[tuple[Any, Any]]:
    """Refuse: a policy is judged in its environment.

    Raises:
        InputError: always.
    """
    raise InputError("control: no data to evaluate on",
                     do=f"play episodes: edgekit run ARTIFACT --env {params.get('environment')}",
                     )  # fmt: skip


def score(answers: Sequence[Any], truths: Sequence[Any]) -> list[Score]:
    """Refuse, as `read` does.

    Raises:
        InputError: always.
    """
    raise InputError("control: no truths to compare with", do="play episodes with --env")
