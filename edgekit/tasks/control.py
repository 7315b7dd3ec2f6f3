"""Control: what is observed to an action, row by row; episodes are played by `edgekit.play`.

`params` of a manifest: "environment", the name that `edgekit.environments` knows, and "batch", what
the policy was learned from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.environments.episodes import Episodes
from edgekit.errors import InputError, MissingExtraError
from edgekit.signature import TensorSpec
from edgekit.tasks import Params, Score
from edgekit.tasks.tables import Table, read_table

SUFFIXES = ("trajectories",)  # of drawn copies' names
SHOWN = 12  # rows on the screen, and episodes in a picture


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


def draw_episodes(episodes: Episodes) -> npt.NDArray[np.uint8]:
    """Return a picture of a few episodes, `[H, W, 3]`: returns so far, and actions; or paths.

    Observations of two entries are drawn as places in the plane, else returns over the steps.

    Raises:
        MissingExtraError: Matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "matplotlib", "report") from None
    figure = Figure(figsize=(8, 3.2), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for number in range(min(len(episodes), SHOWN)):
        path = episodes.observations[:, number]
        if path.shape[1] == 2:
            left.plot(path[:, 0], path[:, 1], lw=1)
        else:
            left.plot(np.cumsum(episodes.rewards[:, number]), lw=1)
        right.plot(episodes.actions[:, number, 0], lw=0.7)
    plane = episodes.observations.shape[2] == 2
    left.set(xlabel="x" if plane else "step", ylabel="y" if plane else "return so far")
    right.set(xlabel="step", ylabel="action, first entry")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


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
