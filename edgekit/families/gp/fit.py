"""Training: hyper-parameters by marginal likelihood, exactly or with inducing points."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np

from edgekit.errors import InputError
from edgekit.families.gp import EXACT_ROWS, Config
from edgekit.families.gp.data import Data, load
from edgekit.families.gp.inference.likelihood import model, warn_if_ill_conditioned
from edgekit.families.gp.inference.posterior import condition_on
from edgekit.families.gp.inference.search import Found, maximize
from edgekit.families.gp.inference.warp import Warp
from edgekit.families.gp.keep import Trained, write
from edgekit.families.gp.prior.kernel import Array
from edgekit.families.gp.units import units_of
from edgekit.families.run import Run, claim, write_run
from edgekit.tasks.regress import Answer, score
from edgekit.train import Options

_log = logging.getLogger("edgekit")


def fit(run: Run, **_: Any) -> Run:
    """Train in one go; see `Family.fit`. The scores are those on the rows held out."""
    claim(run.folder)
    config = run.config
    table = load(run.data, config)
    trained, best = train(config, run.options, table.x, table.y)
    warp = "none" if trained.units.curve is None else "log"
    run = replace(
        run, config=replace(config, kernel=trained.kernel, warp=warp), best={"float": best},
        test={"float": _scores(trained, table)} if len(table.test_y) else {"float": {}},
        input={"mean": trained.units.shift.tolist(), "std": trained.units.scale.tolist()},
        task={
            "inputs": list(table.inputs), "target": table.target, "unit": config.unit,
            **_of_target(trained),
            "held_out": {"sha256": table.sha256, "rows": table.held_out.tolist()},
        },
    )  # fmt: skip
    write(run.folder, trained)
    write_run(run)
    return run


def train(config: Config, options: Options, x: Array, y: Array) -> tuple[Trained, float]:
    """Return the process that the data make likeliest, and its log likelihood (or its bound)."""
    units = units_of(x, y)
    scaled, target = units.x(x), units.y(y)
    method = config.method
    if method == "auto":
        method = "exact" if len(y) <= EXACT_ROWS else "svgp"
    if method != "exact":
        from edgekit.families.gp import inducing  # TensorFlow takes seconds to import

        if len(config.kernels) > 1:
            raise InputError(f"gp: {method} takes one kernel", got=config.kernel)
        if config.warps != ("none",):
            raise InputError(f"gp: {method} takes no --warp", do="leave it out, or take exact")
        return inducing.train(method, config, options, scaled, target, units)
    found = {
        (kernel, warp): maximize(
            model(kernel, config.mean, config.min_noise), scaled, target,
            restarts=config.restarts, seed=options.seed, warp=Warp(warp, float(target.min())),
        )
        for kernel in config.kernels for warp in config.warps
    }  # fmt: skip
    (kernel, _), best = max(found.items(), key=lambda item: item[1].log_likelihood)
    _report(found)
    units = replace(units, curve=best.curve)
    bent = units.y(y)
    trained = Trained(kernel, config.mean, config.min_noise, best.theta, units, scaled, bent)
    posterior = condition_on(trained.gp, best.theta, scaled, bent)
    warn_if_ill_conditioned(posterior.lower, posterior.jitter)
    return trained, best.log_likelihood


def _of_target(trained: Trained) -> dict[str, float]:
    """Return the deviation of the noise, or where a bent target begins: there it varies."""
    units = trained.units
    if units.above is not None:
        return {"log_normal_above": units.above}
    return {"noise_std": float(np.sqrt(trained.posterior().noise) * units.y_scale)}


def _report(found: dict[tuple[str, str], Found]) -> None:
    for (kernel, warp), one in found.items():
        _log.info("%s, warp %s: log likelihood %.3f in %d evaluations, from start %d",
                  kernel, warp, one.log_likelihood, one.evaluations, one.start)  # fmt: skip


def _scores(trained: Trained, table: Data) -> dict[str, Any]:
    """Return RMSE, NLPD and coverage on the rows held out, in the target's units."""
    units = trained.units
    told = units.told(trained.posterior().predict(units.x(table.test_x)))
    answer = Answer(told.mean, np.sqrt(told.variance_f), np.sqrt(told.variance_y), table.target,
                    "", units.above)  # fmt: skip
    return {found.metric: found.value for found in score([answer], table.test_y)}
