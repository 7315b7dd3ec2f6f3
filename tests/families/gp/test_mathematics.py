"""Kernels, likelihood, posterior: against finite differences, scikit-learn and hand arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process import kernels as sk

from edgekit.errors import InputError
from edgekit.families.gp.inference.condensed import Condensed, condense
from edgekit.families.gp.inference.likelihood import factorize, log_likelihood, model
from edgekit.families.gp.inference.posterior import condition_on
from edgekit.families.gp.inference.search import maximize
from edgekit.families.gp.prior.expression import parse

EXPRESSIONS = (
    "se", "se(ard=False)", "matern12", "matern32", "matern52", "rq", "periodic", "linear",
    "se + periodic*se + 0.2*white", "2*se*periodic + rq + linear*matern32",
)  # fmt: skip


def data(n: int = 24, dims: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, dims))
    return x, np.sin(x[:, 0]) + 0.1 * rng.standard_normal(n)


@pytest.mark.parametrize("mean", ["zero", "constant", "linear", "quadratic"])
@pytest.mark.parametrize("kernel", EXPRESSIONS)
def test_gradient_is_that_of_finite_differences(kernel: str, mean: str) -> None:
    x, y = data()
    gp = model(kernel, mean)
    rng = np.random.default_rng(1)
    theta = gp.start(x, y) + 0.2 * rng.standard_normal(len(gp.start(x, y)))
    _, slope = log_likelihood(gp, theta, x, y)
    step = 1e-5 * np.eye(len(theta))
    differences = [
        (log_likelihood(gp, theta + h, x, y)[0] - log_likelihood(gp, theta - h, x, y)[0]) / 2e-5
        for h in step
    ]
    np.testing.assert_allclose(slope, differences, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("2*se(lengthscale=0.7) + 0.3*white", 2 * sk.RBF([0.7] * 3)),
        ("2*matern12(lengthscale=0.7) + 0.3*white", 2 * sk.Matern([0.7] * 3, nu=0.5)),
        ("2*matern32(lengthscale=0.7) + 0.3*white", 2 * sk.Matern([0.7] * 3, nu=1.5)),
        ("2*matern52(lengthscale=0.7) + 0.3*white", 2 * sk.Matern([0.7] * 3, nu=2.5)),
        ("2*rq(lengthscale=0.7, alpha=0.4, ard=False) + 0.3*white",
         2 * sk.RationalQuadratic(0.7, 0.4)),
        ("2*linear(bias=0.5) + 0.3*white", 2 * sk.DotProduct(0.5**0.5)),
    ],
)  # fmt: skip
def test_likelihood_and_predictions_are_scikit_learns(ours: str, theirs: sk.Kernel) -> None:
    x, y = data()
    gp = model(ours)
    theta = gp.start(x, y)
    peer = GaussianProcessRegressor(theirs + sk.WhiteKernel(0.3), optimizer=None, alpha=0).fit(x, y)
    assert log_likelihood(gp, theta, x, y)[0] == pytest.approx(
        peer.log_marginal_likelihood(peer.kernel_.theta), abs=1e-9
    )
    new = data(10, seed=2)[0]
    mean, std = peer.predict(new, return_std=True)
    told = condition_on(gp, theta, x, y).predict(new)
    np.testing.assert_allclose(told.mean, mean, atol=1e-9)
    np.testing.assert_allclose(np.sqrt(told.variance_y), std, atol=1e-9)


def test_periodic_is_scikit_learns_over_one_input() -> None:
    x = np.linspace(0, 3, 7)[:, None]
    gp = model("periodic(period=1.3, lengthscale=0.6)")
    ours = gp.kernel(np.log([1.0, 1.3, 0.6]), x, x)
    np.testing.assert_allclose(ours, sk.ExpSineSquared(0.6, 1.3)(x), atol=1e-12)


def test_two_points_by_hand() -> None:
    """K = [[1, e], [e, 1]] with e = exp(-1/2), noise 1: S^-1 is known in closed form."""
    x, y = np.array([[0.0], [1.0]]), np.array([1.0, -1.0])
    gp = model("se + 1.0*white")
    posterior = condition_on(gp, gp.start(x, y), x, y)
    e = np.exp(-0.5)
    np.testing.assert_allclose(posterior.weights, y / (2 - e))
    told = posterior.predict(np.array([[0.0]]))
    assert told.mean[0] == pytest.approx((1 - e) / (2 - e))
    inverse = np.array([[2, -e], [-e, 2]]) / (4 - e**2)
    assert told.variance_f[0] == pytest.approx(1 - np.array([1, e]) @ inverse @ np.array([1, e]))
    assert told.variance_y[0] == pytest.approx(told.variance_f[0] + 1)


def test_leave_one_out_is_fitting_without_that_row() -> None:
    x, y = data(12)
    gp = model("se + 0.1*white", "constant")
    theta = gp.start(x, y)
    told = condition_on(gp, theta, x, y).leave_one_out()
    for row in (0, 7):
        kept = np.arange(len(y)) != row
        without = condition_on(gp, theta, x[kept], y[kept]).predict(x[row : row + 1])
        assert told.mean[row] == pytest.approx(without.mean[0])
        assert told.variance_y[row] == pytest.approx(without.variance_y[0])


def test_samples_have_the_moments_of_the_posterior() -> None:
    x, y = data(10, 1)
    gp = model("se + 0.1*white")
    posterior = condition_on(gp, gp.start(x, y), x, y)
    new = np.array([[0.3], [4.0]])
    drawn = posterior.sample(new, 20_000, seed=1)
    told = posterior.predict(new)
    np.testing.assert_allclose(drawn.mean(axis=0), told.mean, atol=0.03)
    np.testing.assert_allclose(drawn.var(axis=0), told.variance_f, rtol=0.05)
    prior = posterior.sample(new, 20_000, seed=1, prior=True)
    np.testing.assert_allclose(prior.var(axis=0), [1, 1], rtol=0.05)


def test_search_reaches_what_scikit_learn_reaches() -> None:
    x, y = data(40, 2)
    found = maximize(model("se"), x, y)
    kernel = sk.ConstantKernel(1.0) * sk.RBF([1.0, 1.0]) + sk.WhiteKernel(0.1)
    peer = GaussianProcessRegressor(kernel, alpha=0).fit(x, y)
    assert found.log_likelihood >= peer.log_marginal_likelihood_value_ - 1e-3


@pytest.mark.parametrize("noise", [1e-2, 1e-5])
def test_condensed_predictions_are_those_of_all_data(noise: float) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (300, 2))
    y = np.sin(3 * x[:, 0]) + np.sqrt(noise) * rng.standard_normal(300)
    gp = model(f"se + {noise}*white", "constant")
    posterior = condition_on(gp, gp.start(x, y), x, y)
    fast = condense(posterior)
    assert isinstance(fast, Condensed)
    assert len(fast.pivots) < 100
    new = rng.uniform(-1.5, 1.5, (50, 2))
    exact, told = posterior.predict(new), fast.predict(new)
    assert (np.abs(told.mean - exact.mean) < 1e-3 * np.sqrt(exact.variance_f)).all()
    np.testing.assert_allclose(told.variance_f, exact.variance_f, rtol=1e-3)
    np.testing.assert_allclose(told.variance_y, exact.variance_y, rtol=1e-4)
    np.testing.assert_array_equal(fast.mean(new), told.mean)


def test_a_process_that_needs_all_its_data_is_not_condensed() -> None:
    x = np.linspace(0, 100, 60)[:, None]
    gp = model("se + white")
    smooth = condition_on(gp, np.log([1.0, 20.0, 0.01]), x, np.sin(x[:, 0]))
    rough = condition_on(gp, np.log([1.0, 0.5, 0.01]), x, np.sin(x[:, 0]))
    assert isinstance(condense(smooth), Condensed)
    assert condense(rough) is rough


def test_jitter_is_added_where_it_must_be_and_is_told() -> None:
    lower, jitter = factorize(np.ones((5, 5)), 0.0)
    assert 0 < jitter <= 1e-6
    np.testing.assert_allclose(lower @ lower.T, np.ones((5, 5)) + jitter * np.eye(5))
    assert factorize(np.eye(3), 0.1)[1] == 0.0


@pytest.mark.parametrize(
    "text", ["", "se +", "sse", "se + white + white", "white", "white*se", "se()", "se(2)",
             "se(x=1)", "periodic(period=0)", "-1*se", "se - se", "__import__('os')", "se[0]"],
)  # fmt: skip
def test_wrong_expressions_are_one_line(text: str) -> None:
    if text == "se()":
        assert parse(text).kernel
        return
    with pytest.raises(InputError, match="kernel"):
        parse(text)
