"""CPU seconds of `edgekit convert` against a bare TFLiteConverter on the same model and pictures.

Both are whole processes, imports included, in turn; the bare one reads the same 100 photographs,
resizes them in the same way and writes one int8 file.

Run: python benchmarks/conversion.py [--smoke]    (about 8 minutes)
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from results import FOLDER, Row, write_results

DATA = Path(os.environ.get("EDGEKIT_SHARED_DATA", Path(__file__).parents[2] / "shared/data"))
PICTURES = DATA / "raccoon/images"

MAKE = """
import sys
import tf_keras as keras
keras.utils.set_random_seed(0)
keras.applications.MobileNetV2(weights=None).save(sys.argv[1])
"""
BARE = """
import glob, sys
import numpy as np
from PIL import Image
import tensorflow as tf
import tf_keras as keras
model = keras.models.load_model(sys.argv[1], compile=False)
files = sorted(glob.glob(sys.argv[2] + "/*"))
picked = [files[int(i)] for i in np.linspace(0, len(files) - 1, int(sys.argv[4])).round()]
def samples():
    for file in picked:
        image = Image.open(file).convert("RGB").resize((224, 224), Image.Resampling.BILINEAR)
        yield [np.asarray(image, np.float32)[None] / 127.5 - 1]
converter = tf.lite.TFLiteConverter.from_keras_model(model)
converter.optimizations = [tf.lite.Optimize.DEFAULT]
converter.representative_dataset = samples
converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
converter.inference_input_type = converter.inference_output_type = tf.int8
open(sys.argv[3], "wb").write(converter.convert())
"""


def main() -> int:
    """Convert in turn, write results/conversion.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="one turn on two pictures")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    turns, pictures = (1, 2) if options.smoke else (5, 100)
    began = time.monotonic()
    ours, bare, checks = [], [], []
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "model.keras"
        cpu_seconds([sys.executable, "-c", MAKE, str(model)])
        for _ in range(turns):
            seconds, _ = cpu_seconds(
                [sys.executable, "-c", BARE, str(model), str(PICTURES), f"{scratch}/bare.tflite",
                 str(pictures)]
            )  # fmt: skip
            bare.append(seconds)
            seconds, printed = cpu_seconds(
                ["edgekit", "convert", str(model), "--scheme", "w8a8", "--calibrate",
                 str(PICTURES), "--samples", str(pictures), "--mean", "127.5", "--std", "127.5",
                 "-o", f"{scratch}/artifact", "--json"]
            )  # fmt: skip
            ours.append(seconds)
            checks.append(json.loads(printed)["checking_cpu_s"])
        folder = Path(scratch) if options.smoke else options.folder
        rows = [
            Row(
                "keras.applications MobileNetV2 1.0/224, .keras to w8a8, 100 photographs",
                "CPU of the whole process, parity included",
                "x",
                statistics.median(o / b for o, b in zip(ours, bare, strict=True)),
                anchor=1.0,
                anchor_source=f"bare TFLiteConverter; {statistics.median(ours):.1f} s v "
                f"{statistics.median(bare):.1f} s in the same run",
                target="<= 1.10",
            ),
            Row("the same", "CPU of the parity check alone", "s", statistics.median(checks)),
        ]
        minutes = (time.monotonic() - began) / 60
        write_results("conversion", rows, minutes=minutes, seeds=[0], folder=folder)
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    return 0


def cpu_seconds(command: list[str]) -> tuple[float, str]:
    """Run `command` and return the CPU seconds of it and its children, and what it printed."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):  # 1: random weights may fail parity; the work was done
        sys.exit(f"{command[0]} failed: {done.stderr[-2000:]}")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, done.stdout


if __name__ == "__main__":
    raise SystemExit(main())
