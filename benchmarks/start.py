"""CPU of starting the command line, whole processes: the help, and a model inspected.

Run: python benchmarks/start.py [--smoke]    (about a minute)
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from conversion import cpu_seconds
from results import FOLDER, Row, write_results

DATA = Path(os.environ.get("EDGEKIT_SHARED_DATA", Path(__file__).parents[2] / "shared/data"))
MODEL = DATA / "tflite/tf2_mobilenet_v2_1.0_224_ptq.tflite"
CASES = (
    (["edgekit", "--help"], "<= 0.15", 2.83, "tflite_convert --help, measured Nov 2026"),
    (["edgekit", "inspect", str(MODEL)], "<= 0.5", None, None),
)


def main() -> int:
    """Start each command many times, write results/start.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="two starts of each")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    began = time.monotonic()
    rows = []
    for command, target, anchor, source in CASES:
        seconds = [cpu_seconds(command)[0] for _ in range(2 if options.smoke else 20)]
        name = " ".join(Path(word).name for word in command)
        rows.append(
            Row(name, "CPU of the whole process", "s", statistics.median(seconds), anchor=anchor,
                anchor_source=source, target=target)
        )  # fmt: skip
    minutes = (time.monotonic() - began) / 60
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if options.smoke else options.folder
        write_results("start", rows, minutes=minutes, seeds=[], folder=folder)
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
