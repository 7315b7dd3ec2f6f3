"""Files of 20 Keras 3 networks, by edgekit and as Keras and TensorFlow make them: do they answer?

keras_zoo.py has the networks: random weights, settled batch norms; 100 examples calibrate, 24 more
judge against Keras' own answers. A file counts that is made, loads in LiteRT or ONNX Runtime and
answers: with 60 dB in float; where weights have 8 bits with 10 dB, or, of a network that rounding
upsets more than that, within 6 dB of the best that any of the tools made in the same format. The
rivals are used as documented: TensorFlow's converter on the Keras model, Keras' own export to ONNX,
ONNX Runtime's static quantizer, with its preparation, on that. Each file is made and judged in a
process of its own, for not every one survives.

Run: python benchmarks/keras_networks.py [--smoke]    (about half an hour)
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import numpy.typing as npt

from keras_zoo import NETWORKS
from results import FOLDER, Row, write_results

Array = npt.NDArray[Any]

CALIBRATING, JUDGING, TIMEOUT_S = 100, 24, 1800
WORKERS = 2  # networks at a time: nothing is timed
FLOAT_DB, ROUNDED_DB, BESIDE_DB = 60.0, 10.0, 6.0
FILES = {"tflite": ("f32", "w8", "w8a8", "w8a16"), "onnx": ("f32", "w8a8")}
RIVALS = {"tflite": "TensorFlow's converter", "onnx": "Keras' export, ONNX Runtime's quantizer"}
OURS = {"edgekit": "none", "edgekit, --ptq best": "best"}

_BUILD = """
import sys
from pathlib import Path
benchmarks, name, *counts = sys.argv[1:]
sys.path.insert(0, benchmarks)
from keras_zoo import write
write(name, Path.cwd(), *map(int, counts))
"""
_CONVERTER = """
import sys
import keras, numpy as np, tensorflow as tf
scheme, model, examples, target = sys.argv[1:]
model = keras.models.load_model(model, compile=False)
given = dict(np.load(examples))
converter = tf.lite.TFLiteConverter.from_keras_model(model)
if scheme != "f32":
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
if scheme in ("w8a8", "w8a16"):
    count = len(next(iter(given.values())))
    converter.representative_dataset = lambda: (
        {name: values[i : i + 1] for name, values in given.items()} for i in range(count))
    ops = tf.lite.OpsSet
    converter.target_spec.supported_ops = [
        ops.TFLITE_BUILTINS_INT8 if scheme == "w8a8"
        else ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]
content = converter.convert()
open(target, "wb").write(content)
"""
_EXPORT = """
import sys
import keras, numpy as np
scheme, model, examples, target = sys.argv[1:]
plain = target + ".f32.onnx"
model = keras.models.load_model(model, compile=False)
given = dict(np.load(examples))
model([keras.ops.convert_to_tensor(value[:1]) for value in given.values()])  # or it refuses
model.export(plain if scheme == "w8a8" else target, format="onnx", verbose=False)
if scheme == "w8a8":
    from onnxruntime import quantization
    names = list(given)
    class Reader(quantization.CalibrationDataReader):
        rows = iter(range(len(given[names[0]])))
        def get_next(self):
            row = next(self.rows, None)
            return None if row is None else {n: given[n][row : row + 1] for n in names}
    quantization.shape_inference.quant_pre_process(
        plain, plain + ".ready", skip_symbolic_shape=True)
    quantization.quantize_static(plain + ".ready", target, Reader(), per_channel=True)
"""
_JUDGE = """
import sys
import numpy as np
path, examples, answers = sys.argv[1:]
given = dict(np.load(examples))
count = len(next(iter(given.values())))
rows = [{name: values[i : i + 1] for name, values in given.items()} for i in range(count)]
if path.endswith(".onnx"):
    import onnxruntime
    session = onnxruntime.InferenceSession(path)
    shapes = {x.name: x.shape for x in session.get_inputs()}
    def ask(row):
        fed = {n: v.transpose(0, 3, 1, 2) if v.ndim == 4 and shapes[n][1] == v.shape[3] else v
               for n, v in row.items()}
        (answer,) = session.run(None, fed)
        return answer
else:
    from ai_edge_litert.interpreter import Interpreter
    interpreter = Interpreter(path)
    interpreter.allocate_tensors()
    fed, (made,) = interpreter.get_input_details(), interpreter.get_output_details()
    def ask(row):
        for detail in fed:
            (name,) = [n for n in row if n == detail["name"].split(":")[0].removeprefix(
                "serving_default_")]
            interpreter.set_tensor(detail["index"], row[name])
        interpreter.invoke()
        return interpreter.get_tensor(made["index"])
np.save(answers, np.concatenate([ask(row) for row in rows]))
"""


def main() -> int:
    """Convert, judge and count; write results/keras_networks.json."""
    options, names = asked(__doc__)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        with ThreadPoolExecutor(WORKERS) as pool:
            studies = pool.map(lambda name: dict(study(name, Path(scratch) / name)), names)
            found = dict(zip(names, studies, strict=True))
        folder = Path(scratch) if options.smoke or options.only else options.folder
        rows = list(counted(found))
        minutes = (time.monotonic() - began) / 60
        write_results("keras_networks", rows, minutes=minutes, seeds=[0], folder=folder)
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    return 0


def asked(program: str) -> tuple[argparse.Namespace, list[str]]:
    """Return what a program over the networks is asked, given its description, and of which."""
    parser = argparse.ArgumentParser(description=program.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="one network; figures mean nothing")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    parser.add_argument("--only", nargs="*", help="these networks")
    options = parser.parse_args()
    return options, ["autoencoder"] if options.smoke else options.only or list(NETWORKS)


Figure = tuple[str, str, str]  # tool, format, scheme


def study(name: str, folder: Path) -> Iterator[tuple[Figure, float | None]]:
    """Yield each file's SQNR in decibels, None where there is no answer."""
    build(name, folder)
    expected = np.load(folder / "expected.npy")
    for (tool, format, scheme), path in files(folder):
        ratio = judge(path, folder, expected)
        print(f"{name}: {tool}, {scheme} {format}: {ratio}", flush=True)
        yield (tool, format, scheme), ratio


def build(name: str, folder: Path) -> None:
    """Write a network, what calibrates it and what judges it into a folder, which is made."""
    folder.mkdir()
    given = (str(Path(__file__).parent), name, str(CALIBRATING), str(JUDGING))
    run([sys.executable, "-c", _BUILD, *given], folder)


def files(
    folder: Path, ours: Mapping[str, str] = OURS, wanted: Mapping[str, tuple[str, ...]] = FILES
) -> Iterator[tuple[Figure, Path]]:
    """Make every file and yield where it is, if it is.

    Args:
        folder: of the network.
        ours: the post-training techniques by what we call ourselves with them.
        wanted: the schemes of each format.
    """
    for tool, techniques in ours.items():
        out = folder / techniques
        schemes = wanted["tflite"] if techniques == "none" else ("w8a8",)
        command = [
            sys.executable, "-m", "edgekit", "convert", "model.keras", "--to", "tflite,onnx",
            "--scheme", ",".join(schemes), "--calibrate", "calibration.npz", "--ptq", techniques,
            "--io", "float32", "-o", str(out), "--json",
        ]  # fmt: skip
        run(command, folder)
        for format, made in wanted.items():
            for scheme in [scheme for scheme in made if scheme in schemes]:
                yield (tool, format, scheme), out / f"model.{scheme}.{format}"
    for format, script in (("tflite", _CONVERTER), ("onnx", _EXPORT)):
        for scheme in wanted[format]:
            target = folder / f"rival.{scheme}.{format}"
            given = ("model.keras", "calibration.npz", target.name)
            run([sys.executable, "-c", script, scheme, *given], folder)
            yield (RIVALS[format], format, scheme), target


def run(command: list[str], folder: Path) -> None:
    """Run a command in a folder; say how it failed, if it did."""
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        print(f"{folder.name}: {command[1:4]}: more than {TIMEOUT_S} s", flush=True)
        return
    if done.returncode:
        told = (done.stderr.strip() or "nothing said").splitlines()[-1]
        print(f"{folder.name}: exit {done.returncode}: {told[:300]}", flush=True)


def judge(path: Path, folder: Path, expected: Array) -> float | None:
    """Return the SQNR of a file's answers, None where there is no file or no answer."""
    answers = folder / "answers.npy"
    answers.unlink(missing_ok=True)
    if path.exists():
        run([sys.executable, "-c", _JUDGE, str(path), "judged.npz", answers.name], folder)
    if not answers.exists():
        return None
    noise = float(np.square(np.load(answers).astype(np.float64) - expected).sum())
    signal = float(np.square(expected.astype(np.float64)).sum())
    if not np.isfinite(noise):
        return None
    return float(10 * np.log10(signal / max(noise, 1e-12 * signal)))


def counted(found: Mapping[str, Mapping[Figure, float | None]]) -> Iterator[Row]:
    """Yield what is said of all networks together, and of each in 8 bits."""
    for format, schemes in FILES.items():
        for scheme in schemes:
            tools = [tool for tool, *file in next(iter(found.values())) if file == [format, scheme]]
            ratios = {tool: [f[tool, format, scheme] for f in found.values()] for tool in tools}
            yield from compared(scheme, format, ratios)
    for name, figures in found.items():
        ours, rival = (figures[tool, "tflite", "w8a8"]
                       for tool in ("edgekit, --ptq best", RIVALS["tflite"]))  # fmt: skip
        if ours is not None:
            source = RIVALS["tflite"] + ("" if rival is not None else ": no file that answers")
            yield Row(f"w8a8 .tflite: {name}", "SQNR", "dB", ours, anchor=rival,
                      anchor_source=source)  # fmt: skip


def compared(scheme: str, format: str, ratios: Mapping[str, list[float | None]]) -> Iterator[Row]:
    """Yield how many files answer, and how well those do that two tools made."""
    least = [enough(scheme, one) for one in zip(*ratios.values(), strict=True)]
    counts = {
        tool: sum(ratio is not None and ratio >= limit
                  for ratio, limit in zip(one, least, strict=True))
        for tool, one in ratios.items()
    }  # fmt: skip
    rival = RIVALS[format]
    for tool, ours in ratios.items():
        if tool == rival:
            continue
        case = f"{scheme} .{format}: {tool}"
        yield Row(case, f"networks of {len(ours)} whose file answers", "", counts[tool],
                  kind="counted", anchor=counts[rival], anchor_source=rival,
                  target=f">= {len(ours)}")  # fmt: skip
        both = [(a, b) for a, b in zip(ours, ratios[rival], strict=True)
                if a is not None and b is not None]  # fmt: skip
        if both:
            values, anchors = zip(*both, strict=True)
            yield Row(case, f"SQNR, median of the {len(both)} that both made", "dB",
                      median(values), anchor=median(anchors), anchor_source=rival)  # fmt: skip


def enough(scheme: str, ratios: tuple[float | None, ...]) -> float:
    """Return the least SQNR at which a file answers, one network's files in view."""
    if scheme == "f32":
        return FLOAT_DB
    best = max((ratio for ratio in ratios if ratio is not None), default=ROUNDED_DB)
    return max(0.0, min(ROUNDED_DB, best - BESIDE_DB))


if __name__ == "__main__":
    raise SystemExit(main())
