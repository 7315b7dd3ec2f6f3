"""BEAR's losses against hand arithmetic and NumPy, and the gradient that others lose."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from edgekit.errors import InputError
from edgekit.families.bear import Config
from edgekit.families.bear.agent import Bear, actor_loss, dual_loss, mixed_minimum
from edgekit.families.bear.mmd import mmd, spread
from edgekit.families.bear.vae import imitate, vae_loss

SMALL = Config(hidden_units=(6,), vae_units=(5,), warm_up=2, samples=3, target_samples=4)


def test_laplacian_mmd_by_hand() -> None:
    """Single actions 0 and (1, 2): k(x, x) = 1, k(x, y) = exp(-3 / 20)."""
    x, y = tf.constant([[[0.0, 0.0]]]), tf.constant([[[1.0, 2.0]]])
    expected = math.sqrt(2 - 2 * math.exp(-3 / 20) + 1e-6)
    assert float(mmd(x, y, "laplacian", 10.0)[0]) == pytest.approx(expected, rel=1e-5)


def test_gaussian_mmd_by_hand() -> None:
    """Of {0, 2} and {1}: E k(x, x) = (1 + e^-(4/40)) / 2, E k(x, y) = e^-(1/40)."""
    x, y = tf.constant([[[0.0], [2.0]]]), tf.constant([[[1.0]]])
    square = (1 + math.exp(-4 / 40)) / 2 + 1 - 2 * math.exp(-1 / 40)
    expected = math.sqrt(square + 1e-6)
    assert float(mmd(x, y, "gaussian", 20.0)[0]) == pytest.approx(expected, rel=1e-3)


def test_unbiased_mmd_by_hand() -> None:
    """Of {0, 1} and {4, 6}: without the pairs of an action with itself, and not below 0."""
    x, y = tf.constant([[[0.0], [1.0]]]), tf.constant([[[4.0], [6.0]]])
    k = [math.exp(-d / 20) for d in range(7)]
    square = k[1] + k[2] - 2 * (k[4] + k[6] + k[3] + k[5]) / 4
    told = float(mmd(x, y, "laplacian", 10.0, unbiased=True)[0])
    assert told == pytest.approx(math.sqrt(square + 1e-6), rel=1e-4)
    inside = tf.constant([[[0.5], [0.5]]])  # nearer to both than they are to each other
    assert float(mmd(x, inside, "gaussian", 10.0, unbiased=True)[0]) == pytest.approx(1e-3)


@pytest.mark.parametrize("kernel", ["laplacian", "gaussian"])
@pytest.mark.parametrize("spread", [1e-4, 1.0, 10.0])
def test_the_mmd_of_near_samples_is_that_of_float64(kernel: str, spread: float) -> None:
    rng = np.random.default_rng(0)
    x, y = (spread * (1 + 0.1 * rng.standard_normal((500, 10, 1))) for _ in range(2))
    y[:100] = x[:100]
    x, y = x.astype(np.float32), y.astype(np.float32)

    def mean(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        distance = np.abs(one.astype(np.float64)[:, :, None] - other.astype(np.float64)[:, None])
        power = distance if kernel == "laplacian" else distance**2
        return np.asarray(np.exp(-power.sum(-1) / 40)).mean((1, 2))

    expected = np.sqrt(mean(x, x) + mean(y, y) - 2 * mean(x, y) + 1e-6)
    told = tf.function(mmd, jit_compile=True)(tf.constant(x), tf.constant(y), kernel, 20.0)
    np.testing.assert_allclose(told, expected, rtol=0.05)


def test_an_unbiased_mmd_needs_two_samples() -> None:
    for relative, unbiased in ((True, False), (False, True)):
        with pytest.raises(InputError, match="samples: got 1, expected 2 or more where the MMD"):
            Config(samples=1, relative=relative, unbiased=unbiased)
    assert Config(samples=1, relative=False, unbiased=False)


def test_spread_by_hand() -> None:
    """Of {0, 1, 3}: distances 1, 2, 3, twice each; of a behaviour that never varies the least."""
    x = tf.constant([[[0.0], [1.0], [3.0]], [[1.0], [1.0], [1.0]]])
    np.testing.assert_allclose(spread(x, "laplacian"), [2.0, 1e-3])
    np.testing.assert_allclose(spread(x, "gaussian"), [14 / 3, 1e-3], rtol=1e-6)


def test_a_relative_mmd_does_not_see_the_unit_of_actions() -> None:
    rng = np.random.default_rng(1)
    x, y = (tf.constant(rng.standard_normal((4, 5, 1)), tf.float32) for _ in range(2))
    for kernel, scale in (("laplacian", 10.0), ("gaussian", 100.0)):
        one = mmd(x, y, kernel, 2.0 * spread(x, kernel))
        ten = mmd(10 * x, 10 * y, kernel, 2.0 * spread(10 * x, kernel))
        np.testing.assert_allclose(spread(10 * x, kernel), scale * spread(x, kernel), rtol=1e-5)
        np.testing.assert_allclose(one, ten, rtol=1e-4)
        assert np.abs(mmd(x, y, kernel, 2.0) - mmd(10 * x, 10 * y, kernel, 2.0)).max() > 0.1


def test_target_mixes_least_and_greatest_by_hand() -> None:
    """0.75 * 1 + 0.25 * 5 = 2."""
    assert float(mixed_minimum(tf.constant([[1.0], [5.0]]), 0.75)[0]) == pytest.approx(2.0)


def test_actor_loss_by_hand() -> None:
    """Log alpha = log 3: mean of 3 * (.1, .3) is .6, mean of min Q = (1, 2) is 1.5."""
    values, divergence = tf.constant([[1.0, 4.0], [3.0, 2.0]]), tf.constant([0.1, 0.3])
    log_alpha = tf.math.log(3.0)
    assert float(actor_loss(values, divergence, log_alpha, False, 0.0)) == pytest.approx(0.6)
    assert float(actor_loss(values, divergence, log_alpha, True, 0.0)) == pytest.approx(-0.9)
    # The members' standard deviations are 1 and 1.
    assert float(actor_loss(values, divergence, log_alpha, True, 0.5)) == pytest.approx(-0.4)


def test_alpha_grows_while_the_divergence_is_too_large() -> None:
    log_alpha = tf.Variable(math.log(2.0))
    for divergence, sign in ((0.25, -1.0), (0.01, 1.0)):
        with tf.GradientTape() as tape:
            loss = dual_loss(log_alpha, tf.constant([divergence]), 0.05)
        assert float(loss) == pytest.approx(-2.0 * (divergence - 0.05))
        assert math.copysign(1.0, float(tape.gradient(loss, log_alpha))) == sign


def test_vae_loss_by_hand() -> None:
    """Error (tanh 0 - .5)^2 = .25; KL of N(1, 1) from N(0, 1) is .5, of which half."""
    loss = vae_loss(tf.constant([[0.5]]), tf.constant([[0.0]]), tf.ones((1, 2)), tf.zeros((1, 2)))
    assert float(loss) == pytest.approx(0.25 + 0.25)


def test_sampled_latents_are_clipped() -> None:
    agent = Bear(3, 1, SMALL)
    s = tf.ones((2, 3))
    far, edge = (imitate(agent.decoder, s, tf.fill((2, 3, 2), v)) for v in (9.0, 0.5))
    np.testing.assert_array_equal(far, edge)


@pytest.mark.parametrize("after", [0, 5])
def test_the_divergence_reaches_the_actor_after_warm_up_too(after: int) -> None:
    """With alpha at 1e4 against 0, the actor's gradient is that of alpha MMD, within 1%."""
    agent = Bear(3, 1, SMALL)
    s = tf.random.stateless_normal((8, 3), (0, 1))
    noise = agent.draw(8, tf.constant([0, 2]))
    warm = tf.constant(after >= SMALL.warm_up)

    def gradient(log_alpha: float) -> np.ndarray:
        agent.log_alpha.assign(log_alpha)
        with tf.GradientTape() as tape:
            loss, _ = agent.actor_loss(s, noise[2], noise[3], warm)
        parts = tape.gradient(loss, agent.policy.trainable_variables)
        return np.concatenate([np.ravel(p) for p in parts])

    with tf.GradientTape() as tape:
        divergence = tf.reduce_mean(agent.actor_loss(s, noise[2], noise[3], warm)[1])
    parts = tape.gradient(divergence, agent.policy.trainable_variables)
    of_mmd = np.concatenate([np.ravel(p) for p in parts])
    assert np.abs(of_mmd).max() > 1e-4
    difference = gradient(math.log(1e4)) - gradient(-100.0)
    np.testing.assert_allclose(difference, 1e4 * of_mmd, rtol=1e-2, atol=1e-2 * 1e4 * 1e-4)


def numpy_policy(agent: Bear, x: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return pre-tanh actions `[N, K, A]` of the one-layer target policy."""
    w0, b0, w1, b1, w2, b2 = (v.numpy() for v in agent.policy_target.variables)
    h = np.maximum(x @ w0 + b0, 0)
    mean, std = h @ w1 + b1, np.exp(np.clip(h @ w2 + b2, -20, 2))
    return mean[:, None] + std[:, None] * noise


def numpy_critics(network: object, x: np.ndarray) -> np.ndarray:
    w0, b0, w1, b1 = (v.numpy() for v in network.variables)  # type: ignore[attr-defined]
    return (np.maximum(x[None] @ w0 + b0, 0) @ w1 + b1)[..., 0]


def test_one_update_of_the_critics_against_numpy() -> None:
    """Adam's first step is the rate times the gradient's sign; targets move by tau."""
    agent = Bear(3, 1, SMALL)
    rng = np.random.default_rng(3)
    s, following = (rng.standard_normal((5, 3)).astype(np.float32) for _ in range(2))
    a = rng.uniform(-1, 1, (5, 1)).astype(np.float32)
    r, ended = rng.standard_normal(5).astype(np.float32), np.array([0, 0, 1, 0, 0], np.float32)
    noise = [np.asarray(n) for n in agent.draw(5, tf.constant([1, 2]))]
    actions = np.tanh(numpy_policy(agent, following, noise[1]))  # [5, 4, 1]
    pairs = np.concatenate([np.repeat(following[:, None], 4, 1), actions], -1).reshape(20, 4)
    values = numpy_critics(agent.targets, pairs).reshape(2, 5, 4)
    best = (0.75 * values.min(0) + 0.25 * values.max(0)).max(1)
    target = r + 0.99 * (1 - ended) * best
    pair = np.concatenate([s, a], -1)
    q = numpy_critics(agent.critics, pair)
    before = [v.numpy() for v in agent.critics.variables]
    there = [v.numpy() for v in agent.targets.variables]
    told = agent.update((s, a, r, following, ended, *(tf.constant(n) for n in noise)))
    assert float(told["critics"]) == pytest.approx(((q - target) ** 2).mean(1).sum(), rel=1e-4)
    slope = 2 * (q - target).mean(1)  # of the loss by each member's last bias
    step = -SMALL.critic_rate * np.sign(slope)
    after = [v.numpy() for v in agent.critics.variables]
    np.testing.assert_allclose((after[3] - before[3])[:, 0, 0], step, rtol=1e-3)
    for target_after, old, new in zip(agent.targets.variables, there, after, strict=True):
        expected = old + SMALL.tau * (new - old)
        np.testing.assert_allclose(target_after, expected, rtol=1e-5, atol=1e-7)
    assert int(agent.updates) == 1


def test_the_action_is_the_sampled_one_that_the_first_critic_values_most() -> None:
    agent = Bear(3, 1, SMALL)
    s = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    noise = np.random.default_rng(1).standard_normal((6, 10, 1)).astype(np.float32)
    actions = np.tanh(numpy_policy(agent, s, noise))
    pairs = np.concatenate([np.repeat(s[:, None], 10, 1), actions], -1).reshape(60, 4)
    best = numpy_critics(agent.critics, pairs)[0].reshape(6, 10).argmax(1)
    np.testing.assert_allclose(
        agent.choose(s, tf.constant(noise)), actions[np.arange(6), best], rtol=1e-4, atol=1e-6
    )


def test_nonsense_is_refused() -> None:
    for wrong in ({"kernel": "linear"}, {"sigma": 0.0}, {"critics": 1}, {"discount": 1.5}):
        with pytest.raises(InputError, match="bear: "):
            replace(SMALL, **wrong)
