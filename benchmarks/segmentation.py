"""mIOU on drawn scenes, float and after quantization, over seeds; and where the arg-max may stand.

For each seed: `edgekit train deeplab_v3:scenes --qat`, `convert`, `evaluate` on the test split (300
scenes of a seed of their own, never used to choose anything), in the pixels of the pictures. Then
the float network at six scales and mirrored, in the pictures' pixels as well; and label maps of
fewer places, whose arg-max stands before the last part of the resize, against the one of the
input's size.

Run: python benchmarks/segmentation.py [--smoke] [--seeds 1]    (about 20 minutes)
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from edgekit.signature import TensorSpec
from results import FOLDER, Row, write_results

MODEL = "deeplab_v3:scenes"
SCHEMES = ("f32", "w8a8", "qat-w8a8")
BRIEF: tuple[str, ...] = (
    "--epochs",
    "1",
    "--qat-epochs",
    "1",
    "--resolution",
    "33",
    "--output-stride",
    "16",
)
STRIDES = (1, 2, 4, 8)
SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
ANCHORS = {"f32": 75.30, "w8a8": 73.95, "qat-w8a8": 74.68}
GARDEN = "Model Garden, DeepLabv3 MobileNetV2 on VOC"

Scores = dict[str, float]


def main() -> int:
    """Train, convert, evaluate; write results/segmentation.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="one epoch; figures mean nothing")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--run", type=Path, help="a finished run of seed 0, in place of training")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    seeds = [0] if options.smoke or options.run else list(range(options.seeds))
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        found = [
            score(
                options.run or trained(seed, Path(scratch) / f"{seed}/run", smoke=options.smoke),
                Path(scratch) / str(seed),
                smoke=options.smoke,
            )
            for seed in seeds
        ]
        minutes = (time.monotonic() - began) / 60
        rows = list(summarize(found))
        folder = Path(scratch) if options.smoke else options.folder
        write_results("segmentation", rows, minutes=minutes, seeds=seeds, folder=folder)
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.2f} {row.unit}, {row.target}: {row.met}")
    return 0


def score(run: Path, folder: Path, *, smoke: bool) -> Scores:
    """Return the test mIOU in percent by case, and the minutes that the epochs of a run took."""
    history = (run / "history.jsonl").read_text(encoding="utf-8").splitlines()
    seconds = sum(json.loads(line)["seconds"] for line in history)
    return {
        "minutes": seconds / 60, **convert(run, folder / "labels", SCHEMES),
        **at_several_places(run), **at_several_scales(run, (1.0, 1.25) if smoke else SCALES),
    }  # fmt: skip


def trained(seed: int, run: Path, *, smoke: bool) -> Path:
    """Train with a seed and return the run."""
    edgekit("train", MODEL, "--qat", "--seed", str(seed), *(BRIEF if smoke else ()), "-o", str(run))
    return run


def convert(run: Path, artifact: Path, schemes: Sequence[str]) -> Scores:
    """Return the mIOU in percent of each scheme's file."""
    edgekit("convert", str(run), "--scheme", ",".join(schemes), "-o", str(artifact), may_fail=True)
    rows = json.loads(edgekit("evaluate", str(artifact), "--data", "scenes", "--json"))["rows"]
    return {r["scheme"]: 100 * r["value"] for r in rows if r["metric"] == "mIOU"}


def at_several_places(folder: Path) -> Scores:
    """Return the float network's mIOU in the pictures' pixels, by where its arg-max stands."""
    import tensorflow as tf

    from edgekit.families.deeplab_v3.network import resize
    from edgekit.families.rebuild import rebuild
    from edgekit.families.run import open_run
    from edgekit.tasks import segment
    from edgekit.tasks.pictures.masks import read_masked_images

    run = open_run(folder)
    network, side = rebuild(run), run.config.resolution
    image = TensorSpec("image", (1, side, side, 3), "float32", layout="NHWC",
                       mean=tuple(run.input["mean"]), std=tuple(run.input["std"]))  # fmt: skip
    params = {"resolution": side, "align_corners": run.config.align_corners}
    truths, answers = [], defaultdict(list)
    for picture, truth in read_masked_images("scenes", "test").examples:
        truths.append(truth)
        logits = network.predict_on_batch(segment.encode(picture, image, params))
        answers["logits"].append(segment.decode({"logits": logits}, params, picture))
        for stride in STRIDES:
            size = (-(-side // stride),) * 2
            grown = resize(tf.constant(logits), size, run.config.align_corners)
            labels = np.asarray(tf.argmax(grown, axis=-1))
            answers[f"stride {stride}"].append(segment.decode({"labels": labels}, params, picture))
    return {name: 100 * segment.score(found, truths)[0].value for name, found in answers.items()}


def at_several_scales(folder: Path, scales: Sequence[float]) -> Scores:
    """Return the float network's mIOU: once, and at six scales and mirrored."""
    from edgekit.families.deeplab_v3.multi_scale import evaluate
    from edgekit.families.run import open_run

    run = open_run(folder)
    return {
        "one scale": 100 * evaluate(run, "scenes", (1.0,), mirror=False)[0].value,
        "six scales, mirrored": 100 * evaluate(run, "scenes", scales)[0].value,
    }


def summarize(found: Sequence[Mapping[str, float]]) -> Iterator[Row]:
    """Yield the means over seeds, and the worst drop below float of what learned its ranges."""
    for scheme in SCHEMES:
        yield _mean(scheme, found, scheme, ANCHORS[scheme], GARDEN)
    worst = max(of["f32"] - of["qat-w8a8"] for of in found)
    yield Row(f"{MODEL} qat-w8a8", "largest drop below f32", "points", worst, target="<= 1",
              anchor=ANCHORS["f32"] - ANCHORS["qat-w8a8"], anchor_source=GARDEN)  # fmt: skip
    minutes = [of["minutes"] for of in found]
    yield Row(f"{MODEL}, float and QAT", "epochs, longest", "minutes", max(minutes))
    for name in ("one scale", "six scales, mirrored"):
        if name in found[0]:
            yield _mean(f"f32 network, {name}", found, name)
    for stride in STRIDES:
        if f"stride {stride}" in found[0]:
            case = f"f32 network, arg-max at 1/{stride} of the input"
            yield _mean(case, found, f"stride {stride}")
    if "logits" in found[0]:
        yield _mean("f32 network, logits of 1/8, enlarged over the picture", found, "logits")


def _mean(
    case: str, found: Sequence[Mapping[str, float]], name: str, anchor: float | None = None,
    source: str | None = None,
) -> Row:  # fmt: skip
    values = [of[name] for of in found]
    return Row(f"{MODEL} {case}", "test mIOU, mean over seeds (range)", "%",
               statistics.fmean(values), interval=(min(values), max(values)),
               anchor=anchor, anchor_source=source)  # fmt: skip


def edgekit(*arguments: str, may_fail: bool = False) -> str:
    """Run one command of the installed edgekit and return what it printed."""
    command = [str(Path(sys.executable).parent / "edgekit"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and not (may_fail and done.returncode == 1):
        sys.exit(f"{' '.join(arguments)}: exit {done.returncode}: {done.stderr[-1000:]}")
    return done.stdout


if __name__ == "__main__":
    raise SystemExit(main())
