"""Benchmark two models in one call, in turn, so that the gate can pair their rounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from edgekit.device import Device
from edgekit.errors import InputError, SetupError
from edgekit.profile.timing.bench import bench
from edgekit.profile.timing.measurement import Options
from edgekit.profile.timing.result_file import to_json
from edgekit.profile.timing.targets import find_targets, with_madds
from edgekit.report.results import Results, read_result


def bench_in_turn(
    base: str,
    new: str,
    device: Device,
    options: Options,
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[Results, Results]:
    """Return the results of two models: a process of the one, a process of the other, and so on.

    Args:
        base: an artifact's folder or a model file.
        new: the same.
        device: not yet entered.
        options: how.
        progress: told what is done next.

    Raises:
        InputError: a file of either cannot be run.
        SetupError: the device is out of reach.
    """
    groups = [find_targets([place], runtime=options.runtime) for place in (base, new)]
    targets = [with_madds(target) for group in groups for target in group]
    with device:
        report = bench(targets, device, options, progress)
    if report.failures:
        kind = InputError if report.exit_code == InputError.exit_code else SetupError
        raise kind("gate: not every file ran", got=next(iter(report.failures.values())))
    split = len(groups[0])
    parts = (slice(None, split), slice(split, None))
    halves = [replace(report, rows=report.rows[p], counts=report.counts[p]) for p in parts]
    of_base, of_new = (read_result(to_json([half]), device.url) for half in halves)
    return of_base, of_new
