"""Tasks: from the thing a person has to tensors, and from tensors back to an answer.

A task is a module of plain NumPy functions; `Task` says which. `params` is the manifest's `task`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.signature import TensorSpec

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Score:
    """One figure over a data set."""

    metric: str
    value: float
    interval: tuple[float, float] | None  # 95%
    n: int  # examples
    unit: str = "1"  # "1" for a share, else the metric's own
    better: str = "higher"  # or "lower"
    hits: str | None = None  # of a share: "1" or "0" for each example, in the data's order


class Task(Protocol):
    """What a task module offers."""

    def load(self, path: Path) -> Any:
        """Read the thing that a person has, as a picture."""
        ...

    def encode(self, thing: Any, spec: TensorSpec, params: Params) -> npt.NDArray[Any]:
        """Return the raw tensor that `spec` describes."""
        ...

    def decode(self, outputs: Mapping[str, npt.NDArray[Any]], params: Params, thing: Any) -> Any:
        """Return the answer to `thing` in `outputs`, which hold real values."""
        ...

    def describe(self, answer: Any) -> list[dict[str, Any]]:
        """Return the answer as rows of JSON types, most important first."""
        ...

    def lines(self, answer: Any) -> list[str]:
        """Return the answer as a person reads it, most important first."""
        ...

    def remark(self, params: Params) -> str | None:
        """Return what must be known to read the lines, if anything."""
        ...

    SUFFIXES: tuple[str, ...]  # of the names of saved answers

    def draw(self, thing: Any, answer: Any) -> tuple[Any, ...]:
        """Return for each suffix a picture, `[H, W, 3]` uint8 or indices, or arrays by name."""
        ...

    def read(self, source: str, params: Params) -> Sequence[tuple[Any, Any]]:
        """Return the test split of the data in `source` as pairs of thing and truth."""
        ...

    def score(self, answers: Sequence[Any], truths: Sequence[Any]) -> list[Score]:
        """Return the task's metrics."""
        ...


TASKS: dict[str, str] = {}


def register(name: str, module: str) -> None:
    """Add a task; it is imported when it is asked for."""
    if name in TASKS:
        raise ValueError(f"task {name} is registered already, as {TASKS[name]}")
    TASKS[name] = module


def task(params: Params) -> Task:
    """Return the task that a manifest names.

    Raises:
        InputError: there is none of that name.
    """
    name = params.get("name")
    if name not in TASKS:
        raise InputError(f"task {name}: unknown", expected="one of " + ", ".join(TASKS))
    return cast(Task, import_module(TASKS[name]))


register("classify", "edgekit.tasks.classify")
register("regress", "edgekit.tasks.regress")
register("segment", "edgekit.tasks.segment")
register("detect", "edgekit.tasks.detect")
register("phylogeny", "edgekit.tasks.phylogeny")
register("control", "edgekit.tasks.control")
register("tensors", "edgekit.tasks.tensors")
