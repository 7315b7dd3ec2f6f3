"""The search for hyper-parameters: L-BFGS on the log marginal likelihood, with restarts."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from edgekit.errors import InputError
from edgekit.families.gp.inference.likelihood import Model
from edgekit.families.gp.inference.warp import Warp, bend, warped_likelihood
from edgekit.families.gp.prior.kernel import Array

_WORTH_THREADS = 1500  # rows; below, threads wait for each other longer than they work
SPREAD = 2.0  # standard deviation of a restart's logarithms around the first start
_log = logging.getLogger("edgekit")


@dataclass(frozen=True)
class Found:
    """Where a search ended."""

    theta: Array
    log_likelihood: float
    evaluations: int
    start: int  # which of the starts led here; 0 is the first
    curve: float | None = None  # of a warp of the observations


def maximize(
    gp: Model, x: Array, y: Array, *, restarts: int = 0, seed: int = 0, iterations: int = 200,
    warp: Warp = Warp(),  # noqa: B008  frozen
) -> Found:  # fmt: skip
    """Return the hyper-parameters of the largest likelihood that any start leads to.

    Args:
        gp: the model, which says where the first start is.
        x: inputs `[N, D]`.
        y: observations `[N]`.
        restarts: further starts, drawn around the first.
        seed: of the restarts.
        iterations: of L-BFGS from each start.
        warp: how the observations are bent; what it has to learn is learned too.

    Raises:
        InputError: no start leads to a finite likelihood.
    """
    rng = np.random.default_rng(seed)
    bent = warp.parameters()
    parameters = (*bent, *gp.parameters(x.shape[1]))
    bounds = [parameter.bounds for parameter in parameters]
    logs = np.array([parameter.log for parameter in parameters])
    start = np.array([parameter.start for parameter in bent])
    first = np.concatenate([start, gp.start(x, bend(y, warp.curve(start)))])
    evaluations = 0
    best: Found | None = None

    def negative(theta: Array) -> tuple[float, Array]:
        nonlocal evaluations
        evaluations += 1
        try:
            value, slope = warped_likelihood(gp, warp, theta, x, y)
        except InputError:  # not positive definite there: the line search turns back
            return 1e25, np.zeros_like(theta)
        return -value, -slope

    for number in range(restarts + 1):
        begin = first + (SPREAD * rng.standard_normal(len(first)) * logs if number else 0.0)
        begin = np.clip(begin, *np.transpose(bounds))
        with threadpool_limits(1 if len(y) < _WORTH_THREADS else None):
            done = minimize(negative, begin, jac=True, method="L-BFGS-B", bounds=bounds,
                            options={"maxiter": iterations})  # fmt: skip
        _log.info("start %d: log likelihood %.4f", number, -done.fun)
        if done.fun < 1e25 and (best is None or -done.fun > best.log_likelihood):
            best = Found(done.x, -float(done.fun), evaluations, number)
    if best is None:
        raise InputError(
            "no hyper-parameters with a finite likelihood",
            do="remove duplicate rows, or give a larger --min-noise",
        )
    return Found(
        best.theta[len(bent) :], best.log_likelihood, evaluations, best.start,
        warp.curve(best.theta),
    )  # fmt: skip
