"""What a person sees while a network trains: a bar on a terminal, and a line an epoch."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class EpochProgress:
    """Progress on stderr; silent under -q and on workers other than the chief."""

    def __init__(self, phase: str, epochs: int, steps: int, *, chief: bool = True) -> None:
        quiet = not chief or logging.getLogger("edgekit").level >= logging.ERROR
        self.console = Console(stderr=True, highlight=False, quiet=quiet)
        self.phase, self.epochs, self.steps = phase, epochs, steps
        self.bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeRemainingColumn(), TextColumn("loss {task.fields[loss]:.4f}"),
            console=self.console, transient=True, disable=not self.console.is_terminal,
        )  # fmt: skip
        self.task = self.bar.add_task(phase, total=steps, loss=float("nan"))

    def __enter__(self) -> EpochProgress:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: Any, where: TracebackType | None
    ) -> None:
        self.bar.stop()

    def step(self, epoch: int, done: int, loss: float) -> None:
        """Show that `done` steps of `epoch`, counted from 0, are complete."""
        name = f"{self.phase} {epoch + 1}/{self.epochs}"
        self.bar.update(self.task, description=name, completed=done, loss=loss)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Print the line of a complete epoch."""
        scores = "  ".join(
            f"{k} {v:.4g}" for k, v in row.items() if k not in ("phase", "epoch", "seconds")
        )
        self.console.print(
            f"{self.phase} {row['epoch']}/{self.epochs}  {scores}  {row['seconds']:.1f} s",
            soft_wrap=True,
        )
