"""Training with inducing points, in TensorFlow: SGPR and FITC in one batch, SVGP in many.

Titsias, AISTATS 2009 (SGPR); Snelson and Ghahramani, NIPS 2005 (FITC); Hensman et al., AISTATS 2015
(SVGP). All three end as a whitened q(v) = N(m, S) over M points (see `sparse`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from scipy.cluster.vq import kmeans2
from scipy.optimize import minimize

from edgekit.errors import CheckFailedError, InputError
from edgekit.families.gp import Config
from edgekit.families.gp.device.graph import covariance, diagonal
from edgekit.families.gp.inference.likelihood import Model, model
from edgekit.families.gp.inference.sparse import JITTER
from edgekit.families.gp.keep import Trained
from edgekit.families.gp.prior.kernel import Array
from edgekit.families.gp.units import Units
from edgekit.train import Options

LARGEST = 20_000  # rows that SGPR and FITC take; beyond, memory and time ask for SVGP
_KEPT = 3000  # rows that a sparse run keeps: what the device form is sampled around
_ITERATIONS = 150  # of L-BFGS
_NATURAL = 0.1  # step of the natural gradient on q (Salimbeni et al., AISTATS 2018)
_log = logging.getLogger("edgekit")


def train(
    method: str, config: Config, options: Options, x: Array, y: Array, units: Units
) -> tuple[Trained, float]:
    """Return the sparse process of standardised data, and its bound on the log likelihood.

    Raises:
        InputError: the method cannot take so many rows.
        CheckFailedError: training diverged.
    """
    if method != "svgp" and len(y) > LARGEST:
        raise InputError(
            f"gp: {method} of {len(y)} rows", expected=f"at most {LARGEST}", do="take svgp"
        )
    gp = model(config.kernel, config.mean, config.min_noise)
    rng = np.random.default_rng(options.seed)
    points = min(config.inducing, len(y))
    inducing = choose_points(x, points, rng)
    theta = gp.start(x, y)
    state = _State(gp, theta, inducing)
    if method == "svgp":
        bound, mean, root = _stochastic(state, options, x, y, rng)
    else:
        bound, mean, root = _collapsed(state, method, x, y)
    kept = rng.permutation(len(y))[:_KEPT]
    trained = Trained(
        config.kernel, config.mean, config.min_noise, state.theta.numpy(), units,
        x[kept], y[kept], state.inducing.numpy(), mean, root,
    )  # fmt: skip
    return trained, bound


def choose_points(x: Array, count: int, rng: np.random.Generator) -> Array:
    """Return the centres of k-means over some of the rows, `[count, D]`."""
    some: Array = x[rng.permutation(len(x))[: max(10_000, 4 * count)]]
    if count >= len(some):
        every: Array = some.copy()
        return every
    centres: Array = kmeans2(some, some[:count], minit="matrix", iter=5, missing="warn")[0]
    return centres


class _State:
    """Hyper-parameters and inducing points as variables."""

    def __init__(self, gp: Model, theta: Array, inducing: Array) -> None:
        self.gp = gp
        self.dims = inducing.shape[1]
        self.theta = tf.Variable(theta, dtype=tf.float64)
        self.inducing = tf.Variable(inducing, dtype=tf.float64)
        parameters = gp.parameters(self.dims)
        self.low, self.high = (np.array([p.bounds[i] for p in parameters]) for i in (0, 1))
        self._count = len(gp.mean.parameters(self.dims))

    def noise(self) -> Any:
        """Return the variance of the noise."""
        return tf.exp(self.theta[-1])

    def mean(self, x: Any) -> Any:
        """Return m(x), `[N]`."""
        if not self._count:
            return tf.zeros(tf.shape(x)[0], tf.float64)
        powers = (self._count - 1) // self.dims
        features = [tf.ones_like(x[:, :1]), *(x**p for p in range(1, powers + 1))]
        return tf.linalg.matvec(tf.concat(features, axis=1), self.theta[: self._count])

    def features(self, x: Any) -> tuple[Any, Any]:
        """Return phi = L^-1 k(Z, x), `[M, N]`, and k(x, x) - |phi|^2, `[N]`."""
        theta = self.theta[self._count : -1]
        kernel, z = self.gp.kernel, self.inducing
        gram = covariance(kernel, theta, z, z)
        size = tf.shape(gram)[0]
        jitter = JITTER * tf.linalg.trace(gram) / tf.cast(size, tf.float64)
        lower = tf.linalg.cholesky(gram + jitter * tf.eye(size, dtype=tf.float64))
        phi = tf.linalg.triangular_solve(lower, covariance(kernel, theta, z, x))
        prior = diagonal(kernel, theta, x)
        return phi, prior - tf.reduce_sum(phi * phi, axis=0)


def _collapsed(state: _State, method: str, x: Array, y: Array) -> tuple[float, Array, Array]:
    """Maximize the bound of SGPR, or FITC's likelihood, by L-BFGS; return q in closed form."""
    inputs, target = tf.constant(x), tf.constant(y)
    sizes = [int(v.shape.num_elements()) for v in (state.theta, state.inducing)]

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def evaluate() -> Any:
        with tf.GradientTape() as tape:
            value = _bound(state, method, inputs, target)[0]
        return value, tape.gradient(value, [state.theta, state.inducing])

    def assign(flat: Array) -> None:
        state.theta.assign(flat[: sizes[0]])
        state.inducing.assign(flat[sizes[0] :].reshape(state.inducing.shape))

    def negative(flat: Array) -> tuple[float, Array]:
        assign(flat)
        try:
            value, slopes = evaluate()
        except tf.errors.InvalidArgumentError:  # not positive definite there
            return 1e25, np.zeros_like(flat)
        return -float(value), -np.concatenate([s.numpy().ravel() for s in slopes])

    begin = np.concatenate([state.theta.numpy(), state.inducing.numpy().ravel()])
    bounds = [*zip(state.low, state.high, strict=True), *([(None, None)] * sizes[1])]
    done = minimize(negative, begin, jac=True, method="L-BFGS-B", bounds=bounds,
                    options={"maxiter": _ITERATIONS})  # fmt: skip
    assign(done.x)
    value, mean, root = _bound(state, method, inputs, target)
    return float(value), mean.numpy(), root.numpy()


def _bound(state: _State, method: str, x: Any, y: Any) -> tuple[Any, Any, Any]:
    """Return the bound (SGPR) or likelihood (FITC), and m and the root of S.

    y ~ N(m(x), phi' phi + Lambda): Lambda is the noise for SGPR, whose bound loses the trace of
    what phi leaves of the prior, and noise plus that remainder for FITC.
    """
    phi, left = state.features(x)
    noise = state.noise()
    spread = noise + tf.maximum(left, 0.0) if method == "fitc" else noise + tf.zeros_like(left)
    scaled = phi / tf.sqrt(spread)
    size = tf.shape(phi)[0]
    inner = tf.eye(size, dtype=tf.float64) + tf.matmul(scaled, scaled, transpose_b=True)
    lower = tf.linalg.cholesky(inner)
    residual = (y - state.mean(x)) / tf.sqrt(spread)
    projected = tf.linalg.triangular_solve(lower, tf.linalg.matvec(scaled, residual)[:, None])
    count = tf.cast(tf.shape(y)[0], tf.float64)
    value = -0.5 * (
        count * np.log(2 * np.pi)
        + tf.reduce_sum(tf.math.log(spread))
        + 2.0 * tf.reduce_sum(tf.math.log(tf.linalg.diag_part(lower)))
        + tf.reduce_sum(residual * residual)
        - tf.reduce_sum(projected * projected)
    )
    if method == "sgpr":
        value -= 0.5 * tf.reduce_sum(left) / noise
    mean = tf.linalg.triangular_solve(lower, projected, adjoint=True)[:, 0]
    inverse = tf.linalg.triangular_solve(lower, tf.eye(size, dtype=tf.float64))
    return value, mean, tf.linalg.cholesky(tf.matmul(inverse, inverse, transpose_a=True))


def _stochastic(
    state: _State, options: Options, x: Array, y: Array, rng: np.random.Generator
) -> tuple[float, Array, Array]:
    """Maximize SVGP's bound over minibatches: natural gradients for q, Adam for the rest."""
    size = len(state.inducing.numpy())
    # q in natural parameters: S^-1 m and S^-1, at first those of the prior.
    first = tf.Variable(tf.zeros(size, tf.float64))
    second = tf.Variable(tf.eye(size, dtype=tf.float64))
    variables = [state.theta, state.inducing]
    steps = options.epochs * max(1, len(y) // options.batch_size)
    rate = tf.keras.optimizers.schedules.CosineDecay(options.learning_rate, steps, alpha=0.01)
    optimizer = tf.keras.optimizers.Adam(rate)
    scale = len(y) / options.batch_size
    step = _svgp_step(state, first, second, optimizer, variables, scale, len(y))
    value = float("nan")
    for epoch in range(options.epochs):
        order = rng.permutation(len(y))
        total, batches = 0.0, max(1, len(y) // options.batch_size)
        for i in range(batches):
            rows = order[i * options.batch_size : (i + 1) * options.batch_size]
            total += float(step(tf.constant(x[rows]), tf.constant(y[rows])))
        value = total / batches
        if not np.isfinite(value):
            raise CheckFailedError(
                "gp: training diverged", got=f"a bound of {value} in epoch {epoch + 1}",
                do="take a smaller --learning-rate",
            )  # fmt: skip
        _log.info("epoch %d: bound %.1f, noise %.4f", epoch + 1, value, float(state.noise()))
    covariance_q = tf.linalg.inv(second)
    mean = tf.linalg.matvec(covariance_q, first)
    return value, mean.numpy(), tf.linalg.cholesky(covariance_q).numpy()


def _svgp_step(
    state: _State, first: Any, second: Any, optimizer: Any, variables: Any, scale: float, count: int
) -> Callable[[Any, Any], Any]:
    """Return the function of one step on a minibatch, which returns the bound before it.

    For Gaussian noise the natural gradient is an average with what the batch alone would say:
    S^-1 to (1 - g) S^-1 + g (I + scale phi phi' / noise), likewise S^-1 m.
    """
    low, high = tf.constant(state.low), tf.constant(state.high)

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def step(x: Any, y: Any) -> Any:
        size = tf.shape(first)[0]
        phi, _ = state.features(x)
        noise = state.noise()
        residual = y - state.mean(x)
        told = scale / noise * tf.matmul(phi, phi, transpose_b=True)
        second.assign((1 - _NATURAL) * second
                      + _NATURAL * (tf.eye(size, dtype=tf.float64) + told))  # fmt: skip
        first.assign((1 - _NATURAL) * first
                     + _NATURAL * scale / noise * tf.linalg.matvec(phi, residual))  # fmt: skip
        lower = tf.linalg.cholesky(second)  # of S^-1
        mean = tf.linalg.cholesky_solve(lower, first[:, None])[:, 0]
        with tf.GradientTape() as tape:
            phi, left = state.features(x)
            noise = state.noise()
            solved = tf.linalg.triangular_solve(lower, phi)
            variance = tf.maximum(left, 0.0) + tf.reduce_sum(solved * solved, axis=0)
            error = y - state.mean(x) - tf.linalg.matvec(phi, mean, transpose_a=True)
            fit = -0.5 * tf.reduce_sum(
                np.log(2 * np.pi) + tf.math.log(noise) + (error * error + variance) / noise
            )
            loss = -scale * fit / count
        slopes = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(slopes, variables, strict=True))
        state.theta.assign(tf.clip_by_value(state.theta, low, high))
        inverse = tf.linalg.triangular_solve(lower, tf.eye(size, dtype=tf.float64))
        divergence = 0.5 * (
            tf.reduce_sum(inverse * inverse) + tf.reduce_sum(mean * mean)
            - tf.cast(size, tf.float64)
            + 2.0 * tf.reduce_sum(tf.math.log(tf.linalg.diag_part(lower)))
        )  # fmt: skip
        return scale * fit - divergence

    run: Callable[[Any, Any], Any] = step
    return run
