"""How true the intervals of `edgekit bench` are: A/A runs, each file against itself, many times.

The interval of the ratio should hold 1 in 95 of 100 cases. In one call the two take turns and are
paired, as `edgekit gate --on` does it. Of 160 such comparisons where the chance of each is .95, one
set in five holds 1 less often than in 93% or more often than in 97%; of 640 one in fifty. So there
are 640, and beside the share stands between which chances it leaves (Clopper and Pearson's
interval).

Across calls, a quarter of a minute or many minutes apart, a drift of the machine is part of the
difference, of which no interval of a call's own rounds can know; `edgekit gate` takes out what also
slowed a file that did not change and took turns with the other in both calls: here the first model,
which other programs' use of the caches slows otherwise than the last.

Run: python benchmarks/bench_coverage.py [--smoke] MODEL.tflite...    (about an hour)
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from scipy.stats import binomtest

from bench_overhead import DEFAULT, MODELS
from edgekit.device import open_device
from edgekit.errors import EdgekitError
from edgekit.profile.timing.bench import bench
from edgekit.profile.timing.measurement import Options
from edgekit.profile.timing.statistics import Interval, controlled_ratio, ratio_interval
from edgekit.profile.timing.targets import find_targets
from results import FOLDER, Row, write_results

COVERED = "93..97"

Call = list[list[list[float]]]  # times in ms of each round of each file


def main() -> int:
    """Measure, write results/bench_coverage.json, and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--smoke", action="store_true", help="seconds; figures mean nothing")
    parser.add_argument("--calls", type=int, default=320, help="with an A/A of each model")
    parser.add_argument("--medians", type=Path, help="where to write those of all rounds, too")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    models = options.models or [MODELS / name for name in DEFAULT]
    count, runs = (2, 5) if options.smoke else (options.calls, 100)
    began = time.monotonic()
    calls = [run_call(models, runs) for _ in range(count)]
    minutes = (time.monotonic() - began) / 60
    if options.medians:
        medians = [[[statistics.median(r) for r in file] for file in call] for call in calls]
        options.medians.write_text(json.dumps(medians))
    rows = shares(models, calls)
    folder = Path(tempfile.mkdtemp()) if options.smoke else options.folder
    path = write_results("bench_coverage", rows, minutes=minutes, seeds=[0], folder=folder)
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    if options.smoke:
        shutil.rmtree(path.parent)
    return 0


def run_call(models: list[Path], runs: int) -> Call:
    """Return what a call of `edgekit bench` measures, every model given twice."""
    twice = [model for model in models for _ in range(2)]
    with open_device("local") as device:
        report = bench(find_targets(twice), device, Options(runs=runs, min_seconds=0.0))
    return [[list(r.samples_ms) for r in row.rounds] for row in report.rows]


def shares(models: list[Path], calls: list[Call]) -> list[Row]:
    """Return how often an interval holds 1: in one call, and across calls."""
    near = list(itertools.pairwise(calls))
    far = list(zip(calls, calls[len(calls) // 2 :], strict=False))
    name = models[-1].name
    return [
        share_of_true(
            " and ".join(model.name for model in models), "in one call, paired",
            [ratio_interval(first, second, paired=True)
             for call in calls for first, second in zip(call[::2], call[1::2], strict=True)],
        ),
        share_of_true(name, "across successive calls", [across(a, b) for a, b in near]),
        share_of_true(name, "across successive calls, beside a control",
                      [beside(a, b) for a, b in near]),
        share_of_true(name, "across calls minutes apart", [across(a, b) for a, b in far]),
        share_of_true(name, "across calls minutes apart, beside a control",
                      [beside(a, b) for a, b in far]),
    ]  # fmt: skip


def share_of_true(case: str, where: str, intervals: list[Interval | None]) -> Row:
    """Return how many of the intervals hold 1, and between which chances of it that leaves."""
    found = [low <= 1 <= high for low, high in filter(None, intervals)]
    low, high = binomtest(sum(found), len(found)).proportion_ci(0.95)
    return Row(
        case,
        f"95% intervals that hold 1 in {len(found)} A/A runs {where}",
        "%",
        100 * statistics.mean(found),
        interval=(100 * low, 100 * high),
        anchor=95.0,
        anchor_source="nominal",
        target=COVERED,
    )


def across(base: Call, new: Call) -> Interval | None:
    """Return the interval across two calls of the last model."""
    return ratio_interval(base[-1], new[-1])


def beside(base: Call, new: Call) -> Interval | None:
    """Return the interval across two calls of the last model, beside the first."""
    (control, one), (same, other) = (
        [dict(enumerate(call[place])) for place in (0, -1)] for call in (base, new)
    )
    found = controlled_ratio(one, [control], other, [same])
    return found and found[1]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except EdgekitError as error:
        sys.exit(str(error))
