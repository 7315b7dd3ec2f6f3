"""Memory side by side: what a plan needs at least, what a planner takes, what a process took.

Planned and measured figures stand in tables of their own, never in one column.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.cli.tables import table
from edgekit.errors import InputError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgekit.profile.cost.summary import Summary

Measured = dict[str, Any]


def measure(models: Sequence[Path]) -> list[Measured]:
    """Load and run each file once in a process of its own, and return what it took.

    Raises:
        InputError: a model is no file yet, or its runtime refuses it.
        SetupError: the runtime is not installed.
    """
    from edgekit.device import open_device
    from edgekit.profile.timing.bench import bench
    from edgekit.profile.timing.measurement import Options
    from edgekit.profile.timing.targets import find_targets
    from edgekit.runtime import FORMATS

    for model in models:
        if model.suffix.lower() not in FORMATS:
            raise InputError(f"--measure: {model} is no file to run", do="convert it first")
    once = Options(rounds=1, runs=1, min_seconds=0, warmup_runs=0)
    with open_device("local") as device:
        report = bench(find_targets(models), device, once)
    if report.failures:
        raise InputError(next(iter(report.failures.values())))
    return [
        {
            "kind": row.kind,
            "runtime": row.runtime["name"],
            "version": row.runtime["version"],
            "process_bytes": row.peak_memory_bytes,
            "model_bytes": row.model_memory_bytes,
        }
        for row in report.rows
    ]


def pages(summary: Summary, taken: Measured | None) -> list[RenderableType]:
    """Return the planned memory and, where it was run, the measured."""
    planned = [
        bytes_text(summary.peak_bytes),
        bytes_text(summary.arena_bytes),
        bytes_text(summary.weight_bytes),
        bytes_text(summary.arena_bytes + summary.weight_bytes),
    ]
    headings = ["memory", "live at once, at least", "arena, greedy", "weights", "arena + weights"]
    made: list[RenderableType] = [table(headings, [["planned", *planned]])]
    return [*made, measured_page(["process"], [taken])] if taken else made


def measured_page(names: Sequence[str], taken: Sequence[Measured]) -> RenderableType:
    """Return what processes took at their peak, and how much of it came with the model."""
    rows = [
        [
            name,
            _known(m["process_bytes"]),
            _known(m["model_bytes"]),
            f"{m['runtime']} {m['version']}",
        ]
        for name, m in zip(names, taken, strict=True)
    ]
    return table(["memory, measured", "whole process", "loading and one run", "runtime"], rows)


def bytes_text(size: int) -> str:
    """Return a size as people read it: decimal units, three digits."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} B"


def _known(size: int | None) -> str:
    return "?" if size is None else bytes_text(size)
