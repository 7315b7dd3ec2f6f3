"""Was the matrix noised away from every tree? A learned network, the paper's, and the exact graph.

Matrices are unsorted, half of them clean, half with noise (.002,.1) and a conflict. Run:
python benchmarks/phylogeny_noise.py [--smoke]; runs are kept in runs/.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.families.phylogeny import Config
from edgekit.families.phylogeny.data import Simulated, simulate
from edgekit.tasks.intervals import area_under_curve, wilson_interval
from edgekit.tasks.matrices.perfect import conflict_free, conflicts
from edgekit.tasks.phylogeny import signed
from phylogeny import RUNS as KEPT
from phylogeny import answers, artifact, minutes, preset, trained
from results import FOLDER, Row, write_results

TEST_SEED = 77  # of matrices that neither training nor validation drew
TEST = 10_000
EXACT = ((10, 10), (25, 25), (50, 50), (200, 50))  # rows and columns
Array = npt.NDArray[Any]


def main() -> int:
    """Train, convert, run; write results/phylogeny_noise.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="tiny networks, one epoch")
    parser.add_argument("--runs", type=Path, default=KEPT, help="where runs are kept")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        runs = place if options.smoke else options.runs
        rows = [*learned(runs, place, options.smoke), *exact(runs, place, options.smoke)]
        folder = place if options.smoke else options.folder
        write_results("phylogeny_noise", rows, minutes=(time.monotonic() - began) / 60,
                      seeds=[0, TEST_SEED], folder=folder)  # fmt: skip
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    return 0


def learned(runs: Path, scratch: Path, smoke: bool) -> list[Row]:
    """Return what the learned networks say of unsorted 10x10 matrices."""
    config, training = preset("noise", **({"matrices": 128} if smoke else {}))
    training |= {"epochs": 1} if smoke else {}
    test = simulate(config, 200 if smoke else TEST, np.random.default_rng(TEST_SEED))
    case = f"unsorted 10x10 at (.002,.1), {len(test)} matrices"
    process = trained("noise", config, training, runs)
    made = artifact(process, scratch / "noise", "f32,w8,w8a8", "tflite,onnx")
    rows = []
    for scheme, format in (("f32", "tflite"), ("f32", "onnx"), ("w8", "tflite"),
                           ("w8a8", "tflite")):  # fmt: skip
        values = answers(made, test.seen, "conflict", scheme, format)[:, 0]
        target = ">= 0.99" if scheme == "f32" else None
        rows += judged(case, f"invariant, {scheme} .{format}", values, test, target, 0.563)
    rows.append(Row(case, "training, one thread", "minutes", minutes(process)))
    paper = Config(**{**config.__dict__, "network": "paper"})
    made = artifact(trained("noise-paper", paper, {**training, "learning_rate": 1e-3}, runs),
                    scratch / "paper", "f32")  # fmt: skip
    values = answers(made, test.seen, "conflict")[:, 0]
    return rows + judged(case, "the paper's network, same data", values, test)


def judged(case: str, what: str, values: Array, test: Simulated, target: str | None = None,
           known: float | None = None) -> list[Row]:  # fmt: skip
    """Return rows of accuracy and area under the curve."""
    right = float(((values > 0.5) == (test.targets > 0)).mean())
    interval = wilson_interval(round(right * len(test)), len(test))
    return [
        Row(case, f"accuracy, {what}", "1", right, interval=interval, anchor=known,
            anchor_source="PhyloM's network, 60,000 matrices, Nov 2026" if known else None,
            target=target),
        Row(case, f"AUC, {what}", "1", area_under_curve(values, test.targets)),
    ]  # fmt: skip


def exact(runs: Path, scratch: Path, smoke: bool) -> list[Row]:
    """Return whether the exact graph is exact, in both formats, bit by bit."""
    process = trained("noise-exact", *preset("noise-exact"), runs)
    made = artifact(process, scratch / "exact", "f32", "tflite,onnx")
    rng = np.random.default_rng(TEST_SEED)
    rows = []
    for n, m in EXACT[:1] if smoke else EXACT:
        count = 20 if smoke else 500
        density = rng.uniform(0.05, 0.6, (count, 1, m)) * rng.uniform(0, 1, (count, 1, 1)) ** 2
        values = (rng.random((count, n, m)) < density).astype(np.uint8)
        values[rng.random(values.shape) < 0.05] = 3
        case = f"exact graph, {count} random {n}x{m} matrices, {conflict_free(values).sum()} trees"
        found = {}
        for format in ("tflite", "onnx"):
            pairs = answers(made, signed(values), "pairs", "f32", format)
            found[format] = pairs
            right = float((pairs[:, :m, :m] == conflicts(values)).all(axis=(1, 2)).mean())
            rows.append(Row(case, f"matrices with every pair right, .{format}", "1", right,
                            target=">= 1"))  # fmt: skip
        differ = int((found["tflite"] != found["onnx"]).sum())
        rows.append(Row(case, "entries that differ between .tflite and .onnx", "1", differ,
                        target="<= 0"))  # fmt: skip
    return rows


if __name__ == "__main__":
    raise SystemExit(main())
