"""Our 8-bit files beside those that other tools make of the same networks and photographs.

The networks, the 100 photographs that calibrate, the others that judge, and how, are those of
quantization.py: the share of answers that stay as the float network gives them (of features, of
nearest neighbours), and the SQNR of features. Each tool reads our float file: Google's quantizer
the .tflite, ONNX Runtime's and OpenVINO's NNCF the .onnx; its file runs in LiteRT or ONNX Runtime
as ours of that format does. p50 ratios are to our own file of the same format, in turn in one run.
Ours is `--ptq best`; what was chosen for it, and on which photographs, quantization.py says. That
the imported weights lie on a grid of 8 bits helps every tool alike: what they lose they lose by
activations.

A .tflite and an .onnx of one tool do not compare as tools, but as what their runtimes round.

Run: python benchmarks/quantization_peers.py [--smoke]    (about 8 minutes; installs three tools)
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from edgekit.artifact import Artifact
from edgekit.device import open_device
from edgekit.export.conversion import Plan, convert
from edgekit.export.files import Wanted
from edgekit.families.run import open_run
from edgekit.profile.timing.bench import bench
from edgekit.profile.timing.measurement import Options as Timing
from edgekit.profile.timing.targets import find_targets
from edgekit.quantize.scheme import parse_schemes
from edgekit.runtime import open_model
from edgekit.signature import TensorSpec
from edgekit.sources import load
from edgekit.tasks.classify import encode
from edgekit.tasks.intervals import wilson_interval
from edgekit.tasks.pictures.images import read_image, resize
from published_weights import DATA
from quantization import (
    OURS,
    Array,
    draw,
    nearest,
    networks,
    rebuilt,
    spec_of,
    sqnr,
)
from quantizers import QUANTIZERS
from results import FOLDER, Row, write_results

FORMATS = ("tflite", "onnx")
BASELINE = "TensorFlow's converter"  # of the .tflite; ours makes what it makes without --ptq


def main() -> int:
    """Quantize by every tool, judge, time; write results/quantization_peers.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="the small network, no other tool")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    began = time.monotonic()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        for case, file in networks(smoke=options.smoke).items():
            study = Study(DATA / "tflite" / file, Path(scratch) / file, options.seed,
                          smoke=options.smoke)  # fmt: skip
            rows += study.rows(case)
        folder = Path(scratch) if options.smoke else options.folder
        minutes = (time.monotonic() - began) / 60
        write_results("quantization_peers", rows, minutes=minutes, seeds=[options.seed],
                      folder=folder)  # fmt: skip
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    return 0


class Study:
    """One network, quantized by all."""

    def __init__(self, published: Path, folder: Path, seed: int, *, smoke: bool) -> None:
        self.folder, self.smoke = folder, smoke
        self.calibration, judged = draw(folder / "photographs", seed, smoke=smoke)
        run = rebuilt(published, folder / "run")
        self.classifier = open_run(run).config.include_top
        self.plain = self._converted(run, "plain", "f32,w8a8", Wanted())
        self.ours = self._converted(run, "ours", "w8a8", Wanted(post_training=OURS))
        self.spec = spec_of(self.plain.file(scheme="f32", format="tflite"))
        size = self.spec.shape[1:3]
        self.pixels = [resize(read_image(path), (size[0], size[1])) for path in judged]

    def _converted(self, run: Path, name: str, schemes: str, wanted: Wanted) -> Artifact:
        plan = Plan(parse_schemes(schemes), formats=FORMATS, calibrate=str(self.calibration),
                    wanted=wanted)  # fmt: skip
        return convert(load(str(run)), plan, self.folder / name).artifact

    def rows(self, case: str) -> Iterator[Row]:
        """Yield the table of this network, format by format."""
        for format in FORMATS:
            files = dict(self._files(format))
            reference = self.answers(self._made(self.plain, "f32", format))
            found = {name: self.answers(path) for name, path in files.items()}
            runtime = "LiteRT" if format == "tflite" else "ONNX Runtime"
            for name, answers in found.items():
                label = f"{case} in {runtime}: {name}"
                yield self._agreement(label, reference, answers)
                if not self.classifier:
                    yield Row(label, "SQNR", "dB", sqnr(reference, answers))
                yield Row(label, "size", "kB", files[name].stat().st_size / 1e3)
            yield from self._latencies(f"{case} in {runtime}", files)

    def _files(self, format: str) -> Iterator[tuple[str, Path]]:
        """Yield each tool's 8-bit file by what the table calls it; ours comes first."""
        yield "edgekit, --ptq best", self._made(self.ours, "w8a8", format)
        if format == "tflite":
            yield BASELINE, self._made(self.plain, "w8a8", format)
        pictures = self.folder / "pictures.npy"
        np.save(pictures, self._examples())
        for number, tool in enumerate(() if self.smoke else QUANTIZERS):
            if tool.format == format:
                made = self.folder / f"{number}.{format}"
                tool(self._made(self.plain, "f32", format), pictures, made)
                yield tool.label, made

    @staticmethod
    def _made(artifact: Artifact, scheme: str, format: str) -> Path:
        return artifact.path(artifact.file(scheme=scheme, format=format))

    def _examples(self) -> Array:
        """Return the photographs that calibrate as the float network takes them, `[N, H, W, C]`."""
        size = self.spec.shape[1:3]
        pictures = [resize(read_image(path), (size[0], size[1]))
                    for path in sorted(self.calibration.iterdir())]  # fmt: skip
        return np.concatenate([encode(one, self.spec, {}) for one in pictures])

    def answers(self, path: Path) -> Array:
        """Return what a file answers to the photographs that judge, `[N, C]`, in real values."""
        with closing(open_model(path)) as session:
            (signature,) = session.signatures.values()
            spec, wanted = self._picture(signature.inputs[0], path), signature.outputs[0]
            return np.concatenate([
                wanted.dequantize(session({spec.name: encode(one, spec, {})})[wanted.name])
                for one in self.pixels
            ])  # fmt: skip

    def _picture(self, taken: TensorSpec, path: Path) -> TensorSpec:
        """Return a file's input with the network's own normalisation, which no tool knows."""
        layout = "NCHW" if path.suffix == ".onnx" else "NHWC"
        return replace(taken, layout=layout, mean=self.spec.mean, std=self.spec.std)

    def _agreement(self, label: str, reference: Array, answers: Array) -> Row:
        best = np.argmax if self.classifier else nearest
        same = best(reference, axis=1) == best(answers, axis=1)
        metric = "top-1 agreement" if self.classifier else "the same nearest neighbour"
        low, high = wilson_interval(int(same.sum()), len(same))
        return Row(label, f"{metric} ({len(same)} photographs)", "%", 100 * float(same.mean()),
                   interval=(100 * low, 100 * high))  # fmt: skip

    def _latencies(self, case: str, files: Mapping[str, Path]) -> Iterator[Row]:
        """Yield each file's p50 over ours, the files in turn in every round."""
        timing = Timing(rounds=2 if self.smoke else 10, runs=4 if self.smoke else 200,
                        min_seconds=0)  # fmt: skip
        targets: Any = find_targets(list(files.values()))
        with open_device("local") as device:
            report = bench(targets, device, timing)
        for index, name in enumerate(files):
            if index:
                value, interval = report.ratio(0, index)
                own, theirs = (report.rows[i].latency.p50 for i in (index, 0))
                source = f"ours; {own:.3f} ms v {theirs:.3f} ms in the same run"
                yield Row(f"{case}: {name}", "p50 ratio", "x", value, interval=interval, anchor=1.0,
                          anchor_source=source)  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
