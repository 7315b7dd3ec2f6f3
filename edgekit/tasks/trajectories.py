"""Pictures of what was played: paths in the plane, or rewards over the steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.environments.episodes import Episodes
from edgekit.errors import MissingExtraError

SHOWN = 12  # episodes in a picture
Array = npt.NDArray[Any]


def draw_episodes(episodes: Episodes) -> npt.NDArray[np.uint8]:
    """Return a picture of a few episodes, `[H, W, 3]`: returns so far, and actions; or paths.

    Observations of two entries are drawn as places in the plane, else returns over the steps.

    Raises:
        MissingExtraError: Matplotlib is not installed.
    """
    plane = episodes.observations.shape[2] == 2

    def fill(figure: Any) -> None:
        left, right = figure.subplots(1, 2)
        for number in range(min(len(episodes), SHOWN)):
            path = episodes.observations[:, number]
            if plane:
                left.plot(path[:, 0], path[:, 1], lw=1)
            else:
                left.plot(np.cumsum(episodes.rewards[:, number]), lw=1)
            right.plot(episodes.actions[:, number, 0], lw=0.7)
        left.set(xlabel="x" if plane else "step", ylabel="y" if plane else "return so far")
        right.set(xlabel="step", ylabel="action, first entry")

    return _drawn((8, 3.2), fill)


def draw_adaptation(parameters: Array, paths: Array, rewards: Array) -> npt.NDArray[np.uint8]:
    """Return a picture with a panel for each of K tasks, `[H, W, 3]`: trajectories, late ones dark.

    Where states and tasks are places in the plane, paths and the goal; else returns so far.

    Args:
        parameters: of the tasks, `[K, P]`.
        paths: states, `[T, K, H + 1, O]`.
        rewards: `[T, K, H]`.

    Raises:
        MissingExtraError: Matplotlib is not installed.
    """
    count, tasks = paths.shape[:2]
    plane = paths.shape[-1] == parameters.shape[-1] == 2
    columns = min(tasks, 3)
    rows = -(-tasks // columns)

    def fill(figure: Any) -> None:
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for panel in panels[tasks:]:
            panel.axis("off")
        for task, panel in enumerate(panels[:tasks]):
            for number in range(count):
                shade = str(0.8 * (1 - (number + 1) / count))
                label = f"trajectory {number + 1}" if number in (0, count - 1) else None
                if plane:
                    panel.plot(*paths[number, task].T, color=shade, lw=1.2, label=label)
                else:
                    panel.plot(np.cumsum(rewards[number, task]), color=shade, lw=1.2, label=label)
            if plane:
                panel.plot(*parameters[task], "*", color="tab:red", ms=9, label="goal")
                panel.set_aspect("equal")
        panels[0].legend(fontsize=7, frameon=False)
        figure.supxlabel("x" if plane else "step", fontsize=9)
        figure.supylabel("y" if plane else "return so far", fontsize=9)

    return _drawn((8, 0.6 + (1.5 if plane else 2.4) * rows), fill)


def _drawn(size: tuple[float, float], fill: Callable[[Any], None]) -> npt.NDArray[np.uint8]:
    """Return a figure of `size` inches as pixels."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "matplotlib", "report") from None
    figure = Figure(figsize=size, dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    fill(figure)
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
