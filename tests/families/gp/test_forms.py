"""Device and integer forms: near their posterior, safe in float32, exact on the grid of int8."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import InputError
from edgekit.families.gp.device.compress import Budget, compress, overhead
from edgekit.families.gp.device.form import offset
from edgekit.families.gp.device.integer import LOWEST, distill, on_grid
from edgekit.families.gp.device.variance import left_alone, rounding, shares
from edgekit.families.gp.inference.likelihood import model
from edgekit.families.gp.inference.posterior import Posterior, condition_on
from edgekit.families.gp.inference.search import maximize
from edgekit.families.gp.inference.sparse import SparsePosterior
from edgekit.families.gp.units import Units, units_of

ONE = overhead(model("se").kernel)  # bytes of a file with one kernel beside its constants


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (150, 2))
    y = np.sin(3 * x[:, 0]) + x[:, 1] ** 2 + 0.05 * rng.standard_normal(150)
    gp = model("se", "constant")
    return condition_on(gp, maximize(gp, x, y).theta, x, y)


def test_a_large_form_is_the_posterior(posterior: Posterior) -> None:
    made = compress(posterior, Budget(max_loss=1e-5))
    new = np.random.default_rng(1).uniform(-1, 1, (200, 2))
    exact, told = posterior.predict(new), made.form.predict(new)
    std = np.sqrt(exact.variance_y)
    assert np.abs(told.mean - exact.mean).max() < 0.05 * std.min()
    np.testing.assert_allclose(np.sqrt(told.variance_y), std, rtol=0.04)


def test_the_exact_form_is_the_posterior(posterior: Posterior) -> None:
    form = compress(posterior, Budget(form="exact")).form
    new = np.random.default_rng(1).uniform(-1, 1, (200, 2))
    exact, told = posterior.predict(new), form.predict(new)
    np.testing.assert_allclose(told.mean, exact.mean, atol=0.02 * np.sqrt(posterior.noise))
    np.testing.assert_allclose(np.sqrt(told.variance_y), np.sqrt(exact.variance_y), rtol=5e-3)


@pytest.mark.parametrize(("form", "points"), [("inducing", 41), ("eigen", 150)])
def test_a_form_may_be_named(posterior: Posterior, form: str, points: int) -> None:
    made = compress(posterior, Budget(max_bytes=ONE + 9000, form=form)).form
    assert len(made.support) == points
    assert (len(made.support) == len(made.variance.features)) == (form == "inducing")
    with pytest.raises(InputError, match="--form"):
        compress(posterior, Budget(form="sparse"))


def test_far_from_the_data_the_prior_comes_back(posterior: Posterior) -> None:
    form = compress(posterior).form
    told = form.predict(np.full((1, 2), 100.0))
    prior = posterior.prior_variance(np.zeros((1, 2)))
    np.testing.assert_allclose(told.variance_f, prior, rtol=1e-3)


def test_the_dial_turns(posterior: Posterior) -> None:
    small = compress(posterior, Budget(max_bytes=ONE + 700))
    large = compress(posterior, Budget(max_bytes=ONE + 6000))
    assert small.form.bytes <= 700 < large.form.bytes <= 6000
    assert large.loss < small.loss
    with pytest.raises(InputError, match="no form is as small"):
        compress(posterior, Budget(max_bytes=100))
    with pytest.raises(InputError, match="not reached"):
        compress(posterior, Budget(max_bytes=ONE + 700, max_loss=1e-9))


def test_offset_is_the_prior_variance_but_for_what_is_linear() -> None:
    kernel = model("2*se*se + 3*se + rq + linear").kernel
    theta = np.log([2, 1, 1, 3, 1, 1, 1, 1, 1, 1.0])
    assert offset(kernel, theta, 1) == pytest.approx(6.0)


def test_what_two_data_leave_alone_by_hand() -> None:
    """Correlations 1 and 1/2 with noise 1/10: r = 1 - 1/1.1 and 1 - 0.25/1.1."""
    logs = left_alone(np.array([[0.0, -0.5]]), 0.1)[0]
    r = np.array([0.1 / 1.1, 0.85 / 1.1])
    expected = [-2 * np.log((r**-0.5).mean()), -np.log((1 / r).mean()),
                -0.5 * np.log((r**-2).mean()), np.log(r[0])]  # fmt: skip
    np.testing.assert_allclose(logs, expected)


def test_features_and_what_they_leave_add_up_to_the_prior() -> None:
    rng = np.random.default_rng(0)
    phi = 0.3 * rng.standard_normal((20, 5))
    squares, left = shares(np.column_stack([1 - phi[:, 0], phi[:, 1:]]), np.ones(20))
    np.testing.assert_allclose(squares.sum(axis=1) + left, 1.0)


@pytest.mark.parametrize("alpha", [0.03, 0.3, 5.0, 99.0, 100.0, 1e4])
def test_float32_keeps_what_is_near_apart(alpha: float) -> None:
    """1 - k of a rational quadratic, relative, where k itself rounds to 1, in LiteRT."""
    tf = pytest.importorskip("tensorflow")
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    from edgekit.families.gp.device.graph import centred, differences

    gp = model("rq(lengthscale=3.0)")
    x = np.logspace(-3, 5, 40)[:, None].astype(np.float32)
    theta = np.log([1.0, 3.0, alpha])

    @tf.function(input_signature=[tf.TensorSpec((40, 1), tf.float32)])
    def graph(x):
        return centred(gp.kernel, theta, x, np.zeros((1, 1)), differences)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph.get_concrete_function()])
    session = interpreter.Interpreter(model_content=converter.convert())
    session.allocate_tensors()
    session.set_tensor(session.get_input_details()[0]["index"], x)
    session.invoke()
    found = session.get_tensor(session.get_output_details()[0]["index"])[:, 0]
    truth = np.expm1(-alpha * np.log1p(x[:, 0].astype(np.float64) ** 2 / 9.0 / (2 * alpha)))
    np.testing.assert_allclose(found, truth, rtol=2e-6)


@pytest.mark.parametrize("alpha", [99.0, 100.0, 1e4])
def test_a_rational_quadratic_that_is_all_but_an_exponential_rounds_no_worse(alpha: float) -> None:
    """TensorFlow's own exp(x) - 1 errs by 6e-8, which a large alpha must not multiply."""
    tf = pytest.importorskip("tensorflow")
    from edgekit.families.gp.device.graph import centred, differences

    gp = model("rq(lengthscale=1.0)")
    x = np.logspace(-3, 3, 200)[:, None].astype(np.float32)
    theta = np.log([1.0, 1.0, alpha])

    @tf.function
    def graph(x):
        return centred(gp.kernel, theta, x, np.zeros((1, 1)), differences)

    truth = np.expm1(-alpha * np.log1p(x.astype(np.float64) ** 2 / (2 * alpha)))
    np.testing.assert_allclose(graph(tf.constant(x)), truth, atol=1e-5)


def test_integer_weights_are_whole_steps(posterior: Posterior) -> None:
    form = distill(posterior, on_grid, features=64)
    for weights in (*form.directions.T, *form.readout.T):
        steps = weights / (np.abs(weights).max() / 127)
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-6)


def test_rounding_costs_the_integer_form_little() -> None:
    rng = np.random.default_rng(0)
    x = on_grid(rng.uniform(-1, 1, (150, 2)))
    y = np.sin(3 * x[:, 0]) + x[:, 1] ** 2 + 0.05 * rng.standard_normal(150)
    gp = model("se", "constant")
    known = condition_on(gp, maximize(gp, x, y).theta, x, y)
    form = distill(known, on_grid, features=512)
    new = on_grid(rng.uniform(-1, 1, (300, 2)))
    truth = np.sin(3 * new[:, 0]) + new[:, 1] ** 2
    exact = known.predict(new)
    told = form.predict(new, rounded=True)
    error, best = (np.sqrt(((m - truth) ** 2).mean()) for m in (told[:, 0], exact.mean))
    assert error < best + 0.02
    np.testing.assert_allclose(told[:, 2], np.sqrt(exact.variance_y), rtol=0.3)


def test_the_grid_is_that_of_int8() -> None:
    np.testing.assert_allclose(on_grid(np.array([-2, -1, 0, 0.003, 1, 2.0])),
                               [LOWEST, -1, 0, 0, 1, 1])  # fmt: skip


def test_units_span_minus_one_to_one() -> None:
    x, y = np.array([[0.0, 5], [10, 7]]), np.array([1.0, 3])
    units = units_of(x, y)
    np.testing.assert_allclose(units.x(x), [[-1, -1], [1, 1]])
    np.testing.assert_allclose(units.y(y), [-1, 1])


def test_files_say_what_the_form_says_in_float64(posterior: Posterior) -> None:
    pytest.importorskip("tf_keras")
    from edgekit.families.gp.network import float_network

    units = Units(np.zeros(2), np.ones(2), 1.0, 2.0)
    form = compress(posterior).form
    x = np.random.default_rng(2).uniform(-2, 2, (100, 2)).astype(np.float32)
    answers = {k: np.asarray(v)[:, 0] for k, v in float_network(form, units)(x).items()}
    told = form.predict(x.astype(np.float64))
    np.testing.assert_allclose(answers["mean"], 1 + 2 * told.mean, atol=1e-3)
    np.testing.assert_allclose(answers["std_y"], 2 * np.sqrt(told.variance_y), rtol=1e-3)
    assert (answers["std_f"] > 0).all()


@pytest.mark.parametrize(
    "kernel", ["matern12", "matern32", "matern52", "rq", "periodic", "linear",
               "se*periodic + 0.5*rq", "linear*se"],
)  # fmt: skip
def test_every_kernel_has_a_network(kernel: str) -> None:
    pytest.importorskip("tf_keras")
    from edgekit.families.gp.network import float_network

    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (30, 1))
    gp = model(f"{kernel} + 0.1*white", "quadratic")
    theta = gp.start(x, np.sin(x[:, 0]))
    known = condition_on(gp, theta, x, np.sin(x[:, 0]))
    form = compress(known).form
    told = form.predict(x)
    answers = float_network(form, Units(np.zeros(1), np.ones(1), 0.0, 1.0))(x.astype(np.float32))
    np.testing.assert_allclose(np.asarray(answers["mean"])[:, 0], told.mean, atol=1e-3)
    np.testing.assert_allclose(
        np.asarray(answers["std_y"])[:, 0], np.sqrt(told.variance_y), rtol=2e-3
    )


@pytest.mark.parametrize("method", ["sgpr", "fitc", "svgp"])
def test_sparse_training_with_all_points_is_nearly_exact(method: str) -> None:
    pytest.importorskip("tensorflow")
    from edgekit.families.gp import Config
    from edgekit.families.gp.fit import train
    from edgekit.train import Options

    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (200, 1))
    y = np.sin(4 * x[:, 0]) + 0.1 * rng.standard_normal(200)
    options = Options(epochs=300, batch_size=100, learning_rate=1e-2)
    sparse, _ = train(Config(method=method, inducing=20), options, x, y)
    exact, _ = train(Config(method="exact", restarts=0), options, x, y)
    assert isinstance(sparse.posterior(), SparsePosterior)
    new = np.linspace(-1, 1, 50)[:, None]
    truth, told = exact.posterior().predict(new), sparse.posterior().predict(new)
    np.testing.assert_allclose(told.mean, truth.mean, atol=0.1)
    np.testing.assert_allclose(np.sqrt(told.variance_y), np.sqrt(truth.variance_y), rtol=0.25)


def test_float32_does_not_show_in_the_deviation_of_a_smooth_function() -> None:
    """Noise of 1e-5 of the prior over two columns: features then have large weights."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (200, 2))
    gp = model("25*se(lengthscale=1.5) + 0.0003*white")
    y = 5 * np.sin(2 * x[:, 0]) * np.cos(x[:, 1]) + 0.017 * rng.standard_normal(200)
    form = compress(condition_on(gp, gp.start(x, y), x, y)).form
    new = rng.uniform(-1, 1, (300, 2))
    dims, known = 2, form.variance
    k = (gp.kernel(form.kernel_theta, new, form.support)
         - offset(gp.kernel, form.kernel_theta, dims)) / form.unit  # fmt: skip
    assert rounding(known, k, np.ones(300)) < 1e-3
