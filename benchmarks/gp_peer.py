"""GPyTorch beside ours: the same exact process on the same data, likelihood, accuracy and CPU.

Friedman's function of 8 columns, ARD squared exponential with noise, float64, one thread, in turn
in one run. GPyTorch is in an environment of its own (2.5 GB, made once; needs the network); it
factorizes exactly and searches by L-BFGS from the same start, after as many evaluations as ours.

Run: OMP_NUM_THREADS=1 python benchmarks/gp_peer.py [--smoke]    (about 5 minutes)
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import make_friedman1

from edgekit.families.gp.inference.condensed import condense
from edgekit.families.gp.inference.likelihood import Model, log_likelihood, model
from edgekit.families.gp.inference.posterior import condition_on
from edgekit.families.gp.inference.search import maximize
from edgekit.tasks.regress import Answer, score
from gp_speed import DIMS, TURNS, cpu
from peers import environment, run
from results import FOLDER, Row, write_results
from uci import Array

PACKAGE = "gpytorch==1.14"
ROWS, TEST, ITERATIONS = 2000, 1000, 20

PROGRAM = """
import json, sys, time
import numpy as np, torch, gpytorch
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
told = json.loads(sys.argv[1])
with np.load(told["data"]) as file:
    x, y, new = (torch.tensor(file[n]) for n in ("x", "y", "new"))

class Exact(gpytorch.models.ExactGP):
    def __init__(self, likelihood):
        super().__init__(x, y, likelihood)
        self.mean_module = gpytorch.means.ZeroMean()
        self.covar_module = gpytorch.kernels.ScaleKernel(
            gpytorch.kernels.RBFKernel(ard_num_dims=x.shape[1]))
    def forward(self, x):
        return gpytorch.distributions.MultivariateNormal(self.mean_module(x), self.covar_module(x))

likelihood = gpytorch.likelihoods.GaussianLikelihood(
    noise_constraint=gpytorch.constraints.GreaterThan(1e-8))
gp = Exact(likelihood)
gp.covar_module.outputscale, gp.covar_module.base_kernel.lengthscale = 1.0, 1.0
likelihood.noise = 0.1
gp.train(), likelihood.train()
marginal = gpytorch.mlls.ExactMarginalLogLikelihood(likelihood, gp)
search = torch.optim.LBFGS(
    gp.parameters(), max_iter=told["iterations"], max_eval=told["evaluations"],
    line_search_fn="strong_wolfe", tolerance_change=0.0)

def evaluate():
    search.zero_grad()
    loss = -marginal(gp(x), y)
    loss.backward()
    return loss

exactly = gpytorch.settings.fast_computations(False, False, False)
with exactly, gpytorch.settings.max_cholesky_size(10**6):
    first = -float(evaluate()) * len(y)
    spent = []
    for _ in range(told["turns"]):
        began = time.process_time(); evaluate(); spent.append(time.process_time() - began)
    began = time.process_time()
    search.step(evaluate)
    fit = time.process_time() - began
    last = -float(evaluate()) * len(y)
    gp.eval(), likelihood.eval()
    predict = []
    with torch.no_grad():
        for _ in range(told["turns"] + 1):
            began = time.process_time()
            answer = likelihood(gp(new))
            mean, variance = answer.mean, answer.variance
            predict.append(time.process_time() - began)
print(json.dumps({"first": first, "last": last, "evaluation": float(np.median(spent)), "fit": fit,
                  "predict": float(np.median(predict[1:])), "mean": mean.tolist(),
                  "variance": variance.tolist()}))
"""


def main() -> int:
    """Fit and predict with both; write results/gp_peer.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="60 rows, without GPyTorch")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    began = time.monotonic()
    rows, iterations = (60, 3) if options.smoke else (ROWS, ITERATIONS)
    x, y = make_friedman1(rows + TEST, DIMS, noise=1.0, random_state=0)
    y = (y - y[:rows].mean()) / y[:rows].std()
    gp = model("se + 0.1*white")
    with tempfile.TemporaryDirectory() as scratch:
        mine = ours(gp, x[:rows], y[:rows], x[rows:], iterations)
        other = mine if options.smoke else theirs(x, y, rows, mine, iterations, Path(scratch))
        found = compare(rows, mine, other, y[rows:])
        folder = Path(scratch) if options.smoke else options.folder
        minutes = (time.monotonic() - began) / 60
        write_results("gp_peer", found, minutes=minutes, seeds=[0], folder=folder)
    for row in found:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    return 0


def ours(gp: Model, x: Array, y: Array, new: Array, iterations: int) -> dict[str, Any]:
    """Return likelihoods before and after the search, CPU seconds, and predictions."""
    evaluate = partial(log_likelihood, gp, gp.start(x, y), x, y)
    first, _ = evaluate()
    evaluation = [cpu(evaluate)[0] for _ in range(TURNS)]
    fit, found = cpu(partial(maximize, gp, x, y, iterations=iterations))
    fast = condense(condition_on(gp, found.theta, x, y))
    told = fast.predict(new)
    predict = [cpu(partial(fast.predict, new))[0] for _ in range(TURNS)]
    return {
        "first": first, "last": found.log_likelihood, "evaluations": found.evaluations,
        "evaluation": float(np.median(evaluation)), "fit": fit,
        "predict": float(np.median(predict)), "mean": told.mean, "variance": told.variance_y,
    }  # fmt: skip


def theirs(
    x: Array, y: Array, rows: int, mine: Mapping[str, Any], iterations: int, folder: Path
) -> dict[str, Any]:
    """Return the same of GPyTorch."""
    data = folder / "data.npz"
    np.savez(data, x=x[:rows], y=y[:rows], new=x[rows:])
    told = {"data": str(data), "iterations": iterations, "evaluations": mine["evaluations"],
            "turns": TURNS}  # fmt: skip
    found: dict[str, Any] = run(environment("gpytorch", PACKAGE), PROGRAM, json.dumps(told))
    return found


def compare(
    rows: int, mine: Mapping[str, Any], other: Mapping[str, Any], truth: Array
) -> list[Row]:
    """Return the rows of both: ratios of CPU, and accuracy on rows that neither saw."""
    case = f"n = {rows}, d = {DIMS}, one thread"
    table = [
        Row(case, "log likelihood at the start, difference from GPyTorch's", "nats",
            abs(mine["first"] - other["first"]), target="<= 1e-3"),
        Row(case, "log likelihood after the search", "nats", mine["last"], anchor=other["last"],
            anchor_source="GPyTorch, after as many evaluations"),
    ]  # fmt: skip
    for key, metric in (("evaluation", "likelihood and gradient, CPU ratio"),
                        ("fit", "search, CPU ratio"),
                        ("predict", "mean and std of 1,000 points, CPU ratio")):  # fmt: skip
        source = f"GPyTorch, {mine[key]:.3g} v {other[key]:.3g} s in the same run"
        table.append(Row(case, metric, "x", mine[key] / other[key], anchor=1.0,
                         anchor_source=source))  # fmt: skip
    scores = [_scores(told, truth) for told in (mine, other)]
    for metric, unit in (("RMSE", "standard units"), ("NLPD", "nats")):
        table.append(Row(case, f"{metric} on 1,000 rows", unit, scores[0][metric],
                         anchor=scores[1][metric], anchor_source="GPyTorch"))  # fmt: skip
    return table


def _scores(told: Mapping[str, Any], truth: Array) -> dict[str, float]:
    std = np.sqrt(np.asarray(told["variance"]))
    answer = Answer(np.asarray(told["mean"]), std, std, "y", "")
    return {s.metric: s.value for s in score([answer], truth)}


if __name__ == "__main__":
    raise SystemExit(main())
