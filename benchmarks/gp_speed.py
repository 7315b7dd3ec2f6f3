"""CPU of fitting and of predicting with std, against scikit-learn in turn on the same data.

Friedman's function of 8 columns, ARD squared exponential with noise; both start at the same
hyper-parameters and stop after as many iterations of L-BFGS; ours goes on until its likelihood is
scikit-learn's. One thread.

Run: OMP_NUM_THREADS=1 python benchmarks/gp_speed.py [--smoke] [--large]    (about 4 minutes;
with --large, n = 5000 too, 15 minutes more)
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize
from sklearn.datasets import make_friedman1
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from edgekit.families.gp.inference.condensed import condense
from edgekit.families.gp.inference.likelihood import model
from edgekit.families.gp.inference.posterior import condition_on
from edgekit.families.gp.inference.search import maximize
from results import FOLDER, Row, write_results

DIMS = 8
TURNS = 5
ENOUGH = 1e-3  # nats by which our likelihood may lie below


def main() -> int:
    """Fit and predict in turn; write results/gp_speed.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="100 rows; figures mean nothing")
    parser.add_argument("--large", action="store_true", help="5000 rows too")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    began = time.monotonic()
    sizes = [(2000, 20), *([(5000, 6)] if options.large else [])]
    if options.smoke:
        sizes = [(100, 5)]
    rows = [row for n, iterations in sizes for row in compare(n, iterations)]
    minutes = (time.monotonic() - began) / 60
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if options.smoke else options.folder
        write_results("gp_speed", rows, minutes=minutes, seeds=[0], folder=folder)
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    return 0


def compare(n: int, iterations: int) -> list[Row]:
    """Return the rows of one size."""
    x, y = make_friedman1(n + 1000, DIMS, noise=1.0, random_state=0)
    y = (y - y[:n].mean()) / y[:n].std()
    theirs, peer = cpu(partial(fit_peer, x[:n], y[:n], iterations))
    gp = model("se + 0.1*white")
    goal = peer.log_marginal_likelihood_value_
    for allowed in (iterations, 2 * iterations, 4 * iterations):
        ours, found = cpu(partial(maximize, gp, x[:n], y[:n], iterations=allowed))
        if found.log_likelihood >= goal - ENOUGH:
            break
    case = f"n = {n}, d = {DIMS}, one thread"
    posterior = condition_on(gp, found.theta, x[:n], y[:n])
    setup, fast = cpu(partial(condense, posterior))
    moved = np.sqrt(fast.predict(x[n:]).variance_f / posterior.predict(x[n:]).variance_f) - 1
    pairs = [(cpu(partial(fast.predict, x[n:]))[0],
              cpu(partial(peer.predict, x[n:], return_std=True))[0])
             for _ in range(TURNS)]  # fmt: skip
    mine, other = map(float, np.median(np.array(pairs), axis=0))
    return [
        Row(case, "fit to scikit-learn's likelihood, CPU ratio", "x", ours / theirs, anchor=1.0,
            anchor_source=f"scikit-learn, {ours:.2f} v {theirs:.2f} s in the same run",
            target="<= 0.25"),
        Row(case, "likelihood above scikit-learn's", "nats", float(found.log_likelihood - goal)),
        Row(case, "mean and std of 1,000 points, CPU ratio", "x", mine / other, anchor=1.0,
            anchor_source=f"scikit-learn, {1e3 * mine:.1f} v {1e3 * other:.1f} ms in the same run",
            target="<= 0.3333"),
        Row(case, "setting that up, once", "s", setup),
        Row(case, "std of f, largest difference from all data's", "x", float(np.abs(moved).max()),
            target="<= 1e-3"),
    ]  # fmt: skip


def fit_peer(x: Any, y: Any, iterations: int) -> GaussianProcessRegressor:
    """Return scikit-learn's process after so many iterations."""

    def search(objective: Any, start: Any, bounds: Any) -> tuple[Any, float]:
        done = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds,
                        options={"maxiter": iterations})  # fmt: skip
        return done.x, done.fun

    kernel = ConstantKernel(1.0) * RBF(np.ones(DIMS)) + WhiteKernel(0.1, (1e-8, 1e5))
    return GaussianProcessRegressor(kernel, alpha=0, optimizer=search).fit(x, y)


def cpu(work: Any) -> tuple[float, Any]:
    """Return CPU seconds of `work()` and what it returns."""
    began = time.process_time()
    found = work()
    return time.process_time() - began, found


if __name__ == "__main__":
    raise SystemExit(main())
