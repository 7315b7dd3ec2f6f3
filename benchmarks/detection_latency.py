"""Latency of SSDLite on MobileNetV2 at 300 against the published SSD on MobileNetV1, 90 classes.

Ours has random weights, which cost what trained ones do but for the suppression: how long that
takes hangs on how many pairs of box and class score above its threshold. So the predictors' biases
are shifted such that on noise, which is what a bench feeds, as many do as CROWD says; the published
file suppresses across classes and has no threshold. The suppression in the task is timed by itself
on the worst case, where every pair is a candidate.

All files are benchmarked in turn in every round, one thread of LiteRT. The profile: all up to the
last convolution as a file of its own, of both, which took turns as well. What follows cannot be
timed by itself, since on noise in place of answers every box would score.

Run: python benchmarks/detection_latency.py [--smoke]    (about 4 minutes)
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from edgekit.device import open_device
from edgekit.export.conversion import Plan, convert
from edgekit.families import family
from edgekit.profile.graph import read_graph
from edgekit.profile.timing.bench import bench
from edgekit.profile.timing.measurement import Options, Report
from edgekit.profile.timing.targets import find_targets
from edgekit.quantize.scheme import parse_scheme
from edgekit.sources.preset import untrained
from edgekit.tasks import detect
from results import FOLDER, Row, write_results
from sub_networks import cut

DATA = Path(os.environ.get("EDGEKIT_SHARED_DATA", Path(__file__).parents[2] / "shared/data"))
PUBLISHED = DATA / "tflite/coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite"
PRESET = "1.0-300"
ANSWERS = ("postprocess", "boxes", "raw")
CROWD = 300  # pairs above the threshold in a picture


def main() -> int:
    """Export, measure in turn, write results/detection_latency.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="one answer; figures mean nothing")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        ours = export(Path(scratch), smoke=options.smoke)
        rows = list(timings(ours, Path(scratch), smoke=options.smoke))
        rows.append(suppression(smoke=options.smoke))
        folder = Path(scratch) if options.smoke else options.folder
        minutes = (time.monotonic() - began) / 60
        write_results("detection_latency", rows, minutes=minutes, seeds=[], folder=folder)
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    return 0


def export(folder: Path, *, smoke: bool) -> dict[str, Path]:
    """Return our int8 files by what they answer."""
    kind, found = family("ssdlite"), {}
    for answer in ANSWERS[: 1 if smoke else None]:
        config = replace(kind.preset(PRESET).config, answer=answer)
        source = untrained(kind, config, f"ssdlite-{PRESET}", f"ssdlite:{PRESET}")
        crowd(source.model, config.min_score)
        calibrate, samples = str(DATA / "raccoon/images"), 2 if smoke else 20
        plan = Plan((parse_scheme("w8a8"),), calibrate=calibrate, samples=samples)
        made = convert(source, plan, folder / answer).artifact
        found[answer] = made.path(made.file())
    return found


def crowd(model: Any, min_score: float) -> None:
    """Shift the biases of the classes so that CROWD pairs a picture of noise reach `min_score`."""
    noise = np.random.default_rng(0).uniform(-1, 1, (4, *model.input_shape[1:]))
    logits = np.sort(model.predict_on_batch(noise)["logits"].reshape(-1))
    shift = np.log(min_score / (1 - min_score)) - logits[-CROWD * len(noise)]
    for layer in model.layers:
        if layer.name.startswith("class_") and len(layer.weights) == 2:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, bias + shift])


def timings(ours: dict[str, Path], folder: Path, *, smoke: bool) -> Iterator[Row]:
    """Yield the ratios, then what the parts of both take."""
    names = list(ours)
    parts = [convolutions(ours["postprocess"], folder), convolutions(PUBLISHED, folder)]
    files = [*ours.values(), PUBLISHED, *parts]
    timing = Options(rounds=2 if smoke else 8, runs=2 if smoke else 30, min_seconds=0)
    with open_device("local") as device:
        report = bench(find_targets(files), device, timing)
    for number, name in enumerate(names):
        yield ratio(report, number, len(names), name)
    for whose, row in zip(("ours", "published"), report.rows[len(names) + 1 :], strict=True):
        ops = Counter(op.native for op in read_graph(row.target.path).ops)
        told = ", ".join(f"{op} x{n}" if n > 1 else op for op, n in ops.items())
        yield Row(f"{whose}: all up to the last convolution ({told})", "p50", "ms",
                  row.latency.p50)  # fmt: skip


def ratio(report: Report, ours: int, rival: int, name: str) -> Row:
    """Return p50 of one of ours over that of the published file."""
    value, interval = report.ratio(rival, ours)
    own, theirs = (report.rows[i].latency.p50 for i in (ours, rival))
    return Row(
        f"SSDLite {PRESET} w8a8, {name} v {PUBLISHED.name}", "p50 ratio", "x", value,
        interval=interval, anchor=1.0, target="<= 0.75" if name == "postprocess" else None,
        anchor_source=f"{own:.2f} ms v {theirs:.2f} ms in the same run",
    )  # fmt: skip


def convolutions(path: Path, folder: Path) -> Path:
    """Write a detector up to its last convolution."""
    kinds = [op.kind for op in read_graph(path).ops]
    last = len(kinds) - kinds[::-1].index("conv")
    return cut(path, range(last), folder / f"{path.stem}.{last}.tflite")


def suppression(*, smoke: bool) -> Row:
    """Return what choosing boxes in the task takes where everything scores."""
    config = family("ssdlite").preset(PRESET).config
    params = family("ssdlite").describe(config)
    rng, count = np.random.default_rng(0), config.anchors.count
    codes = rng.normal(0, 1, (count, 4)).astype(np.float32)
    logits = rng.normal(0, 2, (count, config.classes)).astype(np.float32)
    taken = []
    for _ in range(3 if smoke else 200):
        began = time.perf_counter()
        detect.choose(codes, logits, params)
        taken.append(1000 * (time.perf_counter() - began))
    return Row(f"suppression in the task, {count} anchors x {config.classes} classes, all above "
               "the threshold", "p50", "ms", float(np.median(taken)), target="<= 2")  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
