"""The 22 published MobileNetV2 checkpoints: MAdds and parameters, ours counted from the network.

The anchors are the cells of slim's README (tensorflow/models), which truncates MAdds to millions;
its parameters are kernels and the classifier's bias, without batch norm.

Run: python benchmarks/paper_counts.py [--smoke]    (about 2 minutes)
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from edgekit.families import family
from edgekit.profile.cost.summary import by_kind, summarize
from edgekit.profile.graph import read_graph
from results import FOLDER, Row, write_results

DATA = Path(os.environ.get("EDGEKIT_SHARED_DATA", Path(__file__).parents[2] / "shared/data"))
CELLS = DATA / "anchors/slim_mobilenet_v2_pixel1.csv"
SOURCE = "tensorflow/models research/slim/nets/mobilenet"


def main() -> int:
    """Count every checkpoint's network, write results/paper_counts.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="two checkpoints")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    began = time.monotonic()
    lines = [line for line in CELLS.read_text().splitlines() if not line.startswith("#")]
    cells = list(csv.DictReader(lines))[: 2 if options.smoke else None]
    rows = [row for cell in cells for row in count(cell)]
    minutes = (time.monotonic() - began) / 60
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if options.smoke else options.folder
        write_results("paper_counts", rows, minutes=minutes, seeds=[], folder=folder)
    print(f"{sum(row.met is True for row in rows)} of {len(rows)} cells agree")
    return 0


def count(cell: dict[str, str]) -> Sequence[Row]:
    """Return our counts beside one checkpoint's cells."""
    name = f"{float(cell['alpha'])}-{cell['resolution']}"
    mobilenet = family("mobilenet_v2")
    graph = read_graph(mobilenet.build(mobilenet.preset(name).config))
    params = sum(row.params for row in by_kind(graph) if row.name != "BatchNormalization")
    case = f"MobileNetV2 {cell['alpha']}/{cell['resolution']}"
    macs = int(cell["macs_m"])
    published = float(cell["params_m"])
    return [
        Row(case, "MAdds", "M", summarize(graph).madds / 1e6, kind="counted", anchor=macs,
            anchor_source=SOURCE, target=f"{macs}..{macs + 0.999999}"),
        Row(case, "parameters", "M", params / 1e6, kind="counted", anchor=published,
            anchor_source=SOURCE, target=f"{published - 0.01:.2f}..{published + 0.01:.2f}"),
    ]  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
