"""A target that is taken as a logarithm: its likelihood, its moments, and what files say of it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import lognorm

from edgekit.errors import InputError
from edgekit.families.gp import Config
from edgekit.families.gp.device.compress import compress
from edgekit.families.gp.device.integer import distill
from edgekit.families.gp.fit import train
from edgekit.families.gp.inference.likelihood import log_likelihood, model
from edgekit.families.gp.inference.posterior import Prediction
from edgekit.families.gp.inference.warp import Warp, bend, warped_likelihood
from edgekit.families.gp.units import Units
from edgekit.tasks.regress import Answer, decode, score
from edgekit.train import Options


def skewed(rows: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs, and observations that are 5 more than what is log-normal."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (rows, 1))
    return x, 5.0 + np.exp(1.0 + np.sin(3 * x[:, 0]) + 0.1 * rng.standard_normal(rows))


def test_gradient_is_that_of_finite_differences() -> None:
    x, y = skewed(20)
    y = (y - y.mean()) / y.std()
    gp, warp = model("se + 0.1*white", "constant"), Warp("log", float(y.min()))
    theta = np.concatenate([[0.3], gp.start(x, y)])
    _, slope = warped_likelihood(gp, warp, theta, x, y)
    differences = [
        (warped_likelihood(gp, warp, theta + h, x, y)[0]
         - warped_likelihood(gp, warp, theta - h, x, y)[0]) / 2e-5
        for h in 1e-5 * np.eye(len(theta))
    ]  # fmt: skip
    np.testing.assert_allclose(slope, differences, rtol=1e-5, atol=1e-5)


def test_likelihood_is_that_of_the_logarithm_times_its_slope() -> None:
    """By hand: with c = 2, dz/dy = 1 / (1 + y / 2)."""
    x, y = np.array([[0.0], [1.0], [2.5]]), np.array([-1.0, 0.5, 2.0])
    gp, warp = model("se + 0.1*white"), Warp("log", -1.0)
    theta = gp.start(x, y)
    bent = 2.0 * np.log(1.0 + y / 2.0)
    expected = log_likelihood(gp, theta, x, bent)[0] + np.log(1.0 / (1.0 + y / 2.0)).sum()
    found = warped_likelihood(gp, warp, np.concatenate([[0.0], theta]), x, y)[0]
    assert found == pytest.approx(expected, abs=1e-12)


def test_a_large_curve_bends_nothing() -> None:
    y = np.array([-1.0, 0.0, 3.0])
    np.testing.assert_allclose(bend(y, 1e7), y, atol=1e-6)
    assert bend(y, None) is y


def test_moments_are_scipys_of_a_log_normal() -> None:
    units = Units(np.zeros(1), np.ones(1), 10.0, 2.0, curve=1.5)
    z = Prediction(np.array([-0.4, 1.2]), np.array([0.02, 0.3]), np.array([0.07, 0.5]))
    told = units.told(z)
    # y = 10 + 2 (1.5 exp(z / 1.5) - 1.5): log-normal above 7 with scale 3.
    peer = lognorm(np.sqrt(z.variance_y) / 1.5, 7.0, 3.0 * np.exp(z.mean / 1.5))
    assert units.above == 7.0
    np.testing.assert_allclose(told.mean, peer.mean())
    np.testing.assert_allclose(told.variance_y, peer.var())
    noise = z.variance_y - z.variance_f
    of_f = lognorm(np.sqrt(z.variance_f) / 1.5, 7.0, 3.0 * np.exp(z.mean / 1.5 + noise / 4.5))
    np.testing.assert_allclose(told.variance_f, of_f.var())  # of E[y | f]
    np.testing.assert_allclose(told.mean, of_f.mean())


def test_band_and_density_are_scipys_of_a_log_normal() -> None:
    peer = lognorm([0.3, 0.8], 7.0, [2.0, 5.0])
    answer = Answer(peer.mean(), 0.1 * peer.std(), peer.std(), "y", "", above=7.0)
    low, high = answer.band
    np.testing.assert_allclose([low, high], [peer.ppf(0.025), peer.ppf(0.975)])
    truth = np.array([8.5, 11.0])
    np.testing.assert_allclose(answer.density(truth), -peer.logpdf(truth))
    assert {s.metric: s.value for s in score([answer], truth)}["NLPD"] == pytest.approx(
        -peer.logpdf(truth).mean()
    )
    with pytest.raises(InputError, match="above 7"):
        score([answer], np.array([8.0, 6.0]))


def test_a_mean_below_the_distribution_is_refused() -> None:
    outputs = {name: np.array([[6.5]]) for name in ("mean", "std_f", "std_y")}
    with pytest.raises(InputError, match="above 7"):
        decode(outputs, {"log_normal_above": 7.0})
    assert decode(outputs, {"log_normal_above": 6.0}).above == 6.0


def test_the_logarithm_is_likelier_where_the_target_is_one() -> None:
    x, y = skewed(120)
    plain, of_plain = train(Config(restarts=0), Options(), x, y)
    trained, of_log = train(Config(warp="log", restarts=0), Options(), x, y)
    assert of_log > of_plain + 10
    assert plain.units.above is None
    assert trained.units.above == pytest.approx(5.0, abs=0.7)
    new_x, new_y = skewed(200, seed=1)
    told = trained.units.told(trained.posterior().predict(trained.units.x(new_x)))
    std = np.sqrt(told.variance_y)
    answer = Answer(told.mean, std, std, "y", "", trained.units.above)
    flat = plain.units.told(plain.posterior().predict(plain.units.x(new_x)))
    other = Answer(flat.mean, np.sqrt(flat.variance_f), np.sqrt(flat.variance_y), "y", "")
    assert answer.density(new_y).mean() < other.density(new_y).mean() - 0.1


def test_files_say_the_moments_of_the_target() -> None:
    pytest.importorskip("tf_keras")
    from edgekit.families.gp.network import float_network

    x, y = skewed()
    trained, _ = train(Config(warp="log", restarts=0), Options(), x, y)
    units, posterior = trained.units, trained.posterior()
    form = compress(posterior).form
    new = np.linspace(-1, 1, 50)[:, None].astype(np.float32)
    told = units.told(form.predict(new.astype(np.float64)))
    answers = {k: np.asarray(v)[:, 0] for k, v in float_network(form, units)(new).items()}
    np.testing.assert_allclose(answers["mean"], told.mean, rtol=1e-4)
    np.testing.assert_allclose(answers["std_y"], np.sqrt(told.variance_y), rtol=1e-3)
    np.testing.assert_allclose(answers["std_f"], np.sqrt(told.variance_f), rtol=1e-3)
    integer = distill(posterior, unbent=units.unbent, features=256).predict(new)
    np.testing.assert_allclose(integer[:, 0] * units.y_scale + units.y_shift, told.mean, rtol=0.05)


def test_sparse_training_takes_no_warp() -> None:
    pytest.importorskip("tensorflow")
    x, y = skewed()
    with pytest.raises(InputError, match="--warp"):
        train(Config(warp="log", method="svgp"), Options(), x, y)


@pytest.mark.parametrize("bent", [True, False])
def test_of_both_warps_the_likelier_is_kept(bent: bool) -> None:
    x, y = skewed(120)
    y = y if bent else 10 + np.sin(3 * x[:, 0]) + 0.1 * np.random.default_rng(0).normal(size=120)
    ways = {warp: train(Config(warp=warp, restarts=0), Options(), x, y) for warp in ("none", "log")}
    kept, best = train(Config(warp="none | log", restarts=0), Options(), x, y)
    assert best == max(found for _, found in ways.values())
    likelier = max(ways, key=lambda warp: ways[warp][1])
    assert kept.units.curve == ways[likelier][0].units.curve
    assert (kept.units.curve is not None) == bent
