"""Latency of an exported MobileNetV2 1.0/224 against published files and a plain export.

Every file is benchmarked in turn in every round, one thread of LiteRT, so that the ratios are fair.
The weights are random, which does not change the work, but for "the same weights": these are the
published per-channel file's own, imported (converters/published_mobilenet_v2.py) and exported again
by `convert --scheme w8a8 --stem paired --ptq prune,align,equalize,steps,round,bias`. "--stem
paired" is our export whose first convolution reads two pixels as one; "w8a8" alone is the plain
one. Anchors: the published files of Google Coral (Apache-2.0) and TensorFlow's own converter on
keras.applications' network. What explains the ratios stands below them: the same parts of two files
timed alone, and how their op lists differ.

Run: python benchmarks/latency.py [--smoke]    (about 9 minutes)
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
import tf_keras as keras

from edgekit.device import open_device
from edgekit.export.conversion import Plan, convert
from edgekit.export.files import Wanted
from edgekit.export.source import Source
from edgekit.profile.cost.madds import total_madds
from edgekit.profile.graph import read_graph
from edgekit.profile.timing.bench import bench
from edgekit.profile.timing.measurement import Options, Report
from edgekit.profile.timing.targets import find_targets
from edgekit.quantize.ptq.techniques import PostTraining
from edgekit.quantize.scheme import parse_schemes
from edgekit.sources import load
from results import FOLDER, Row, write_results
from sub_networks import differing_ops, more_ops, thirds

DATA = Path(os.environ.get("EDGEKIT_SHARED_DATA", Path(__file__).parents[2] / "shared/data"))
PER_CHANNEL = DATA / "tflite/tf2_mobilenet_v2_1.0_224_ptq.tflite"
PER_TENSOR = DATA / "tflite/mobilenet_v2_1.0_224_quant.tflite"
CORAL = "google-coral/test_data"


def main() -> int:
    """Export, measure in turn, write results/latency.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="seconds; figures mean nothing")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        files = make_files(Path(scratch), smoke=options.smoke)
        rows = measure(files, smoke=options.smoke)
        rows += [fewer_madds(files["same weights"], PER_CHANNEL)]
        rows += [differences(files["f32"], files["plain f32"])]
        rows += [pads(files[name]) for name in ("f32", "w8a8")]
        folder = Path(scratch) if options.smoke else options.folder
        minutes = (time.monotonic() - began) / 60
        write_results("latency", rows, minutes=minutes, seeds=[0], folder=folder)
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    return 0


def make_files(folder: Path, *, smoke: bool) -> dict[str, Path]:
    """Return all that is timed, by the name of its case."""
    source = load("mobilenet_v2:0.35-96" if smoke else "mobilenet_v2:1.0-224")
    files = export(source, folder / "plain", "f32,w8a8", smoke=smoke)
    paired = export(source, folder / "paired", "w8a8", smoke=smoke, stem="paired")["w8a8"]
    files |= {"per channel": PER_CHANNEL, "per tensor": PER_TENSOR, "paired": paired,
              "plain f32": export_plainly(folder),
              "same weights": export_again(PER_CHANNEL, folder, smoke=smoke)}  # fmt: skip
    for name, path in (("our", paired), ("their", PER_CHANNEL)):
        files |= {f"{name} {part}": cut for part, cut in thirds(path, folder).items()}
    return files


def export(
    source: Source, folder: Path, schemes: str, *, smoke: bool, **wanted: Any
) -> dict[str, Path]:
    """Return our files by scheme."""
    plan = Plan(
        schemes=parse_schemes(schemes),
        calibrate=str(DATA / "raccoon/images"),
        samples=2 if smoke else 100,
        wanted=Wanted(**wanted),
    )
    artifact = convert(source, plan, folder).artifact
    return {file.scheme: artifact.path(file) for file in artifact.manifest.files}


def export_again(published: Path, folder: Path, *, smoke: bool) -> Path:
    """Return a published file's own weights as our w8a8, constant channels pruned."""
    program = Path(__file__).parents[1] / "converters/published_mobilenet_v2.py"
    run = folder / "published"
    subprocess.run([sys.executable, program, published, "-o", run], check=True)
    techniques = PostTraining(("prune", "align", "equalize", "steps", "round", "bias"))
    return export(
        load(str(run)), folder / "pruned", "w8a8", smoke=smoke, stem="paired",
        post_training=techniques,
    )["w8a8"]  # fmt: skip


def export_plainly(folder: Path) -> Path:
    """Return keras.applications' network by a bare TFLiteConverter, float."""
    network = keras.applications.MobileNetV2(weights=None)
    path = folder / "keras_applications.f32.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(network).convert())
    return path


def measure(files: dict[str, Path], *, smoke: bool) -> list[Row]:
    """Return the ratios, each file having had its turn in every round."""
    timing = Options(rounds=2 if smoke else 90, runs=4 if smoke else 1800, min_seconds=0)
    with open_device("local") as device:
        report = bench(find_targets(list(files.values())), device, timing)
    place = {name: number for number, name in enumerate(files)}
    more = more_ops(read_graph(files["per channel"]), read_graph(files["paired"]))
    less = more_ops(read_graph(files["paired"]), read_graph(files["per channel"]))
    found: list[tuple[str, str, str, str | None, str]] = [
        ("paired", "per channel", "w8a8 --stem paired v published per-channel", "<= 0.95", CORAL),
        ("w8a8", "per channel", "w8a8 v published per-channel", "<= 0.95", CORAL),
        ("our stem", "their stem", "w8a8 --stem paired v published per-channel: to the first "
         "convolution", None, f"it has {more} more, ours {less}"),
        ("our body", "their body", "w8a8 v published per-channel: to the pooling", None,
         "the same ops"),
        ("our classifier", "their classifier", "w8a8 v published per-channel: classifier", None,
         "a CONV_2D in its place"),
        ("same weights", "per channel", "w8a8 --stem paired v published per-channel, the same "
         "weights", "<= 0.95", CORAL),
        ("w8a8", "per tensor", "w8a8 v published per-tensor", "<= 0.50", CORAL),
        ("w8a8", "f32", "w8a8 v f32, our own pair", "<= 0.48", "our f32 export"),
        ("f32", "plain f32", "f32 v plain keras.applications", "<= 1.00", "bare TFLiteConverter"),
    ]  # fmt: skip
    return [
        ratio(report, place[own], place[rival], case, target, source)
        for own, rival, case, target, source in found
    ]


def ratio(report: Report, ours: int, rival: int, case: str, target: str | None, source: str) -> Row:
    """Return p50 of `ours` over that of `rival`."""
    value, interval = report.ratio(rival, ours)
    anchor = report.rows[rival].latency.p50
    own = report.rows[ours].latency.p50
    return Row(
        f"MobileNetV2 1.0/224 {case}",
        "p50 ratio",
        "x",
        value,
        interval=interval,
        anchor=1.0,
        anchor_source=f"{source}; {own:.3f} ms v {anchor:.3f} ms in the same run",
        target=target,
    )


def fewer_madds(path: Path, rival: Path) -> Row:
    """Return the MAdds of a file over those of another."""
    own, theirs = (total_madds(read_graph(each)) for each in (path, rival))
    source = f"{own / 1e6:.1f} M v {theirs / 1e6:.1f} M: less by constant channels, more by pairs"
    return Row(
        "MobileNetV2 1.0/224 w8a8 --stem paired v published per-channel, the same weights",
        "MAdds ratio", "x",
        own / theirs, kind="counted", anchor=1.0, anchor_source=source,
    )  # fmt: skip


def differences(path: Path, rival: Path) -> Row:
    """Return at how many places our float graph differs from the plain one."""
    return Row(
        "MobileNetV2 1.0/224 f32 v plain keras.applications",
        "ops that differ in kind, shape or dtype",
        "ops",
        differing_ops(read_graph(path), read_graph(rival)),
        kind="counted",
    )


def pads(path: Path) -> Row:
    """Return how many PAD ops a file holds."""
    count = sum(op.kind in ("pad", "padv2", "mirror_pad") for op in read_graph(path).ops)
    return Row(path.name, "PAD ops", "ops", count, target="<= 0")


if __name__ == "__main__":
    raise SystemExit(main())
