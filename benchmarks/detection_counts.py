"""SSDLite's parameters and MAdds beside the cells of the paper (Sandler et al., section 6.2).

Table 5 compares predictors: all behind MobileNetV2's own layers, that is the four extra maps and
the predictors of all six, for 80 classes; table 6 tells the whole detector. Both at an input of
320. The paper's detectors had a class more, the background; ours have a sigmoid a class and none,
so that both are counted. Parameters are those of a file: kernels and biases, batch norms folded.

One cell is not ours: 0.35B MAdds for SSDLite's head. Twice our count is 0.352B, as if
multiplications and additions had been counted apart; table 6's 0.8B for the whole detector leaves
room for our count and not for that one.

Run: python benchmarks/detection_counts.py [--smoke]    (about 1 minute)
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from edgekit.families import family
from edgekit.families.ssdlite import Config
from edgekit.profile.cost.summary import summarize
from edgekit.profile.graph import read_graph
from results import FOLDER, Row, write_results

FAMILY = family("ssdlite")
TABLE_5, TABLE_6 = "arXiv:1801.04381, table 5", "arXiv:1801.04381, table 6"
# Head, classes: the cells in millions of parameters and billions of MAdds.
HEADS = {"ssdlite": (2.1, 0.35), "ssd": (14.8, 1.25)}
CLASSES = (80, 81)


@dataclass(frozen=True)
class Count:
    """What one network has: of all, and of what stands behind the body."""

    params: int
    madds: int
    head_params: int
    head_madds: int


def main() -> int:
    """Count; write results/detection_counts.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="one head")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    began = time.monotonic()
    rows: list[Row] = []
    for head in list(HEADS)[: 1 if options.smoke else None]:
        for classes in CLASSES[: 1 if options.smoke else None]:
            rows += of_head(head, classes)
    minutes = (time.monotonic() - began) / 60
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if options.smoke else options.folder
        write_results("detection_counts", rows, minutes=minutes, seeds=[], folder=folder)
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    return 0


def of_head(head: str, classes: int) -> Iterator[Row]:
    """Yield a head's cells, and those of the whole detector where the paper has any."""
    found = count(Config(resolution=320, head=head, classes=classes))
    case = f"{head} 1.0/320, {classes} classes"
    params, madds = HEADS[head]
    yield _cell(case, "predictors and extra maps, parameters", found.head_params / 1e6, "M",
                params, 0.05, TABLE_5)  # fmt: skip
    yield _cell(case, "predictors and extra maps, MAdds", found.head_madds / 1e9, "B",
                madds, 0.005, TABLE_5)  # fmt: skip
    if head == "ssdlite":
        yield _cell(case, "all, parameters", found.params / 1e6, "M", 4.3, 0.05, TABLE_6)
        yield _cell(case, "all, MAdds", found.madds / 1e9, "B", 0.8, 0.05, TABLE_6)


def count(config: Config) -> Count:
    """Count a detector, and its body with the last 1x1 convolution by itself."""
    body = family("mobilenet_v2").build(config.backbone)
    network = FAMILY.build(config)
    params, madds = folded(network), summarize(read_graph(network)).madds
    of_body = summarize(read_graph(body)).madds
    assert madds is not None
    assert of_body is not None
    return Count(params, madds, params - folded(body), madds - of_body)


def folded(network: Any) -> int:
    """Return the parameters of a file: kernels, and one bias a channel of each convolution."""
    found = 0
    for layer in network.layers:
        norm = type(layer).__name__ == "BatchNormalization"
        found += layer.count_params() // 4 if norm else layer.count_params()
    return found


def _cell(
    case: str, metric: str, value: float, unit: str, cell: float, half: float, source: str
) -> Row:
    """Return one count, whose target is what the rounded cell can mean."""
    low, high = round(cell - half, 4), round(cell + half, 4)
    return Row(case, metric, unit, value, kind="counted", anchor=cell, anchor_source=source,
               target=f"{low}..{high}")  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
