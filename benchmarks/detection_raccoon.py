"""SSDLite on 200 pictures of raccoons, divided 160 to 40.

Run: python benchmarks/detection_raccoon.py [--smoke]    (about 15 minutes on one core)
"""

from __future__ import annotations

from detection import DATA, Benchmark, run

RACCOON = Benchmark("detection_raccoon", "SSDLite 0.35/320, raccoon", DATA / "raccoon")

if __name__ == "__main__":
    raise SystemExit(run(RACCOON, __doc__))
