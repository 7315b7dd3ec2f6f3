"""SSDLite on drawn digits, as `edgekit train ssdlite:scattered --qat` trains it from nothing.

Run: python benchmarks/detection_drawn.py [--smoke]    (about 40 minutes on one core)
"""

from __future__ import annotations

from detection import Benchmark, run

DRAWN = Benchmark(
    "detection_drawn", "SSDLite 0.35/192, drawn digits", None,
    recipe=("ssdlite:scattered", "--qat"), from_body=False,
    least_ap50=80, largest_drop=1.5, most_minutes=25,
)  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(run(DRAWN, __doc__))
