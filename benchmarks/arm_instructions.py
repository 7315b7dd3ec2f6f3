"""Instructions of one inference of an exported MobileNetV2 on emulated ARM cores, exactly counted.

On a Raspberry Pi 3, 4 or 5 (A53, A72, A76) the runtime decides: LiteRT and tflite-runtime execute
the same file with very different kernels. Counts are no times: an instruction of the one takes as
long as it takes. The weights are random, which does not change the work; a published file runs
beside ours. Anchors: counts of plain exports of the same networks, made in the same way but where
the emulator showed the host's /proc/cpuinfo to tflite-runtime. XNNPACK then takes its generic
kernels: 0.35-96 f32 on an A53 reads 6.73 M that way, and 9.65 M with the kernels that it has for
the in-order A53, which is what a board would run and what is counted here.

Run: edgekit device create qemu && python benchmarks/arm_instructions.py [--smoke]
(about 8 minutes; the smoke run ends with its reason where the emulator is not set up)
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from edgekit.device import open_device
from edgekit.device.emulator import userland
from edgekit.errors import SetupError
from edgekit.export.conversion import Plan, convert
from edgekit.profile.counting import Count
from edgekit.profile.measurement import Options
from edgekit.profile.side_by_side import bench_side_by_side
from edgekit.profile.targets import Target, find_targets, with_madds
from edgekit.quantize.scheme import parse_scheme
from edgekit.sources import load
from results import FOLDER, Row, write_results

DATA = Path(os.environ.get("EDGEKIT_SHARED_DATA", Path(__file__).parents[2] / "shared/data"))
PUBLISHED = DATA / "tflite/tf2_mobilenet_v2_1.0_224_ptq.tflite"
CORES = ("cortex-a53", "cortex-a72", "cortex-a76")
RUNTIMES = ("litert", "tflite-runtime")
LARGE, SMALL = "mobilenet_v2-1.0-224", "mobilenet_v2-0.35-96"
LITERT_2, LITERT_1, OLD = "LiteRT 2.3", "LiteRT 1.4", "tflite-runtime 2.14"
# (file, runtime, core) -> millions of instructions, and what counted them: plain exports, Nov 2026.
ANCHORS = {
    **{(f"{LARGE}.f32", "tflite-runtime", core): (124.0, OLD) for core in CORES},
    **{(f"{LARGE}.w8a8", "tflite-runtime", core): (196.5, OLD) for core in CORES},
    **{(f"{SMALL}.f32", "tflite-runtime", core): (6.72, OLD) for core in CORES},
    **{(f"{SMALL}.w8a8", "tflite-runtime", core): (16.55, OLD) for core in CORES},
    (f"{LARGE}.w8a8", "litert", "cortex-a53"): (131.9, LITERT_2),
    (f"{LARGE}.w8a8", "litert", "cortex-a72"): (112.7, LITERT_1),
    (f"{LARGE}.w8a8", "litert", "cortex-a76"): (49.2, LITERT_2),
    (f"{SMALL}.w8a8", "litert", "cortex-a53"): (6.78, LITERT_1),
    (f"{SMALL}.w8a8", "litert", "cortex-a72"): (6.78, LITERT_1),
    (f"{SMALL}.w8a8", "litert", "cortex-a76"): (3.73, LITERT_1),
}


def main() -> int:
    """Export, count, write results/arm_instructions.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="one small file on one core")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    try:
        userland.find()
    except SetupError as error:
        print(error)
        return 0 if options.smoke else error.exit_code
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        names = [SMALL] if options.smoke else [LARGE, SMALL]
        files = [file for name in names for file in export(name, Path(scratch), options.smoke)]
        files += [] if options.smoke else [PUBLISHED]
        targets = [with_madds(target) for target in find_targets(files)]
        cores = CORES[-1:] if options.smoke else CORES
        counts = {r: count(targets, cores, r) for r in RUNTIMES[: 1 if options.smoke else None]}
        rows = [row for runtime in counts for c in counts[runtime] for row in figures(c, runtime)]
        rows += [steadiness(counts), *([] if options.smoke else rivals(counts))]
        minutes = (time.monotonic() - began) / 60
        folder = Path(scratch) if options.smoke else options.folder
        with open_device(f"qemu:{cores[0]}") as device:
            facts = {"cpu": device.facts["emulator"], "cores": 1}
        write_results(
            "arm_instructions", rows, minutes=minutes, seeds=[0], device=facts, folder=folder
        )
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    return 0


def export(name: str, folder: Path, smoke: bool) -> list[Path]:
    """Return our float and our int8 file of one network."""
    plan = Plan(
        schemes=(parse_scheme("f32"), parse_scheme("w8a8")),
        calibrate=str(DATA / "raccoon/images"),
        samples=2 if smoke else 100,
    )
    source = load(name.replace("mobilenet_v2-", "mobilenet_v2:"))
    artifact = convert(source, plan, folder / name).artifact
    return [artifact.path(file) for file in artifact.manifest.files]


def count(targets: list[Target], cores: tuple[str, ...], runtime: str) -> list[Count]:
    """Return the counts of every file on every core; two cores are emulated at a time."""
    found: list[Count] = []
    for first in range(0, len(cores), 2):
        devices = [open_device(f"qemu:{core}") for core in cores[first : first + 2]]
        reports = bench_side_by_side(targets, devices, Options(runtime=runtime))
        found += [count for report in reports for count in report.counts]
    return found


def figures(count: Count, runtime: str) -> list[Row]:
    """Return the instructions of one inference, in all and for each multiply-add."""
    core, file = count.device.removeprefix("qemu:"), count.target.path.stem
    version = f"{runtime} {count.runtime['version']}"
    anchor, source = ANCHORS.get((file, runtime, core), (None, None))
    case = f"{file}, {version}, {core}"
    counted = Row(
        case, "instructions of one inference", "M", count.instructions / 1e6, "simulated",
        anchor=anchor, anchor_source=source and f"plain export, {source}",
        target=None if anchor is None else f"<= {anchor}",
    )  # fmt: skip
    best = core == "cortex-a76" and file == f"{LARGE}.w8a8" and runtime == "litert"
    each = Row(
        case, "instructions for each MAdd", "", count.per_madd or float("nan"), "simulated",
        anchor=0.164 if best else None, anchor_source=LITERT_2 if best else None,
        target="<= 0.164" if best else None,
    )  # fmt: skip
    return [counted, each]


def steadiness(counts: dict[str, list[Count]]) -> Row:
    """Return the largest difference between two inferences of one process, of all counts."""
    worst = max((c for each in counts.values() for c in each), key=lambda c: c.spread)
    return Row(
        f"all of these; the worst is {worst.target.path.stem} on {worst.device}",
        "largest difference between inferences", "%", 100 * worst.spread, "simulated",
        target="<= 0.1",
    )  # fmt: skip


def rivals(counts: dict[str, list[Count]]) -> list[Row]:
    """Return ours over the published file, and tflite-runtime over LiteRT, core by core."""
    by_name = {
        (runtime, c.device, c.target.path.stem): c.instructions
        for runtime in counts
        for c in counts[runtime]
    }
    rows = []
    for core in CORES:
        ours, old = (by_name[r, f"qemu:{core}", f"{LARGE}.w8a8"] for r in RUNTIMES)
        published = by_name["litert", f"qemu:{core}", PUBLISHED.stem]
        rows.append(
            Row(f"{LARGE}.w8a8 over the published {PUBLISHED.stem}, litert, {core}",
                "instructions", "x", ours / published, "simulated", anchor=1.0,
                anchor_source="google-coral/test_data", target="<= 1.0")
        )  # fmt: skip
        rows.append(
            Row(f"{LARGE}.w8a8, tflite-runtime over litert, {core}", "instructions", "x",
                old / ours, "simulated")
        )  # fmt: skip
    return rows


if __name__ == "__main__":
    raise SystemExit(main())
