"""SSDLite on BCCD: 364 pictures of blood cells, three classes, the set's own split.

Run: python benchmarks/detection_bccd.py [--smoke]    (about 30 minutes on one core)
"""

from __future__ import annotations

from detection import DATA, Benchmark, run

BCCD = Benchmark(
    "detection_bccd", "SSDLite 0.35/320, BCCD", DATA / "bccd/BCCD",
    least_ap50=85, largest_drop=1.5,
)  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(run(BCCD, __doc__))
