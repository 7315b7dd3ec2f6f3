"""What the detection benchmarks share: a set's boxes, a trained run, and the figures of its files.

Each trains a detector, float and then quantization-aware, converts, and evaluates on the test
split, which chose nothing: epochs are chosen by the training pictures that are held out. Sets of
photographs train `edgekit train ssdlite:1.0-320 --set alpha=0.35` from the body of a published
file. Runs are kept in runs/ and not trained again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from edgekit.families.run import open_run
from edgekit.tasks.pictures.boxed_images import SCATTERED, read_boxed_images
from results import FOLDER, Row, write_results

RUNS = Path(__file__).parents[1] / "runs"  # git-ignored
DATA = Path(os.environ.get("EDGEKIT_SHARED_DATA", Path(__file__).parents[2] / "shared/data"))
BODY = DATA / "tflite/mobilenet_v2_035_96_embedder_with_metadata.tflite"
PROGRAM = Path(__file__).parents[1] / "converters/published_mobilenet_v2.py"
SCHEMES = ("f32", "w8a8", "qat-w8a8")
RECOVERED, RECOVERING = "align,equalize,steps,round,bias", "recovered"  # by --ptq
NETWORK = ("ssdlite:1.0-320", "--set", "alpha=0.35", "--set", "bn_momentum=0.97")
RECIPE = ("--epochs", "40", "--batch-size", "16", "--learning-rate", "2e-3",
          "--qat", "--qat-epochs", "4")  # fmt: skip
BRIEF = ("--epochs", "1", "--batch-size", "4", "--learning-rate", "1e-3", "--qat-epochs", "1",
         "--set", "resolution=64")  # fmt: skip
FEW = 12  # pictures of a smoke run
CURVE = 5  # epochs between two rows of it

Figures = dict[tuple[str, str], float]  # by file, "f32 tflite", and metric, in percent


@dataclass(frozen=True)
class Benchmark:
    """One data set, and what is asked of its float and its integer files."""

    name: str  # of the result
    case: str
    data: Path | None  # None: the preset's own, which is drawn
    recipe: tuple[str, ...] = NETWORK + RECIPE
    from_body: bool = True  # of a published file
    least_ap50: float | None = None  # percent, of f32
    largest_drop: float | None = None  # points, of w8a8
    most_minutes: float | None = None  # of training


def run(benchmark: Benchmark, documentation: str) -> int:
    """Train, convert, evaluate, write the result; the program's main."""
    parser = argparse.ArgumentParser(description=documentation.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="one epoch; figures mean nothing")
    parser.add_argument("--runs", type=Path, default=RUNS, help="where runs are kept")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        runs, folder = (scratch, scratch) if options.smoke else (options.runs, options.folder)
        data, dropped = prepared(benchmark, scratch / "data", smoke=options.smoke)
        run = trained(benchmark, data, runs / benchmark.name, scratch, smoke=options.smoke)
        found = evaluate(run, data, scratch, SCHEMES[:1] if options.smoke else SCHEMES)
        rows = list(summarize(benchmark, found, run, dropped))
        minutes = (time.monotonic() - began) / 60
        write_results(benchmark.name, rows, minutes=minutes, seeds=[0], folder=folder)
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    return 0


def prepared(benchmark: Benchmark, target: Path, *, smoke: bool) -> tuple[Path | str, int]:
    """Return what `edgekit train` takes, and how many boxes were left out for it."""
    if benchmark.data is None:
        return (write_drawn(target, FEW) if smoke else SCATTERED), 0
    return without_flat_boxes(benchmark.data, target, limit=FEW if smoke else None)


def write_drawn(target: Path, count: int) -> Path:
    """Write the first drawn pictures of each split in COCO's form: all would take minutes."""
    target.mkdir()
    for split in ("train", "test"):
        found = read_boxed_images(SCATTERED, split)
        images: list[Any] = []
        boxes: list[Any] = []
        for number, picture in enumerate(found.pictures[:count]):
            truth, name = picture.truth, f"{split}-{number}.png"
            Image.fromarray(picture.pixels()).save(target / name)
            height, width = truth.size
            images.append({"id": number, "file_name": name, "height": height, "width": width})
            for (top, left, bottom, right), label in zip(truth.boxes, truth.classes, strict=True):
                boxes.append({"id": len(boxes), "image_id": number, "category_id": int(label),
                              "bbox": [left, top, right - left, bottom - top]})  # fmt: skip
        categories = [{"id": i, "name": name} for i, name in enumerate(found.classes)]
        told = {"images": images, "annotations": boxes, "categories": categories}
        (target / f"{split}.json").write_text(json.dumps(told))
    return target


def without_flat_boxes(source: Path, target: Path, limit: int | None = None) -> tuple[Path, int]:
    """Copy a set in Pascal VOC's form, but for boxes without area, and say how many those were.

    `edgekit train` refuses such a set by file and object; whoever trains on it has to mend it.
    """
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.jpg", "*.png"))
    dropped = 0
    for path in sorted(target.rglob("*.xml")):
        tree = ElementTree.parse(path)
        for item in list(tree.getroot().iter("object")):
            box = {tag: float(item.findtext(f"bndbox/{tag}", "0"))
                   for tag in ("xmin", "ymin", "xmax", "ymax")}  # fmt: skip
            if box["xmax"] <= box["xmin"] or box["ymax"] <= box["ymin"]:
                tree.getroot().remove(item)
                dropped += 1
        tree.write(path)
    for folder in {p.parent for p in source.rglob("*.jpg")}:
        place = target / folder.relative_to(source)
        place.mkdir(exist_ok=True)
        for picture in folder.iterdir():
            (place / picture.name).symlink_to(picture.resolve())
    for lists in (target / "ImageSets/Main").glob("*.txt") if limit else ():
        lists.write_text("".join(lists.read_text().splitlines(keepends=True)[:limit]))
    return target, dropped


def trained(
    benchmark: Benchmark, data: Path | str, run: Path, scratch: Path, *, smoke: bool
) -> Path:
    """Return a run of the benchmark's recipe, trained now unless it is there complete."""
    if (run / "run.json").exists():
        if not open_run(run).done:
            raise SystemExit(f"{run}: a training that was cut short: remove it")
        return run
    body: tuple[Any, ...] = ()
    if benchmark.from_body:
        subprocess.run([sys.executable, PROGRAM, BODY, "-o", scratch / "body"], check=True,
                       capture_output=True)  # fmt: skip
        body = "--weights", scratch / "body/weights.h5"
    brief = BRIEF if smoke else ()  # of an option that is given twice the last one counts
    edgekit("train", *benchmark.recipe, "--data", data, *body, *brief, "-o", run)
    return run


def evaluate(run: Path, data: Path | str, scratch: Path, schemes: Sequence[str]) -> Figures:
    """Return every figure of every file, in percent; of w8a8 also by post-training techniques."""
    found = figures(run, data, scratch / "artifact", "--scheme", ",".join(schemes))
    better = figures(run, data, scratch / "recovered", "--scheme", "w8a8", "--ptq", RECOVERED)
    return found | {(f"{RECOVERING} {file}", metric): value
                    for (file, metric), value in better.items()}  # fmt: skip


def figures(run: Path, data: Path | str, artifact: Path, *options: str) -> Figures:
    """Return the figures of one conversion's files, in percent."""
    edgekit("convert", run, *options, "--to", "tflite,onnx", "--calibrate", data, "-o", artifact,
            may_fail=True)  # fmt: skip
    rows = json.loads(edgekit("evaluate", artifact, "--data", data, "--json"))["rows"]
    return {(f"{r['scheme']} {r['format']}", r["metric"]): 100 * r["value"] for r in rows}


def summarize(
    benchmark: Benchmark, found: Mapping[tuple[str, str], float], run: Path, dropped: int
) -> Iterator[Row]:
    """Yield the files' figures, the drops of the integer ones, and the run's curve."""
    case = benchmark.case
    for (file, metric), value in found.items():
        target = None
        if benchmark.least_ap50 and file.startswith("f32") and metric == "VOC AP50":
            target = f">= {benchmark.least_ap50:g}"
        yield Row(f"{case}, {file}", metric, "%", value, target=target)
    for file in dict.fromkeys(file for file, _ in found if file.endswith("w8a8 tflite")):
        drop = found["f32 tflite", "VOC AP50"] - found[file, "VOC AP50"]
        limit = benchmark.largest_drop
        yield Row(f"{case}, {file}", "AP50 below f32", "points", drop,
                  target=f"<= {limit:g}" if limit is not None else None)  # fmt: skip
    history = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    minutes = sum(row["seconds"] for row in history) / 60
    most = benchmark.most_minutes
    yield Row(f"{case}, float and QAT", "training", "minutes", minutes,
              target=f"<= {most:g}" if most is not None else None)  # fmt: skip
    for row in history:
        last = row["phase"] == "qat" or row["epoch"] == len([h for h in history
                                                             if h["phase"] == "float"])  # fmt: skip
        if last or row["epoch"] % CURVE == 0:
            yield Row(f"{case}, {row['phase']} epoch {row['epoch']}", "AP50 on validation", "%",
                      100 * row["val_AP50"])  # fmt: skip
    if dropped:
        yield Row(case, "boxes without area left out of the set", "", dropped, kind="counted")


def edgekit(*arguments: Any, may_fail: bool = False) -> str:
    """Run one command of the installed edgekit and return what it printed."""
    command = [str(Path(sys.executable).parent / "edgekit"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and not (may_fail and done.returncode == 1):
        sys.exit(f"{command[1:3]}: exit {done.returncode}: {done.stderr[-1000:]}")
    return done.stdout
