"""The estimator keeps scikit-learn's contract, and finds the tutorial's six hyper-parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
from sklearn.utils.estimator_checks import parametrize_with_checks

from edgekit.families.gp.estimator import GaussianProcess
from edgekit.families.gp.inference.likelihood import model


@parametrize_with_checks([GaussianProcess(), GaussianProcess(marginalize=True)])
def test_scikit_learns_own_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def test_a_quadratic_trend_and_six_hyper_parameters_are_found_again() -> None:
    """Rasmussen 2004, section 4: m = a x^2 + b x + c, a squared exponential and noise."""
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(-10, 10, 150))[:, None]
    covariance = model("se").kernel(np.log([1.0, 1.0]), x, x) + 1e-8 * np.eye(150)
    wave = np.linalg.cholesky(covariance) @ rng.standard_normal(150)
    y = 0.2 * x[:, 0] ** 2 - x[:, 0] + 3 + wave + 0.1 * rng.standard_normal(150)
    found = GaussianProcess("se + 0.1*white", "quadratic").fit(x, y).parameters_
    assert len(found) == 6
    assert found["curvature_0"] == pytest.approx(0.2, abs=0.03)
    assert found["slope_0"] == pytest.approx(-1, abs=0.15)
    assert found["noise_variance"] == pytest.approx(0.01, rel=0.5)
    assert found["lengthscale"] == pytest.approx(1, rel=0.4)
