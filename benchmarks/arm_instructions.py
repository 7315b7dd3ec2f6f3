"""Instructions of one inference of exported networks on emulated ARM cores, exactly counted.

On a Raspberry Pi 3, 4 or 5 (A53, A72, A76) the runtime decides: LiteRT and tflite-runtime execute
the same file with very different kernels. Counts are no times: an instruction of the one takes as
long as it takes. The weights are random, which does not change the work. Rivals in the same run: a
plain export of the same network by TensorFlow's own converter, and a published file. What begins
with "paired" is our export by `--stem paired`, whose first convolution reads two pixels as one.

Anchors: counts of plain exports made elsewhere in the same way, given to three or four digits; a
target allows for half of the last. Most were made where the emulator showed the host's
/proc/cpuinfo to the runtime. XNNPACK, which then does not know the core, takes other kernels than
on a board: those made for an in-order A53 execute more instructions in less time. Such anchors are
compared with counts of a core that does not say which it is, which read the same on any host.

Run: edgekit device create qemu && python benchmarks/arm_instructions.py [--smoke]
(about 10 minutes; the smoke run ends with its reason where the emulator is not set up)
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

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras as keras
from PIL import Image

from edgekit.device.emulator import userland
from edgekit.device.qemu import EmulatedCore
from edgekit.errors import SetupError
from edgekit.export.conversion import Plan, convert
from edgekit.export.mending.stem import pair_stem
from edgekit.families import MODULES, family
from edgekit.profile.timing.counting import Count
from edgekit.profile.timing.measurement import Options
from edgekit.profile.timing.side_by_side import bench_side_by_side
from edgekit.profile.timing.targets import find_targets, with_madds
from edgekit.quantize.scheme import parse_scheme
from edgekit.sources import load
from results import FOLDER, Row, write_results

DATA = Path(os.environ.get("EDGEKIT_SHARED_DATA", Path(__file__).parents[2] / "shared/data"))
PHOTOGRAPHS = DATA / "raccoon/images"
PUBLISHED = DATA / "tflite/tf2_mobilenet_v2_1.0_224_ptq.tflite"
CORES = ("cortex-a53", "cortex-a72", "cortex-a76")
LARGE, SMALL = "mobilenet_v2-1.0-224", "mobilenet_v2-0.35-96"
SHAPES = {LARGE: (224, 1.0), SMALL: (96, 0.35)}
UNKNOWN = "processor\t: 0\n\n"  # a /proc/cpuinfo that names no core
LITERT_1 = "ai-edge-litert==1.4.0"
OLD = "tflite-runtime"
# (file, runtime, core) -> millions of instructions and what counted them: plain exports, Nov 2026.
ANCHORS = {
    **{(f"{LARGE}.w8a8", OLD, core): (196.5, "tflite-runtime 2.14") for core in CORES},
    **{(f"{SMALL}.w8a8", OLD, core): (16.55, "tflite-runtime 2.14") for core in CORES},
    (f"{LARGE}.w8a8", "litert", "cortex-a53"): (131.9, "LiteRT 2.3"),
    (f"{LARGE}.w8a8", "litert", "cortex-a76"): (49.2, "LiteRT 2.3"),
}
# The same, where the runtime did not know the core.
UNKNOWN_CORE = {
    (f"{LARGE}.f32", OLD, "cortex-a72"): (124.0, "tflite-runtime 2.14"),
    (f"{SMALL}.f32", OLD, "cortex-a72"): (6.72, "tflite-runtime 2.14"),
    (f"{LARGE}.w8a8", "litert", "cortex-a72"): (112.7, "LiteRT 1.4"),
    (f"{SMALL}.w8a8", "litert", "cortex-a72"): (6.78, "LiteRT 1.4"),
    (f"{LARGE}.w8a8", "litert", "cortex-a76"): (51.3, "LiteRT 1.4"),
    (f"{SMALL}.w8a8", "litert", "cortex-a76"): (3.73, "LiteRT 1.4"),
}
BEST = (f"{LARGE}.w8a8", "litert", "cortex-a76")  # whose count for each MAdd is published: .164
Counts = dict[tuple[str, str, str], Count]  # by file, runtime and core


def main() -> int:
    """Export, count, write results/arm_instructions.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="one small network on one core")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    try:
        userland.find()
    except SetupError as error:
        print(error)
        return 0 if options.smoke else error.exit_code
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        rows = list(measure(Path(scratch), smoke=options.smoke))
        minutes = (time.monotonic() - began) / 60
        folder = Path(scratch) if options.smoke else options.folder
        with EmulatedCore(CORES[0]) as device:
            facts = {"cpu": device.facts["emulator"], "cores": 1}
        write_results(
            "arm_instructions", rows, minutes=minutes, seeds=[0], device=facts, folder=folder
        )
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.5g} {row.unit}, {row.target}: {row.met}")
    return 0


def measure(scratch: Path, *, smoke: bool) -> Iterator[Row]:
    """Yield every figure."""
    names, cores = ([SMALL], CORES[-1:]) if smoke else ([LARGE, SMALL], CORES)
    older = scratch if smoke else litert_1(scratch / "litert-1")
    ours = [file for name in names for file in export(name, scratch, smoke)]
    paired = [pair(file, scratch) for file in ours if ".w8a8" in file.name]
    plain = [file for name in names for file in export_plainly(name, scratch, smoke)]
    others = [] if smoke else [PUBLISHED, *other_families(scratch)]
    counts = count(
        [*ours, *paired, *plain, *others], "litert", [EmulatedCore(core) for core in cores]
    )
    counts |= {} if smoke else count(ours, OLD, [EmulatedCore(core) for core in cores])
    for key in counts:
        if not key[0].startswith("plain-") and key[0] != PUBLISHED.stem:
            yield from figures(key, counts[key])
    for file, core in ((file, core) for file in ours for core in cores):
        yield over(counts, file.stem, f"plain-{file.stem}", core, "TFLiteConverter alone")
    for file, core in ((file, core) for file in paired for core in cores):
        yield over(counts, file.stem, file.stem.removeprefix("paired-"), core, "plain stem", None)
    for core in [] if smoke else cores:
        yield over(counts, f"{LARGE}.w8a8", PUBLISHED.stem, core, "google-coral/test_data")
        yield runtimes(counts, core)
    if not smoke:
        yield from unknown_core(ours, older)
    yield steadiness(counts)


def export(name: str, folder: Path, smoke: bool) -> list[Path]:
    """Return our float and our int8 file of one network."""
    plan = Plan(
        schemes=(parse_scheme("f32"), parse_scheme("w8a8")),
        calibrate=str(PHOTOGRAPHS),
        samples=2 if smoke else 100,
    )
    source = load(name.replace("mobilenet_v2-", "mobilenet_v2:"))
    artifact = convert(source, plan, folder / name).artifact
    return [artifact.path(file) for file in artifact.manifest.files]


def pair(file: Path, folder: Path) -> Path:
    """Return the file as `--stem paired` makes it."""
    made = folder / f"paired-{file.name}"
    made.write_bytes(pair_stem(file.read_bytes()))
    return made


def export_plainly(name: str, folder: Path, smoke: bool) -> list[Path]:
    """Return the same of keras.applications' network by TensorFlow's own converter."""
    side, alpha = SHAPES[name]
    network = keras.applications.MobileNetV2((side, side, 3), alpha=alpha, weights=None)
    photographs = sorted(PHOTOGRAPHS.glob("*.jpg"))[: 2 if smoke else 100]

    def examples() -> Iterator[list[npt.NDArray[np.float32]]]:
        for path in photographs:
            pixels = np.asarray(Image.open(path).convert("RGB").resize((side, side)), np.float32)
            yield [pixels[None] / 127.5 - 1]

    files = []
    for scheme in ("f32", "w8a8"):
        converter = tf.lite.TFLiteConverter.from_keras_model(network)
        if scheme == "w8a8":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = examples
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        files.append(folder / f"plain-{name}.{scheme}.tflite")
        files[-1].write_bytes(converter.convert())
    return files


def other_families(folder: Path) -> Iterator[Path]:
    """Yield the float file of the first preset of every other family."""
    for name in MODULES:
        if name != "mobilenet_v2":
            preset = next(iter(family(name).presets))
            plan = Plan(schemes=(parse_scheme("f32"),))
            artifact = convert(load(f"{name}:{preset}"), plan, folder / name).artifact
            yield artifact.path(artifact.manifest.files[0])


def count(files: list[Path], runtime: str, devices: list[EmulatedCore]) -> Counts:
    """Return the counts of every file on every core; two cores are emulated at a time."""
    targets = [with_madds(target) for target in find_targets(files)]
    found: Counts = {}
    for first in range(0, len(devices), 2):
        pair = devices[first : first + 2]
        for report in bench_side_by_side(targets, pair, Options(runtime=runtime)):
            core = report.url.removeprefix("qemu:")
            found |= {(c.target.path.stem, runtime, core): c for c in report.counts}
    return found


def figures(key: tuple[str, str, str], count: Count) -> Iterator[Row]:
    """Yield the instructions of one inference, in all and, in LiteRT, for each multiply-add."""
    case = f"{key[0]}, {key[1]} {count.runtime['version']}, {key[2]}"
    yield anchored(case, count, *ANCHORS.get(key, (None, "")))
    if key[1] == "litert" and count.per_madd:
        best = (0.164, "plain export, LiteRT 2.3", "<= 0.1645") if key == BEST else (None,) * 3
        yield Row(
            case, "instructions for each MAdd", "", count.per_madd, "simulated",
            anchor=best[0], anchor_source=best[1], target=best[2],
        )  # fmt: skip


def anchored(case: str, count: Count, anchor: float | None, source: str) -> Row:
    """Return the instructions of one inference beside a published count to so many digits."""
    value = count.instructions / 1e6
    if anchor is None:
        return Row(case, "instructions of one inference", "M", value, "simulated")
    half_digit = 0.5 * 10.0 ** -len(str(anchor).partition(".")[2])
    return Row(
        case, "instructions of one inference", "M", value, "simulated", anchor=anchor,
        anchor_source=f"plain export, {source}", target=f"<= {anchor + half_digit:g}",
    )  # fmt: skip


def over(
    counts: Counts, ours: str, rival: str, core: str, source: str, target: str | None = "<= 1.001"
) -> Row:
    """Return our instructions over a rival's, both in LiteRT in this run; steady to 0.1%."""
    own, theirs = (counts[name, "litert", core].instructions for name in (ours, rival))
    return Row(
        f"{ours} over {rival}, litert, {core}", "instructions", "x", own / theirs, "simulated",
        anchor=1.0, anchor_source=f"{source}; {own / 1e6:.5g} M v {theirs / 1e6:.5g} M",
        target=target,
    )  # fmt: skip


def runtimes(counts: Counts, core: str) -> Row:
    """Return tflite-runtime's instructions over LiteRT's for one file."""
    old, new = (counts[f"{LARGE}.w8a8", r, core].instructions for r in (OLD, "litert"))
    case = f"{LARGE}.w8a8, tflite-runtime over litert, {core}"
    return Row(case, "instructions", "x", old / new, "simulated")


def unknown_core(ours: list[Path], packages: Path) -> Iterator[Row]:
    """Yield what runtimes execute that do not know the core, as where the anchors were counted."""
    for runtime, folder in ((OLD, None), ("litert", packages)):
        wanted = [key for key in UNKNOWN_CORE if key[1] == runtime]
        files = [file for file in ours if file.stem in {key[0] for key in wanted}]
        cores = dict.fromkeys(key[2] for key in wanted)
        devices = [EmulatedCore(core, cpuinfo=UNKNOWN, packages=folder) for core in cores]
        counts = count(files, runtime, devices)
        for key in wanted:
            version = counts[key].runtime["version"]
            case = f"{key[0]}, {runtime} {version}, {key[2]} that does not say so"
            yield anchored(case, counts[key], *UNKNOWN_CORE[key])


def litert_1(folder: Path) -> Path:
    """Return a folder with the older LiteRT for the emulated cores."""
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
            "--no-deps", "--target", str(folder), "--python-version", userland.PYTHON,
            "--only-binary=:all:", "--platform", "manylinux_2_17_aarch64", LITERT_1]  # fmt: skip
    subprocess.run(argv, check=True)
    return folder


def steadiness(counts: Counts) -> Row:
    """Return the largest difference between two inferences of one process, of all counts."""
    worst = max(counts.values(), key=lambda count: count.spread)
    return Row(
        f"all of these; the worst is {worst.target.path.stem} on {worst.device}",
        "largest difference between inferences", "%", 100 * worst.spread, "simulated",
        target="<= 0.1",
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
