"""Uncertain hyper-parameters: against universal kriging, which is exact for a constant mean."""

from __future__ import annotations

import numpy as np

from edgekit.families.gp.estimator import GaussianProcess
from edgekit.families.gp.inference.laplace import added_variance, curvature, parameter_covariance
from edgekit.families.gp.inference.likelihood import model
from edgekit.families.gp.inference.posterior import condition_on


def test_an_unknown_constant_is_universal_kriging() -> None:
    """R&W eq. 2.42 with h = 1: R' (1' S^-1 1)^-1 R, R = 1 - k' S^-1 1."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (15, 2))
    y = np.sin(2 * x[:, 0]) + 0.1 * rng.standard_normal(15)
    gp = model("se + 0.1*white", "constant")
    theta = gp.start(x, y)
    posterior = condition_on(gp, theta, x, y)
    s = posterior.covariance(x, x) + posterior.noise * np.eye(15)
    information = np.linalg.solve(s, np.ones(15)).sum()
    assert abs(curvature(gp, theta, x, y)[0, 0] / information - 1) < 1e-6
    of_constant = np.zeros((len(theta), len(theta)))
    of_constant[0, 0] = 1 / information
    new = rng.uniform(-3, 3, (6, 2))
    r = 1 - posterior.covariance(new, x) @ np.linalg.solve(s, np.ones(15))
    found = added_variance(posterior, of_constant, new)
    np.testing.assert_allclose(found, r**2 / information, rtol=1e-5)


def test_what_the_data_do_not_tell_keeps_its_prior() -> None:
    x = np.linspace(0, 1, 8)[:, None]
    gp = model("se + 0.1*white")
    theta = np.log([1e-9, 1.0, 0.1])  # a variance of nothing: its length-scale means nothing
    covariance = parameter_covariance(gp, theta, x, 0.3 * np.cos(9 * x[:, 0]))
    np.testing.assert_allclose(covariance[1, 1], 4.0, rtol=1e-2)


def test_deviations_grow_away_from_the_data() -> None:
    rng = np.random.default_rng(1)
    x = np.sort(rng.uniform(0, 5, 40))[:, None]
    y = np.sin(x[:, 0]) + 0.1 * rng.standard_normal(40)
    new = np.array([[2.5], [7.0]])
    plain = GaussianProcess("se", "linear").fit(x, y).predict(new, return_std=True)
    wide = GaussianProcess("se", "linear", marginalize=True).fit(x, y).predict(new, return_std=True)
    np.testing.assert_allclose(wide[0], plain[0])
    ratio = wide[1] / plain[1]
    assert ratio[0] < 1.1
    assert ratio[1] > ratio[0]
