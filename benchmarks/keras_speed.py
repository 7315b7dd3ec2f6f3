"""Times of the files of 20 Keras 3 networks, by edgekit and as Keras and TensorFlow make them.

keras_zoo.py has the networks, keras_networks.py says how each tool makes its files. Those of one
network and format take turns in processes of their own, one thread each, in LiteRT or in ONNX
Runtime; compared are medians of invoke. Where a rival has no file, or one that does not run, there
is nothing to compare with.

Run: python benchmarks/keras_speed.py [--smoke]    (about 25 minutes)
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import geometric_mean

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from edgekit.device import open_device
from edgekit.errors import EdgekitError
from edgekit.profile.timing.bench import bench
from edgekit.profile.timing.measurement import Options, Report
from edgekit.profile.timing.targets import Target, find_targets
from keras_networks import RIVALS, WORKERS, Figure, asked, build, files
from results import Row, write_results

OURS = "edgekit"
FILES = {"tflite": ("f32", "w8a8"), "onnx": ("f32", "w8a8")}

Made = dict[Figure, Path]


def main() -> int:
    """Convert and time; write results/keras_speed.json."""
    options, names = asked(__doc__)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        with ThreadPoolExecutor(WORKERS) as pool:  # nothing is timed yet
            made = dict(zip(names, pool.map(lambda n: make(n, Path(scratch) / n), names),
                            strict=True))  # fmt: skip
        timed = [row for name in names for row in time_network(name, made[name], options.smoke)]
        rows = [*together(timed), *timed]
        folder = Path(scratch) if options.smoke or options.only else options.folder
        minutes = (time.monotonic() - began) / 60
        write_results("keras_speed", rows, minutes=minutes, seeds=[0], folder=folder)
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    return 0


def make(name: str, folder: Path) -> Made:
    """Return the files of a network that there are."""
    build(name, folder)
    return {figure: path for figure, path in files(folder, {OURS: "none"}, FILES) if path.exists()}


def time_network(name: str, made: Made, smoke: bool) -> Iterator[Row]:
    """Yield how long our files take for the rivals', and those of 8 bits for the float ones."""
    for format, schemes in FILES.items():
        paths = {key: path for key, path in made.items() if key[1] == format}
        report = timed(list(paths.values()), smoke)
        place = {key: number for key, path in paths.items()
                 for number, row in enumerate(report.rows) if row.target.path == path}  # fmt: skip
        pairs = [
            (f"{scheme} .{format}", (RIVALS[format], format, scheme), (OURS, format, scheme))
            for scheme in schemes
        ]
        pairs.append((f"w8a8 v f32 .{format}", (OURS, format, "f32"), (OURS, format, "w8a8")))
        for case, rival, own in pairs:
            if rival in place and own in place:
                source = RIVALS[format] if rival[0] != OURS else "our f32 file"
                yield compared(f"{case}: {name}", report, place[rival], place[own], source)


def timed(paths: Sequence[Path], smoke: bool) -> Report:
    """Return a report of files in turn; one that does not run is left out."""
    rounds, seconds = (2, 0.01) if smoke else (9, 0.6)
    options = Options(rounds=rounds, runs=4 if smoke else 90, min_seconds=seconds)
    with open_device("local") as device:
        return bench([target for path in paths for target in found(path)], device, options)


def found(path: Path) -> list[Target]:
    """Return a file as a target; none where it cannot be read, which is said."""
    try:
        return find_targets([path])
    except EdgekitError as error:
        print(f"{path.parent.name}: {path.name}: {error}", flush=True)
        return []


def compared(case: str, report: Report, rival: int, ours: int, source: str) -> Row:
    """Return p50 over another file's."""
    value, interval = report.ratio(rival, ours)
    own, anchor = (report.rows[number].latency.p50 for number in (ours, rival))
    source = f"{source}; {own:.3g} ms v {anchor:.3g} ms in the same run"
    return Row(case, "p50 ratio", "x", value, interval=interval, anchor=1.0, anchor_source=source)


def together(rows: Sequence[Row]) -> Iterator[Row]:
    """Yield what is said of all networks of a format and scheme."""
    cases: dict[str, list[float]] = {}
    for row in rows:
        cases.setdefault(row.case.partition(":")[0], []).append(row.value)
    for case, ratios in cases.items():
        metric = f"p50 ratio, geometric mean of the {len(ratios)} networks of both files"
        source = "our f32 files" if " v " in case else RIVALS[case.partition(".")[2]]
        yield Row(case, metric, "x", geometric_mean(ratios), anchor=1.0, anchor_source=source,
                  target="<= 1")  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
