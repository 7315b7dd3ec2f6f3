"""Recurrent networks as files: ours, step by step, against TensorFlow's own converter.

The networks are Keras 2's, of 40 steps of 8 values and 32 units, with random weights, which do not
change the work; 100 random sequences calibrate, 40 others judge. TensorFlow's converter makes an
LSTM one op with a state and a GRU a loop. Compared are p50 (files in turn, one thread of LiteRT),
the SQNR against Keras, and what one question asked twice is answered the second time.

Run: python benchmarks/recurrent.py [--smoke]    (about 3 minutes)
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import numpy.typing as npt
import tf_keras as keras
from ai_edge_litert.interpreter import Interpreter

from edgekit.device import open_device
from edgekit.export.conversion import Plan, convert
from edgekit.export.source import Source
from edgekit.profile.timing.bench import bench
from edgekit.profile.timing.measurement import Options
from edgekit.profile.timing.targets import find_targets
from edgekit.quantize.scheme import parse_schemes
from results import FOLDER, Row, write_results

layers = keras.layers
STEPS, VALUES, UNITS = 40, 8, 32
KINDS = {
    "LSTM": lambda: layers.LSTM(UNITS),
    "LSTM both ways": lambda: layers.Bidirectional(layers.LSTM(UNITS, return_sequences=True)),
    "GRU": lambda: layers.GRU(UNITS),
    "GRU both ways": lambda: layers.Bidirectional(layers.GRU(UNITS, return_sequences=True)),
}
SCHEMES = ("f32", "w8a8")
RIVAL = "TensorFlow's converter"

# In a process of its own, for it may not survive.
BARE = """
import sys
import numpy as np, tensorflow as tf, tf_keras
scheme, model, examples, target = sys.argv[1:]
model = tf_keras.models.load_model(model, compile=False)
spec = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32)  # of an open batch it makes no loop
function = tf.function(lambda x: model(x, training=False)).get_concrete_function(spec)
converter = tf.lite.TFLiteConverter.from_concrete_functions([function], model)
if scheme == "w8a8":
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([x[None]] for x in np.load(examples))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
open(target, "wb").write(converter.convert())
"""

Array = npt.NDArray[Any]


def main() -> int:
    """Convert, judge and time; write results/recurrent.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="one network; figures mean nothing")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    began = time.monotonic()
    kinds = ["LSTM"] if options.smoke else list(KINDS)
    with tempfile.TemporaryDirectory() as scratch:
        rows = [row for kind in kinds for row in study(kind, Path(scratch), smoke=options.smoke)]
        folder = Path(scratch) if options.smoke else options.folder
        minutes = (time.monotonic() - began) / 60
        write_results("recurrent", rows, minutes=minutes, seeds=[0], folder=folder)
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    return 0


def study(kind: str, scratch: Path, *, smoke: bool) -> Iterator[Row]:
    """Yield the rows of one network."""
    model = network(kind)
    sequences = np.random.default_rng(0).normal(size=(140, STEPS, VALUES)).astype(np.float32)
    calibration, judged = sequences[:100], sequences[100:]
    folder = scratch / kind.replace(" ", "-")
    folder.mkdir()
    ours = our_files(model, calibration, folder)
    theirs, signals = their_files(model, calibration, folder)
    expected = np.asarray(model(judged, training=False))
    for scheme in SCHEMES:
        case = f"{kind}, {STEPS} steps, {UNITS} units, {scheme}"
        if scheme in signals:
            yield Row(case, f"{RIVAL} dies, of signal", "", signals[scheme], kind="counted")
        for name, files in (("", ours), (f", {RIVAL}", theirs)):
            if scheme in files:
                yield from judge(f"{case}{name}", files[scheme], judged, expected, own=not name)
        if scheme in theirs:
            yield speed(case, ours[scheme], theirs[scheme], smoke=smoke)


def network(kind: str) -> Any:
    """Return sequences `[N, STEPS, VALUES]` to four numbers."""
    keras.utils.set_random_seed(0)
    x = sequence = layers.Input((STEPS, VALUES), name="sequence")
    x = KINDS[kind]()(x)
    if len(x.shape) == 3:
        x = layers.GlobalMaxPooling1D()(x)
    return keras.Model(sequence, layers.Dense(4)(x))


def our_files(model: Any, calibration: Array, folder: Path) -> dict[str, Path]:
    """Return our files by scheme."""
    np.savez(folder / "calibration.npz", sequence=calibration)
    plan = Plan(parse_schemes(",".join(SCHEMES)), calibrate=str(folder / "calibration.npz"))
    artifact = convert(Source("network", model, "tf_keras", {}), plan, folder / "ours").artifact
    return {file.scheme: artifact.path(file) for file in artifact.manifest.files}


def their_files(
    model: Any, calibration: Array, folder: Path
) -> tuple[dict[str, Path], dict[str, int]]:
    """Return the converter's files by scheme, and where it died the signal."""
    model.save(folder / "model.h5")
    np.save(folder / "calibration.npy", calibration)
    made, signals = {}, {}
    for scheme in SCHEMES:
        target = folder / f"theirs.{scheme}.tflite"
        files = (folder / "model.h5", folder / "calibration.npy", target)
        command = [sys.executable, "-c", BARE, scheme, *map(str, files)]
        status = subprocess.run(command, capture_output=True, check=False).returncode
        if status > 0:
            raise RuntimeError(f"{RIVAL} in {scheme}: exit {status}")
        if status < 0:
            signals[scheme] = -status
        else:
            made[scheme] = target
    return made, signals


def judge(case: str, path: Path, judged: Array, expected: Array, *, own: bool) -> Iterator[Row]:
    """Yield what a file's answers are worth."""
    first = np.stack([answer(path, sequence, times=1) for sequence in judged])
    noise = np.square(first - expected).sum()
    yield Row(case, "SQNR", "dB", float(10 * np.log10(np.square(expected).sum() / noise)))
    again = np.stack([answer(path, sequence, times=2) for sequence in judged])
    yield Row(case, "the second answer to a question less the first", "1",
              float(np.abs(again - first).max()), target="<= 0" if own else None)  # fmt: skip
    yield Row(case, "size", "kB", path.stat().st_size / 1e3)


def answer(path: Path, sequence: Array, times: int) -> Array:
    """Return what a file, opened anew, answers to a sequence asked so many times."""
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    (entering,), (leaving,) = interpreter.get_input_details(), interpreter.get_output_details()
    given, (scale, zero) = sequence[np.newaxis], entering["quantization"]
    if scale:
        given = np.clip(np.rint(given / scale) + zero, -128, 127).astype(np.int8)
    for _ in range(times):
        interpreter.set_tensor(entering["index"], given)
        interpreter.invoke()
    found, (scale, zero) = interpreter.get_tensor(leaving["index"])[0], leaving["quantization"]
    real: Array = (found.astype(np.float64) - zero) * scale if scale else found
    return real


def speed(case: str, ours: Path, theirs: Path, *, smoke: bool) -> Row:
    """Return p50 over the converter's, files in turn."""
    timing = Options(rounds=2 if smoke else 20, runs=4 if smoke else 2000, min_seconds=0)
    with open_device("local") as device:
        report = bench(find_targets([theirs, ours]), device, timing)
    value, interval = report.ratio(0, 1)
    anchor, own = (1e3 * row.latency.p50 for row in report.rows)
    source = f"{RIVAL}; {own:.0f} us v {anchor:.0f} us in the same run"
    return Row(case, "p50 ratio", "x", value, interval=interval, anchor=1.0, anchor_source=source,
               target="<= 1")  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
