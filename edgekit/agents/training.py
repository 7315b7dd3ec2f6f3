"""The loop of agents: epochs of updates, each judged, kept in a checkpoint and written down.

A run that is killed and resumed ends with the weights of one that was not: rows and noise are
functions of the seed and the number of the update, and everything else is in the checkpoint.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from edgekit.agents.updates import Updates
from edgekit.errors import CheckFailedError
from edgekit.train.checkpoint import Checkpoints, State
from edgekit.train.history import History
from edgekit.train.progress import EpochProgress

Judge = Callable[[], Mapping[str, float]]


@dataclass(frozen=True)
class Course:
    """How long an agent learns, and where that is kept."""

    folder: Path
    epochs: int
    calls: int  # of compiled updates, in an epoch
    count: int  # updates of a call
    seed: int = 0
    phase: str = "float"

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.folder / "checkpoints" / self.phase


def train(
    agent: Any, updates: Updates, judge: Judge, course: Course, *, resume: bool = False
) -> dict[str, float]:
    """Train `agent` in place and return the last epoch's scores.

    There is no best epoch: who learns from a batch has no episodes to choose by.

    Args:
        agent: a tf.Module; its networks, optimizers and counters are what a checkpoint holds.
        updates: see `compile_updates`.
        judge: the scores of the agent as it is, after each epoch.
        course: how long, and the places.
        resume: go on from the newest checkpoint, if there is one.

    Raises:
        CheckFailedError: a loss or a weight is no longer finite.
        InputError: a checkpoint is damaged, or the folder cannot be written.
    """
    state = State(agent, agent.optimizers)
    checkpoints = Checkpoints(course.checkpoints, state)
    history = History(course.folder, course.phase)
    checkpoints.sweep()
    if resume:
        checkpoints.restore()
    history.begin(int(state.epoch))
    scores: dict[str, float] = {}
    with EpochProgress(course.phase, course.epochs, course.calls) as progress:
        for epoch in range(int(state.epoch), course.epochs):
            started = time.monotonic()
            told = _run_epoch(agent, updates, course, epoch, progress)
            scores = {name: float(value) for name, value in judge().items()}
            row = {
                "phase": course.phase, "epoch": epoch + 1, **told,
                **{f"val_{name}": value for name, value in scores.items()},
                "seconds": round(time.monotonic() - started, 3),
            }  # fmt: skip
            history.add(row)
            state.epoch.assign(epoch + 1)
            checkpoints.save()
            progress.epoch(row)
    return scores or {
        name.removeprefix("val_"): value
        for name, value in history.rows[-1].items()
        if name.startswith("val_")
    }


def _run_epoch(
    agent: Any, updates: Updates, course: Course, epoch: int, progress: EpochProgress
) -> dict[str, float]:
    """Return the means of what the updates of one epoch told."""
    totals: dict[str, float] = {}
    for call in range(course.calls):
        first = (epoch * course.calls + call) * course.count
        told = updates(course.seed, first)
        _check_finite(agent, told, course.phase, epoch)
        for name, value in told.items():
            totals[name] = totals.get(name, 0.0) + value / course.calls
        progress.step(epoch, call + 1, next(iter(told.values())))
    return totals


def _check_finite(agent: Any, told: Mapping[str, float], phase: str, epoch: int) -> None:
    wrong = [f"{name} {value}" for name, value in told.items() if not math.isfinite(value)]
    wrong += [
        f"NaN or infinity in {v.name}"
        for v in agent.trainable_variables
        if not bool(tf.reduce_all(tf.math.is_finite(v)))
    ]
    if wrong:
        raise CheckFailedError(f"training diverged in epoch {epoch + 1} of {phase}", got=wrong[0],
                               do="take smaller learning rates, or look at the batch")  # fmt: skip
