"""The demo of Rasmussen's tutorial (2004, section 4): a trend, a wave and noise told apart.

The function is a quadratic plus one draw of a squared exponential; six hyper-parameters are learned
from 40 noisy points by the gradient of the marginal likelihood. `--picture` draws mean and band.

Run: python benchmarks/gp_demo.py [--smoke] [--picture demo.png]    (seconds)
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgekit.families.gp.inference.likelihood import log_likelihood, model
from edgekit.families.gp.inference.posterior import condition_on
from edgekit.families.gp.inference.search import Found, maximize
from edgekit.families.gp.prior.kernel import Array
from edgekit.tasks.pictures.drawing import save_png
from edgekit.tasks.regress import Answer, draw
from edgekit.tasks.tables import Table
from results import FOLDER, Row, write_results

# a, b and c of the trend, then variance and length-scale of the wave, and variance of the noise.
TRUTH = {"curvature_0": 0.02, "slope_0": -0.1, "constant": 1.0,
         "variance": 0.5, "lengthscale": 1.5, "noise_variance": 0.01}  # fmt: skip
POINTS = 40
GP = model("se + 0.1*white", "quadratic")


def main() -> int:
    """Draw, learn, draw a picture; write results/gp_demo.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="the same; it leaves nothing behind")
    parser.add_argument("--picture", type=Path, help="where mean and band are drawn, a .png")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    began = time.monotonic()
    x, y = observe()
    found = maximize(GP, x, y, restarts=4)
    if options.picture:
        save_png(options.picture, picture(x, y, found))
    minutes = (time.monotonic() - began) / 60
    rows = compare(x, y, found)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if options.smoke else options.folder
        write_results("gp_demo", rows, minutes=minutes, seeds=[0], folder=folder)
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    return 0


def observe() -> tuple[Array, Array]:
    """Return inputs `[N, 1]` and observations `[N]`."""
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(-10, 10, POINTS))[:, None]
    coefficients, theta, noise = GP.split(true_theta(), 1)
    values, vectors = np.linalg.eigh(GP.kernel(theta, x, x))
    wave = (vectors * np.sqrt(np.maximum(values, 0.0))) @ rng.standard_normal(POINTS)
    trend: Array = GP.mean.features(x) @ coefficients
    return x, trend + wave + np.sqrt(noise) * rng.standard_normal(POINTS)


def true_theta() -> Array:
    """Return the true parameters in the model's order."""
    return np.array([np.log(TRUTH[p.name]) if p.log else TRUTH[p.name] for p in GP.parameters(1)])


def compare(x: Array, y: Array, found: Found) -> list[Row]:
    """Return what was learned beside the truth, and both likelihoods."""
    case = f"quadratic + se, {POINTS} points"
    gain = found.log_likelihood - log_likelihood(GP, true_theta(), x, y)[0]
    rows = [
        Row(case, parameter.name, "1", float(np.exp(value) if parameter.log else value),
            anchor=TRUTH[parameter.name], anchor_source="what the data were drawn with")
        for parameter, value in zip(GP.parameters(1), found.theta, strict=True)
    ]  # fmt: skip
    return [*rows, Row(case, "log likelihood above the truth's", "nats", gain, target=">= 0")]


def picture(x: Array, y: Array, found: Found) -> npt.NDArray[np.uint8]:
    """Return mean and 95% band from beyond the data to beyond the data, `[H, W, 3]`."""
    grid = np.linspace(-13, 13, 300)[:, None]
    told = condition_on(GP, found.theta, x, y).predict(grid)
    answer = Answer(told.mean, np.sqrt(told.variance_f), np.sqrt(told.variance_y), "y", "")
    observed = np.full(len(grid), np.nan)
    nearest = np.abs(grid - x.T).argmin(axis=0)
    observed[nearest] = y
    (drawn,) = draw(Table("demo", ("x", "y"), np.column_stack([grid[:, 0], observed])), answer)
    return drawn


if __name__ == "__main__":
    raise SystemExit(main())
