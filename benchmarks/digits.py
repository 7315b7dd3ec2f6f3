"""Accuracy on scikit-learn's digits, float and after quantization, over seeds.

For each seed: `edgekit train mobilenet_v2:digits --qat`, `convert` to every scheme, `evaluate` on
the test split (a fixed fifth, never used to choose anything).

Run: python benchmarks/digits.py [--smoke] [--seeds 3]    (about 20 minutes)
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from results import FOLDER, Row, write_results

SCHEMES = ("f32", "f16", "w8", "w8a8", "w8a16", "qat-w8a8")


def main() -> int:
    """Train, convert, evaluate; write results/digits.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="one epoch; figures mean nothing")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    seeds = [0] if options.smoke else list(range(options.seeds))
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        scores = [score(seed, Path(scratch) / str(seed), smoke=options.smoke) for seed in seeds]
        minutes = (time.monotonic() - began) / 60
        folder = Path(scratch) if options.smoke else options.folder
        rows = [row for scheme in SCHEMES for row in summarize(scheme, scores)]
        write_results("digits", rows, minutes=minutes, seeds=seeds, folder=folder)
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.2f} {row.unit}, {row.target}: {row.met}")
    return 0


def score(seed: int, folder: Path, *, smoke: bool) -> dict[str, float]:
    """Return the test accuracy in percent by scheme of TFLite file."""
    brief = ["--epochs", "1", "--qat-epochs", "1"] if smoke else []
    run, artifact = str(folder / "run"), str(folder / "artifact")
    edgekit("train", "mobilenet_v2:digits", "--qat", "--seed", str(seed), *brief, "-o", run)
    edgekit("convert", run, "--scheme", ",".join(SCHEMES), "-o", artifact, may_fail=True)
    rows = json.loads(edgekit("evaluate", artifact, "--data", "digits", "--json"))["rows"]
    return {r["scheme"]: 100 * r["value"] for r in rows if r["metric"] == "top-1 accuracy"}


def summarize(scheme: str, scores: list[dict[str, float]]) -> list[Row]:
    """Return the mean accuracy of a scheme and the worst drop below float."""
    values = [found[scheme] for found in scores]
    spread = (min(values), max(values))
    target = ">= 97" if scheme == "f32" else None
    rows = [
        Row(f"mobilenet_v2:digits {scheme}", "test accuracy, mean over seeds (range)", "%",
            statistics.fmean(values), interval=spread, target=target)
    ]  # fmt: skip
    if scheme == "qat-w8a8":
        worst = max(found["f32"] - found[scheme] for found in scores)
        case = f"mobilenet_v2:digits {scheme}"
        rows.append(Row(case, "largest drop below f32", "points", worst, target="<= 0.5"))
    return rows


def edgekit(*arguments: str, may_fail: bool = False) -> str:
    """Run one command of the installed edgekit and return what it printed."""
    command = [str(Path(sys.executable).parent / "edgekit"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and not (may_fail and done.returncode == 1):
        sys.exit(f"{' '.join(arguments)}: exit {done.returncode}: {done.stderr[-1000:]}")
    return done.stdout


if __name__ == "__main__":
    raise SystemExit(main())
