"""How fast matrices are simulated, and whether they are distributed as msprime's are.

msprime (GPL-3) runs in an environment of its own; its trees get mutations in proportion to branch
length, as ours do. Run: python benchmarks/phylogeny_simulation.py [--smoke]
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.families.phylogeny.simulation import coalescent
from edgekit.tasks.matrices.perfect import linear
from peers import environment, run, version
from results import FOLDER, Row, write_results

RATES = {10: 5204, 25: 1359, 50: 612, 100: 222}  # matrices/s of plain NumPy (facts, Nov 2026)
GATED = (10, 50)
RATE_SOURCE = "NumPy, one matrix at a time, same machine under load, Nov 2026"
SEED = 0
SECONDS = 3.0
CHUNK = 500
Matrices = npt.NDArray[np.uint8]

PEER = """
import json, sys
import msprime, numpy as np
rows, columns, count, out = *map(int, sys.argv[1:4]), sys.argv[4]
rng = np.random.default_rng(1)
drawn = np.zeros((count, rows, columns), np.uint8)
trees = msprime.sim_ancestry(rows, ploidy=1, num_replicates=count, random_seed=1)
for one, sequence in zip(drawn, trees):
    tree = sequence.first()
    nodes = [u for u in tree.nodes() if u != tree.root]
    lengths = np.array([tree.branch_length(u) for u in nodes])
    for column, u in enumerate(rng.choice(nodes, columns, p=lengths / lengths.sum())):
        one[[s for s in tree.samples(u)], column] = 1
np.save(out, drawn)
print(json.dumps(count))
"""


def main() -> int:
    """Time and compare; write results/phylogeny_simulation.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="a second, without msprime")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    began = time.monotonic()
    rows = [rate(size, 0.1 if options.smoke else SECONDS) for size in RATES]
    with tempfile.TemporaryDirectory() as scratch:
        if not options.smoke:
            for size, count in ((10, 20_000), (25, 10_000), (50, 5_000)):
                rows += compare(size, count, Path(scratch))
        folder = Path(scratch) if options.smoke else options.folder
        minutes = (time.monotonic() - began) / 60
        write_results("phylogeny_simulation", rows, minutes=minutes, seeds=[SEED], folder=folder)
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    return 0


def rate(size: int, seconds: float) -> Row:
    """Return how many matrices a second one thread draws."""
    rng = np.random.default_rng(SEED)
    coalescent(CHUNK, size, size, rng)
    best, began = math.inf, time.perf_counter()
    while time.perf_counter() - began < seconds:
        start = time.process_time()
        coalescent(CHUNK, size, size, rng)
        best = min(best, time.process_time() - start)
    anchor = RATES[size]
    return Row(f"coalescent {size}x{size}, one core", "matrices a second, best batch", "1/s",
               CHUNK / best,
               anchor=anchor, anchor_source=RATE_SOURCE,
               target=f">= {4 * anchor}" if size in GATED else None)  # fmt: skip


def compare(size: int, count: int, scratch: Path) -> list[Row]:
    """Return differences from msprime's matrices, in standard errors."""
    python = environment("msprime", "msprime==1.4.0")
    out = scratch / f"{size}.npy"
    run(python, PEER, str(size), str(size), str(count), str(out))
    theirs, ours = np.load(out), coalescent(count, size, size, np.random.default_rng(SEED))
    source = f"msprime {version(python, 'msprime')}, {count} trees, same run"
    rows = []
    for name, statistic in STATISTICS.items():
        a, b = statistic(ours), statistic(theirs)
        error = math.sqrt((a.var() + b.var()) / count)
        rows.append(Row(f"{size}x{size}, {count} matrices", name, "1", float(a.mean()),
                        anchor=float(b.mean()), anchor_source=source))  # fmt: skip
        rows.append(Row(f"{size}x{size}, {count} matrices", f"{name}, difference",
                        "standard errors", abs(float(a.mean() - b.mean())) / error,
                        target="<= 4"))  # fmt: skip
    return rows


def _runs(matrices: Matrices) -> npt.NDArray[Any]:
    """Return the share of pairs of mutations that are equal: how deep the branches are."""
    turned = matrices.swapaxes(1, 2).astype(np.float32)
    sizes = turned.sum(axis=2)
    overlap = turned @ turned.swapaxes(1, 2)
    same = (overlap == sizes[:, :, None]) & (overlap == sizes[:, None, :])
    count = sizes.shape[1]
    share: npt.NDArray[Any] = (same.sum(axis=(1, 2)) - count) / (count * (count - 1))
    return share


STATISTICS: dict[str, Any] = {
    "mean of the entries": lambda m: m.mean(axis=(1, 2)),
    "share of mutations in one sample": lambda m: (m.sum(axis=1) == 1).mean(axis=1),
    "share of mutations in half or more": lambda m: (2 * m.sum(axis=1) >= m.shape[1]).mean(axis=1),
    "share of equal pairs of mutations": _runs,
    "share of chains among the first 4 mutations": lambda m: linear(m[:, :, :4]).astype(float),
}


if __name__ == "__main__":
    raise SystemExit(main())
