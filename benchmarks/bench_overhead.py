"""What `edgekit bench` adds: its p50 against the runtime's own loops, and how true its interval is.

For each model, in turn in every round: edgekit's worker, a bare loop around Interpreter.invoke in
a process of its own, and LiteRT's own benchmark program, each on one thread. A ratio of 1 means
that edgekit adds nothing. LiteRT's program drives CompiledModel instead of the Interpreter, so that
ratio holds what differs between the two as well.

Then A/A runs: every file is benchmarked against itself many times over; the interval of the ratio
should hold 1 in 95 of 100 cases. In one call the two take turns and are paired, as `edgekit gate
--on` does it. Of 160 such comparisons where the chance of each is .95, one set in five holds 1 less
often than in 93% or more often than in 97%; of 640 one in fifty. So there are 640, and beside the
share stands between which chances it leaves (Clopper and Pearson's interval).

Across calls, a quarter of a minute or many minutes apart, a drift of the machine is part of the
difference, of which no interval of a call's own rounds can know; `edgekit gate` takes out what also
slowed a file that did not change and took turns with the other in both calls: here the first model,
which other programs' use of the caches slows otherwise than the last.

Run: python benchmarks/bench_overhead.py [--smoke] MODEL.tflite...    (about an hour)
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scipy.stats import binomtest

from edgekit.device import open_device
from edgekit.errors import EdgekitError
from edgekit.profile.bench import bench
from edgekit.profile.measurement import Options
from edgekit.profile.statistics import Interval, controlled_ratio, ratio_interval
from edgekit.profile.targets import find_targets
from results import FOLDER, Row, write_results

SHARED = Path(__file__).parents[2] / "shared" / "data"
MODELS = Path(os.environ.get("EDGEKIT_SHARED_DATA", SHARED)) / "tflite"
DEFAULT = ("tf2_mobilenet_v2_1.0_224_ptq.tflite", "mobilenet_v1_0.25_224_1_default_1.tflite")
TARGET = "<= 1.02"
COVERED = "93..97"

Call = list[list[list[float]]]  # times in ms of each round of each file

# The plainest loop there is, in a process of its own as edgekit's is.
BARE_LOOP = """
import gc, json, sys, time
import numpy as np
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(model_path=sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
rng = np.random.default_rng(0)
for d in interpreter.get_input_details():
    array = rng.uniform(-1, 1, d["shape"])
    whole = np.dtype(d["dtype"]).kind in "iu"
    interpreter.set_tensor(d["index"], (array * 127 if whole else array).astype(d["dtype"]))
gc.disable()
end = time.perf_counter() + 0.3
while time.perf_counter() < end:
    interpreter.invoke()
spent = []
for _ in range(int(sys.argv[2])):
    began = time.perf_counter_ns()
    interpreter.invoke()
    spent.append(time.perf_counter_ns() - began)
print(json.dumps(spent))
"""


def main() -> int:
    """Measure, write results/bench_overhead.json, and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--smoke", action="store_true", help="seconds; figures mean nothing")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--runs", type=int, default=200, help="of a round")
    parser.add_argument("--calls", type=int, default=320, help="with an A/A of each model")
    parser.add_argument("--medians", type=Path, help="where to write those of the A/A rounds, too")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    if options.smoke:
        options.rounds, options.runs, options.calls = 2, 5, 2
    models = options.models or [MODELS / name for name in DEFAULT]
    began = time.monotonic()
    rows = [row for model in models for row in measure_overhead(model, options)]
    rows += measure_coverage(models, options)
    minutes = (time.monotonic() - began) / 60
    folder = Path(tempfile.mkdtemp()) if options.smoke else options.folder
    path = write_results("bench_overhead", rows, minutes=minutes, seeds=[0], folder=folder)
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    if options.smoke:
        shutil.rmtree(path.parent)
    return 0


def measure_overhead(model: Path, options: argparse.Namespace) -> list[Row]:
    """Return edgekit's p50 over that of the bare loop and of LiteRT's program."""
    ours, bare, theirs = [], [], []
    for _ in range(options.rounds):
        ours.append(run_edgekit(model, options.runs))
        bare.append(run_bare(model, options.runs))
        theirs.append([run_litert(model, options.runs)])
    rows = []
    for rival, name in ((bare, "a bare Interpreter loop"), (theirs, "litert-benchmark")):
        interval = ratio_interval(rival, ours, paired=True)
        medians = [statistics.median(r) for r in rival]
        ratios = [statistics.median(o) / m for o, m in zip(ours, medians, strict=True)]
        rows.append(
            Row(
                model.name,
                f"p50 over that of {name}",
                "x",
                statistics.median(ratios),
                interval=interval,
                anchor=1.0,
                anchor_source=f"{name}, {statistics.median(medians):.3g} ms in the same run",
                target=TARGET,
            )
        )
    return rows


def measure_coverage(models: list[Path], options: argparse.Namespace) -> list[Row]:
    """Return the share of A/A comparisons whose interval holds 1: in one call, and across calls."""
    rounds = Options().rounds  # as `edgekit bench` has them
    twice = [model for model in models for _ in range(2)]
    calls = [run_rounds(twice, rounds=rounds, runs=100) for _ in range(options.calls)]
    if options.medians:
        medians = [[[statistics.median(r) for r in file] for file in call] for call in calls]
        options.medians.write_text(json.dumps(medians))
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


def run_edgekit(model: Path, runs: int) -> list[float]:
    """Return the times in ms of one round of edgekit's worker."""
    return run_rounds([model], rounds=1, runs=runs)[0][0]


def run_rounds(models: list[Path], *, rounds: int, runs: int) -> Call:
    """Return the times in ms of each round of each model, measured in turn."""
    options = Options(rounds=rounds, runs=runs, min_seconds=0.0)
    with open_device("local") as device:
        report = bench(find_targets(models), device, options)
    return [[list(r.samples_ms) for r in row.rounds] for row in report.rows]


def run_bare(model: Path, runs: int) -> list[float]:
    """Return the times in ms of the bare loop."""
    command = [sys.executable, "-c", BARE_LOOP, str(model), str(runs)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return [ns / 1e6 for ns in json.loads(answer.stdout)]


def run_litert(model: Path, runs: int) -> float:
    """Return the median in ms that LiteRT's own program reports."""
    program = Path(sys.executable).with_name("litert-benchmark")
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        subprocess.run(
            [program, f"--model={model}", f"--num_runs={runs}", "--warmup_runs=50",
             "--num_threads=1", f"--result_json={result}"],
            capture_output=True, check=True,
        )  # fmt: skip
        return float(json.loads(result.read_text())["latency"]["median_ms"])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except EdgekitError as error:
        sys.exit(str(error))
