"""What `edgekit bench` adds: its p50 against the runtime's own loops.

For each model, in turn in every round: edgekit's worker, a bare loop around Interpreter.invoke in
a process of its own, and LiteRT's own benchmark program, each on one thread. A ratio of 1 means
that edgekit adds nothing. LiteRT's program drives CompiledModel instead of the Interpreter, so that
ratio holds what differs between the two as well. The ratio is Hodges and Lehmann's of the rounds',
as `bench` has it: on a core whose other thread is somebody else's, one round may be off by a third,
so that there are many of few runs.

Run: python benchmarks/bench_overhead.py [--smoke] MODEL.tflite...    (about 15 minutes)
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edgekit.device import open_device
from edgekit.errors import EdgekitError
from edgekit.profile.timing.bench import bench
from edgekit.profile.timing.measurement import Options
from edgekit.profile.timing.statistics import turns_ratio
from edgekit.profile.timing.targets import find_targets
from results import FOLDER, Row, write_results

SHARED = Path(__file__).parents[2] / "shared" / "data"
MODELS = Path(os.environ.get("EDGEKIT_SHARED_DATA", SHARED)) / "tflite"
DEFAULT = ("tf2_mobilenet_v2_1.0_224_ptq.tflite", "mobilenet_v1_0.25_224_1_default_1.tflite")
TARGET = "<= 1.02"

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
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--runs", type=int, default=20, help="of a round")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    if options.smoke:
        options.rounds, options.runs = 4, 5
    models = options.models or [MODELS / name for name in DEFAULT]
    began = time.monotonic()
    rows = [row for model in models for row in measure_overhead(model, options)]
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
        found = turns_ratio(dict(enumerate(rival)), dict(enumerate(ours)))
        assert found, "two rounds at least"
        medians = [statistics.median(r) for r in rival]
        rows.append(
            Row(
                model.name,
                f"p50 over that of {name}",
                "x",
                found[0],
                interval=found[1],
                anchor=1.0,
                anchor_source=f"{name}, {statistics.median(medians):.3g} ms in the same run",
                target=TARGET,
            )
        )
    return rows


def run_edgekit(model: Path, runs: int) -> list[float]:
    """Return the times in ms of one round of edgekit's worker."""
    options = Options(rounds=1, runs=runs, min_seconds=0.0)
    with open_device("local") as device:
        report = bench(find_targets([model]), device, options)
    return list(report.rows[0].rounds[0].samples_ms)


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
