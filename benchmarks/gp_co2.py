"""Monthly CO2 at Mauna Loa to 1992, and what is said of the ten years that follow.

Rasmussen and Williams' sum of four kernels (section 5.4.3) with a constant mean; deviations hold
the uncertainty of the hyper-parameters. Beside it stands the same on the decades that begin in
1972, 1977 and 1982, from what came before each. The series comes with statsmodels, whose wheel this
program unpacks in a folder of its own (needs the network).

Run: python benchmarks/gp_co2.py [--smoke]    (about 3 minutes)
"""

from __future__ import annotations

import argparse
import csv
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgekit.families.gp.estimator import GaussianProcess
from edgekit.tasks.intervals import Z95
from results import FOLDER, Row, write_results

PACKAGE = "statsmodels==0.15.0"
UNPACKED = Path(tempfile.gettempdir()) / "edgekit-co2"
SERIES = "statsmodels/datasets/co2/co2.csv"
CUT = 1992.0
EARLIER = (1972.0, 1977.0, 1982.0)
DECADE = 10.0
FOUR = (
    "2500*se(lengthscale=50) + 4*se(lengthscale=90)*periodic(period=1, lengthscale=1)"
    " + 0.25*rq(lengthscale=1) + 0.01*se(lengthscale=0.1) + 0.04*white"
)
ANCHOR = "scikit-learn's example of four kernels with a constant mean, same split, Nov 2026"

Array = npt.NDArray[np.float64]


def main() -> int:
    """Fit, predict; write results/gp_co2.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="a kernel of one part, drawn years")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    began = time.monotonic()
    if options.smoke:
        years = 1958 + np.arange(480) / 12
        ppm = 315 + (years - 1958) + 3 * np.sin(2 * np.pi * years)
        told = forecast("se", years, ppm, CUT)
    else:
        told = score(*load())
    minutes = (time.monotonic() - began) / 60
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if options.smoke else options.folder
        write_results("gp_co2", told, minutes=minutes, seeds=[], folder=folder)
    for row in told:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    return 0


def load() -> tuple[Array, Array]:
    """Return decimal years and monthly means in ppm."""
    path = UNPACKED / SERIES
    if not path.exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target",
                   str(UNPACKED), PACKAGE]  # fmt: skip
        subprocess.run(command, check=True)
    months: dict[tuple[int, int], list[float]] = {}
    with path.open(newline="") as file:
        for date, value in list(csv.reader(file))[1:]:
            if value.strip():
                months.setdefault((int(date[:4]), int(date[4:6])), []).append(float(value))
    years = np.array([year + (month - 1) / 12 for year, month in months])
    return years, np.array([np.mean(values) for values in months.values()])


def score(years: Array, ppm: Array) -> list[Row]:
    """Return the rows of the years after 1992, and of the decades before."""
    rows = forecast(FOUR, years, ppm, CUT, judged=True)
    for cut in EARLIER:
        until = years < cut + DECADE
        rows += forecast(FOUR, years[until], ppm[until], cut)
    return rows


def forecast(
    kernel: str, years: Array, ppm: Array, cut: float, *, judged: bool = False
) -> list[Row]:
    """Return the rows of what a kernel says of the years from `cut` on."""
    known = years < cut
    process = GaussianProcess(kernel, "constant", marginalize=True)
    process.fit(_inputs(years[known]), ppm[known])
    found = judge(process, years[~known], ppm[~known])
    case = f"CO2, {int(known.sum())} months to {cut:.0f}"
    source = ANCHOR if cut == CUT else None
    anchors = (1.221, 2.216, 71.7) if cut == CUT else (None, None, None)
    return [
        Row(case, "log marginal likelihood", "nats", process.log_marginal_likelihood_value_),
        Row(case, "RMSE afterwards", "ppm", found["rmse"], anchor=anchors[0],
            anchor_source=source),
        Row(case, "NLPD afterwards", "nats", found["nlpd"], anchor=anchors[1],
            anchor_source=source, target="< 2.216" if judged else None),
        Row(case, "95% coverage afterwards", "%", found["coverage"], anchor=anchors[2],
            anchor_source=source, target=">= 90" if judged else None),
    ]  # fmt: skip


def judge(process: GaussianProcess, years: Array, ppm: Array) -> Mapping[str, float]:
    """Return RMSE, NLPD and coverage."""
    mean, std = process.predict(_inputs(years), return_std=True)
    error = ppm - mean
    density = 0.5 * np.log(2 * math.pi * std**2) + 0.5 * (error / std) ** 2
    return {
        "rmse": math.sqrt(float((error**2).mean())),
        "nlpd": float(density.mean()),
        "coverage": 100 * float((np.abs(error) <= Z95 * std).mean()),
    }


def _inputs(years: Array) -> Array:
    return years[:, None] - 1980.0


if __name__ == "__main__":
    raise SystemExit(main())
