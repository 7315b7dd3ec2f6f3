"""A posterior of data that are drawn: what a preset without training stands for."""

from __future__ import annotations

import numpy as np

from edgekit.families.gp import Config
from edgekit.families.gp.device.compress import Budget, compress
from edgekit.families.gp.device.form import Form
from edgekit.families.gp.device.integer import FEATURES, IntegerForm, distill
from edgekit.families.gp.inference.likelihood import model
from edgekit.families.gp.inference.posterior import Posterior, condition_on
from edgekit.families.gp.units import Units

_NOISE = 0.01


def draw_posterior(config: Config, seed: int = 0) -> Posterior:
    """Return the posterior of `config.rows` inputs in -1..1 and one draw of the prior at them."""
    rng = np.random.default_rng(seed)
    gp = model(config.kernels[0], config.mean, config.min_noise)
    x = rng.uniform(-1.0, 1.0, (config.rows, config.columns))
    theta = gp.start(x, np.zeros(config.rows))
    theta[-1] = np.log(_NOISE)
    prior = condition_on(gp, theta, x, np.zeros(config.rows))
    y = prior.sample(x, 1, seed=seed, prior=True)[0]
    return condition_on(gp, theta, x, y + np.sqrt(_NOISE) * rng.standard_normal(config.rows))


def draw_form(config: Config) -> tuple[Form, Units]:
    """Return the device form of such a posterior, in units of its own."""
    return compress(draw_posterior(config), Budget()).form, _own_units(config)


def draw_integer(config: Config) -> tuple[IntegerForm, Units]:
    """Return its integer form."""
    features = min(FEATURES, 8 * config.rows)
    return distill(draw_posterior(config), features=features), _own_units(config)


def _own_units(config: Config) -> Units:
    return Units(np.zeros(config.columns), np.ones(config.columns), 0.0, 1.0)
