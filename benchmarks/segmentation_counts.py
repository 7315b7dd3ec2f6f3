"""Mobile DeepLabv3's parameters and MAdds: a published file's, and the cells of the papers' table.

Ours are counted from the network. The published file holds biases in place of batch norms, so that
to the unit the same is counted there. Cells: Sandler et al., arXiv:1801.04381, table 7 (output
stride 16 once; output stride 8 at six scales with mirrored pictures: "MF"); the figures with more
digits stand in tensorflow/models research/deeplab/g3doc/model_zoo.md.

A cell's parameters are kernels with two numbers a channel of batch norm. Its MAdds count what the
authors' graph ran: a dilated filter as SpaceToBatch, plain filter, BatchToSpace, whose padding up
to a multiple of the dilation is filtered too (rates 6, 12 and 18 on a map of 33: 36 x 36 places in
place of 33 x 33), and the last resize, one for each of its outputs. Ours count neither; the rows
"as the graph ran" add both.

Run: python benchmarks/segmentation_counts.py [--smoke]    (about 2 minutes)
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tf_keras as keras

from edgekit.families import family
from edgekit.families.deeplab_v3 import Config
from edgekit.families.deeplab_v3.multi_scale import SCALES, scaled_size
from edgekit.profile.cost.summary import by_kind, summarize
from edgekit.profile.graph import read_graph
from results import FOLDER, Row, write_results

DATA = Path(os.environ.get("EDGEKIT_SHARED_DATA", Path(__file__).parents[2] / "shared/data"))
FILE = "deeplabv3_mnv2_pascal_quant.tflite"
PAPER = "arXiv:1801.04381, table 7"
ZOO = "tensorflow/models research/deeplab/g3doc/model_zoo.md"


@dataclass(frozen=True)
class Cell:
    """One row of the table."""

    name: str
    config: Config
    params_m: float
    madds_b: float
    low: float  # what the cell can mean: it is rounded
    high: float
    source: str = PAPER
    multi: bool = False  # at every scale, and mirrored


CELLS = (
    Cell("OS 16", Config(), 2.11, 2.75, 2.745, 2.755, ZOO),
    Cell("OS 16, ASPP", Config(aspp=True), 4.52, 5.8, 5.75, 5.85),
    Cell("OS 8, MF", Config(output_stride=8), 2.11, 152.59, 152.585, 152.595, ZOO, multi=True),
    Cell("OS 8, ASPP, MF", Config(output_stride=8, aspp=True), 4.52, 387, 386.5, 387.5, multi=True),
)


@dataclass(frozen=True)
class Count:
    """What one network has."""

    folded: int  # parameters of a file: kernels and biases
    published: int  # as the papers count: kernels, and gamma and beta of batch norms
    madds: int
    more: int  # MAdds of the padding of dilated filters, and one an output of the resize


def main() -> int:
    """Count; write results/segmentation_counts.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="one cell")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    began = time.monotonic()
    rows = list(of_file())
    for cell in CELLS[: 1 if options.smoke else None]:
        rows += of_cell(cell)
    minutes = (time.monotonic() - began) / 60
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if options.smoke else options.folder
        write_results("segmentation_counts", rows, minutes=minutes, seeds=[], folder=folder)
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.6g} {row.unit}, {row.target}: {row.met}")
    return 0


def of_file() -> Iterator[Row]:
    """Yield our counts beside those of the published file, to the unit."""
    ours, theirs = count(Config()), summarize(read_graph(DATA / "tflite" / FILE))
    for metric, value, anchor in (
        ("MAdds", ours.madds, theirs.madds), ("parameters, folded", ours.folded, theirs.params),
    ):  # fmt: skip
        yield Row("DeepLabv3 1.0/513, 21 classes", metric, "", value, kind="counted", anchor=anchor,
                  anchor_source=FILE, target=f"== {anchor}")  # fmt: skip


def of_cell(cell: Cell) -> Iterator[Row]:
    """Yield our counts beside one row of the table, and what the authors' graph ran."""
    case = f"DeepLabv3 1.0/513, {cell.name}"
    once = count(cell.config)
    sizes = [scaled_size(cell.config.resolution, scale) for scale in SCALES]
    counts = [once]
    if cell.multi:
        counts = 2 * [count(replace(cell.config, resolution=size)) for size in sizes]
    madds, more = sum(c.madds for c in counts), sum(c.more for c in counts)
    params = once.published / 1e6
    yield Row(case, "parameters", "M", params, kind="counted", anchor=cell.params_m,
              anchor_source=PAPER,
              target=f"{cell.params_m - 0.005:.3f}..{cell.params_m + 0.005:.3f}")  # fmt: skip
    target = f"{cell.low}..{cell.high}"
    for metric, value in (("MAdds", madds), ("MAdds, as the graph ran", madds + more)):
        yield Row(case, metric, "B", value / 1e9, kind="counted", anchor=cell.madds_b,
                  anchor_source=cell.source, target=target)  # fmt: skip


def count(config: Config) -> Count:
    """Count one network at one size."""
    network = family("deeplab_v3").build(config)
    graph = read_graph(network)
    kinds = {row.name: row.params for row in by_kind(graph)}
    norms = kinds.pop("BatchNormalization")  # four numbers a channel
    kernels = sum(kinds.values())
    places = sum(_padding(layer) for layer in network.layers if _dilation(layer) > 1)
    return Count(
        folded=kernels + norms // 4,
        published=kernels + norms // 2,
        madds=summarize(graph).madds,
        more=places + config.resolution**2 * config.classes,
    )


def _padding(layer: Any) -> int:
    """Return the MAdds of the places that SpaceToBatch adds to a layer's."""
    rate, (_, height, width, _) = _dilation(layer), layer.output_shape
    filtered = -(-(height + 2 * rate) // rate) * rate - 2 * rate
    assert height == width
    return int(filtered**2 - height * width) * int(keras.backend.count_params(layer.weights[0]))


def _dilation(layer: Any) -> int:
    return int(max(getattr(layer, "dilation_rate", (1,))))


if __name__ == "__main__":
    raise SystemExit(main())
