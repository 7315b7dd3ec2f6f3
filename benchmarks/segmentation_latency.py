"""Latency of our int8 Mobile DeepLabv3 at 513 against the published file, and what both find.

Ours has the published file's own weights (converters/published_deeplab_v3.py), post-training
quantized on photographs of raccoons, and answers with the same label map of 513 x 513. Every file
is benchmarked in turn in every round, one thread of LiteRT, so that the ratios are fair. The
arg-max of all places takes a quarter as long as the convolutions: so there is a second label map of
the same size, whose labels are found at a quarter of the places along each side and repeated. Then
what leaves the enlarging to whoever lays the answer over a picture: labels of a quarter, and the
logits as the network has them.

These interpreters tell no times of ops. The profile is of parts as files of their own, which took
turns as well: all up to the last convolution, the resize with what converts types around it, the
arg-max.

The bird is the photograph that the published file's own tests use; intersection over union with
their mask. Run: python benchmarks/segmentation_latency.py [--smoke]    (about 6 minutes)
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


from edgekit.artifact import open_artifact
from edgekit.device import open_device
from edgekit.evaluate import answer
from edgekit.export.conversion import Plan, convert
from edgekit.profile.graph import read_graph
from edgekit.profile.timing.bench import bench
from edgekit.profile.timing.measurement import Options, Report
from edgekit.profile.timing.targets import find_targets
from edgekit.quantize.scheme import parse_scheme
from edgekit.runtime import open_model
from edgekit.signature import Signature, main_signature
from edgekit.sources import load
from edgekit.tasks import task
from edgekit.tasks.pictures.images import read_image
from edgekit.tasks.pictures.masks import VOC_CLASSES, read_mask
from results import FOLDER, Row, write_results
from sub_networks import cut

DATA = Path(os.environ.get("EDGEKIT_SHARED_DATA", Path(__file__).parents[2] / "shared/data"))
PUBLISHED = DATA / "tflite/deeplabv3_mnv2_pascal_quant.tflite"
CORAL = "google-coral/test_data"
PROGRAM = Path(__file__).parents[1] / "converters/published_deeplab_v3.py"
BIRD = VOC_CLASSES.index("bird")
# What a file answers: its name here, and what `convert` is asked.
ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "labels": {},
    "labels, found at a quarter": {"argmax_stride": 4},
    "labels of a quarter": {"answer_stride": 4},
    "logits": {"answer": "logits", "answer_stride": 16},
}
WHOLE = ("labels", "labels, found at a quarter")  # one a pixel of the input, as published
PARTS = ("convolutions", "resize", "arg-max")


def main() -> int:
    """Import, export, measure in turn, write results/segmentation_latency.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="a minute; figures mean nothing")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    parser.add_argument("--artifact", type=Path, help="ours with f32 and w8a8, not exported anew")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        ours = (
            opened(options.artifact)
            if options.artifact
            else export(Path(scratch), smoke=options.smoke)
        )
        rows = list(timings(ours, Path(scratch), smoke=options.smoke))
        rows += found_birds(ours)
        folder = Path(scratch) if options.smoke else options.folder
        minutes = (time.monotonic() - began) / 60
        write_results("segmentation_latency", rows, minutes=minutes, seeds=[], folder=folder)
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    return 0


def export(folder: Path, *, smoke: bool) -> dict[str, Path]:
    """Return our int8 files by what they answer, and the float one of the label map."""
    run = folder / "run"
    subprocess.run([sys.executable, PROGRAM, PUBLISHED, "-o", run], check=True, capture_output=True)
    calibrate, samples = str(DATA / "raccoon/images"), 2 if smoke else 20
    found = {}
    for name, dial in list(ANSWERS.items())[: 1 if smoke else None]:
        schemes = tuple(map(parse_scheme, ("f32", "w8a8") if name == "labels" else ("w8a8",)))
        plan = Plan(schemes, calibrate=calibrate, samples=samples)
        made = convert(load(str(run), dial=dial), plan, folder / name).artifact
        for file in made.manifest.files:
            found[name if file.scheme == "w8a8" else "float"] = made.path(file)
    return found


def opened(folder: Path) -> dict[str, Path]:
    """Return the files of an artifact that answers with a label map."""
    artifact = open_artifact(folder)
    return {
        name: artifact.path(artifact.file(scheme=scheme, format="tflite"))
        for name, scheme in (("labels", "w8a8"), ("float", "f32"))
    }


def timings(ours: Mapping[str, Path], folder: Path, *, smoke: bool) -> Iterator[Row]:
    """Yield the ratios, then what the parts of both take."""
    names = [name for name in ANSWERS if name in ours]
    parts = [*cut_up(ours["labels"], folder), *cut_up(PUBLISHED, folder)]
    files = [*(ours[name] for name in names), PUBLISHED, *parts]
    timing = Options(rounds=2 if smoke else 40, runs=2 if smoke else 5, min_seconds=0)
    with open_device("local") as device:
        report = bench(find_targets(files), device, timing)
    rival = len(names)
    for number, name in enumerate(names):
        yield ratio(report, number, rival, name, "<= 0.40" if name in WHOLE else None)
    for number, part in enumerate(PARTS):
        for whose, first in (("ours", rival + 1), ("published", rival + 1 + len(PARTS))):
            row = report.rows[first + number]
            ops = Counter(op.native for op in read_graph(row.target.path).ops)
            told = ", ".join(f"{op} x{n}" if n > 1 else op for op, n in ops.items())
            yield Row(f"DeepLabv3 1.0/513, {whose}: {part} ({told})", "p50", "ms",
                      row.latency.p50)  # fmt: skip


def ratio(report: Report, ours: int, rival: int, name: str, target: str | None) -> Row:
    """Return p50 of one of ours over that of the published file."""
    value, interval = report.ratio(rival, ours)
    own, theirs = (report.rows[i].latency.p50 for i in (ours, rival))
    return Row(
        f"DeepLabv3 1.0/513 w8a8, {name} v published label map", "p50 ratio", "x", value,
        interval=interval, anchor=1.0, target=target,
        anchor_source=f"{CORAL}; {own:.2f} ms v {theirs:.2f} ms in the same run",
    )  # fmt: skip


def cut_up(path: Path, folder: Path) -> list[Path]:
    """Write a label map's parts: up to its last convolution, up to its arg-max, and the rest."""
    kinds = [op.kind for op in read_graph(path).ops]
    last = len(kinds) - kinds[::-1].index("conv")
    marks = [0, last, kinds.index("arg_max"), len(kinds)]
    return [
        cut(path, range(first, end), folder / f"{path.stem}.{first}-{end}.tflite")
        for first, end in pairwise(marks)
    ]


def found_birds(ours: Mapping[str, Path]) -> Iterator[Row]:
    """Yield the intersection over union of the bird that each file finds."""
    cases = {"published": PUBLISHED, "f32": ours["float"]}
    cases |= {f"w8a8, {name}": ours[name] for name in ANSWERS if name in ours}
    for name, path in cases.items():
        own = name == "f32" or name.removeprefix("w8a8, ") in WHOLE
        yield Row(f"DeepLabv3 1.0/513 {name}", "IoU of the bird", "1", bird(path),
                  anchor_source=CORAL, target=">= 0.88" if own else None)  # fmt: skip


def bird(path: Path) -> float:
    """Return the IoU of the bird in the photograph that a file answers."""
    picture = read_image(DATA / "images/bird_segmentation.bmp")
    truth = read_mask(DATA / "images/bird_segmentation_mask.bmp") == BIRD
    params = {"name": "segment", "labels": VOC_CLASSES, "resolution": 513}
    with closing(open_model(path)) as session:
        signature = described(main_signature(session.signatures)[1], path)
        found = answer(task(params), session, signature, picture, params).classes == BIRD
    return float((found & truth).sum() / (found | truth).sum())


def described(signature: Signature, path: Path) -> Signature:
    """Return a file's signature with how pixels become its input: the published one takes them."""
    mean, std = (None, None) if path == PUBLISHED else ((128.0,), (127.5,))
    inputs = tuple(replace(s, layout="NHWC", mean=mean, std=std) for s in signature.inputs)
    return Signature(inputs, signature.outputs)


if __name__ == "__main__":
    raise SystemExit(main())
