"""PEARL's losses against hand arithmetic, and one update against NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from edgekit.errors import InputError
from edgekit.families.pearl import Config
from edgekit.families.pearl.agent import Pearl, penalty, value_loss
from edgekit.families.pearl.encoder import (
    add_up,
    build_encoder,
    encode,
    kl_between,
    kl_divergence,
    posterior,
)

Array = np.ndarray
SMALL = Config(latent=2, hidden_units=(4,), encoder_units=(3,), kl_weight=0.3, temperature=0.5,
               reward_scale=2.0, penalty=0.1)  # fmt: skip


def test_product_of_two_gaussians_by_hand() -> None:
    """N(1, 1) times N(4, 1/2): precision 1 + 2 = 3, mean (1 + 8) / 3 = 3."""
    sums = tf.constant([[3.0]]), tf.constant([[9.0]])
    mean, variance = posterior(*sums, "variance")
    assert float(mean[0, 0]) == pytest.approx(3.0)
    assert float(variance[0, 0]) == pytest.approx(1 / 3)
    # N(0, 1) is one factor more: precision 4, mean 9 / 4.
    mean, variance = posterior(*sums, "precision")
    assert float(mean[0, 0]) == pytest.approx(2.25)
    assert float(variance[0, 0]) == pytest.approx(0.25)


def test_kl_by_hand() -> None:
    """KL(N(1, 1) | N(0, 1)) = 1/2; KL(N(0, e) | N(0, 1)) = (e - 2) / 2; they add up."""
    kl = kl_divergence(tf.constant([[1.0], [0.0]]), tf.constant([[1.0], [math.e]]))
    assert float(kl) == pytest.approx(0.5 + (math.e - 2) / 2)


def test_kl_between_two_gaussians_by_hand() -> None:
    """KL(N(1, 2) | N(3, 4)) = (2/4 + 4/4 - 1 - ln(2/4)) / 2."""
    values = (tf.constant([[v]]) for v in (1.0, 2.0, 3.0, 4.0))
    assert float(kl_between(*values)) == pytest.approx((0.5 + math.log(2.0)) / 2)


def test_value_loss_by_hand() -> None:
    """Targets min Q - .5 log pi: 1 - .5 = .5 and 2 + 1 = 3, against 1 and 1."""
    values = tf.constant([[1.0, 2.0], [4.0, 6.0]])
    loss = value_loss(tf.constant([1.0, 1.0]), values, tf.constant([1.0, -2.0]), 0.5)
    assert float(loss) == pytest.approx((0.25 + 4.0) / 2)


def test_the_value_does_not_teach_the_policy() -> None:
    log_pi = tf.Variable([1.0])
    with tf.GradientTape() as tape:
        loss = value_loss(tf.constant([1.0]), tf.constant([[2.0]]), log_pi, 1.0)
    assert tape.gradient(loss, log_pi) is None


def test_penalty_by_hand() -> None:
    """.1 * ((1 + 9) / 2 + (4 + 0) / 2)."""
    assert float(penalty(tf.constant([[1.0, 3.0]]), tf.constant([[-2.0, 0.0]]), 0.1)) == (
        pytest.approx(0.7)
    )


@pytest.mark.parametrize("factors", ["variance", "precision", "embedding"])
def test_factors_against_numpy(factors: str) -> None:
    encoder = build_encoder(3, 2, (4,), factors)
    context = np.random.default_rng(0).standard_normal((5, 6, 3)).astype(np.float32)
    w0, b0, w1, b1 = (v.numpy() for v in encoder.variables)
    raw = np.maximum(context @ w0 + b0, 0) @ w1 + b1
    softplus = np.log1p(np.exp(raw[..., 2:]))
    precision = {"variance": 1 / softplus, "precision": softplus,
                 "embedding": np.ones_like(softplus)}[factors]  # fmt: skip
    seen = np.ones((5, 6), np.float32)
    seen[1, 2:] = 0
    sums = add_up(encode(encoder, context), seen)
    for found, each in zip(sums, (precision, precision * raw[..., :2]), strict=True):
        np.testing.assert_allclose(found, (each * seen[..., None]).sum(1), rtol=1e-4, atol=1e-5)


def test_a_posterior_knows_no_order() -> None:
    encoder = build_encoder(3, 2, (4,), "variance")
    context = np.random.default_rng(0).standard_normal((1, 6, 3)).astype(np.float32)
    seen = tf.ones((1, 6))
    one, other = (add_up(encode(encoder, c), seen) for c in (context, context[:, ::-1]))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def layers(weights: Sequence[Array], x: Array) -> Array:
    """Return the output of a network of one hidden layer, or of an ensemble of them."""
    w0, b0, w1, b1 = weights
    return np.maximum(x @ w0 + b0, 0) @ w1 + b1


def numpy_policy(weights: Sequence[Array], x: Array, noise: Array) -> tuple[Array, ...]:
    """Return pre-tanh actions, log density, mean and log std."""
    w0, b0, w1, b1, w2, b2 = weights
    h = np.maximum(x @ w0 + b0, 0)
    mean, log_std = h @ w1 + b1, np.clip(h @ w2 + b2, -20, 2)
    raw = mean + np.exp(log_std) * noise
    normal = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)
    return raw, (normal - np.log(1 - np.tanh(raw) ** 2)).sum(-1), mean, log_std


def gradients(loss: Callable[[list[Array]], float], weights: list[Array]) -> list[Array]:
    """Return central differences of a loss with respect to every weight."""
    found = []
    for k, weight in enumerate(weights):
        each = np.zeros_like(weight)
        for index in np.ndindex(*weight.shape):
            sides = []
            for step in (1e-6, -1e-6):
                moved = [w.copy() for w in weights]
                moved[k][index] += step
                sides.append(loss(moved))
            each[index] = (sides[0] - sides[1]) / 2e-6
        found.append(each)
    return found


def numbers(network: object) -> list[Array]:
    return [v.numpy().astype(np.float64) for v in network.variables]  # type: ignore[attr-defined]


def test_one_update_against_numpy() -> None:
    """With gradient descent at rate 1 for Adam, every weight moves by minus its gradient.

    NumPy computes the losses in double precision and their gradients by central differences: those
    of the encoder come from the critics and the KL alone.
    """
    tf.random.set_seed(1)
    agent = Pearl(2, 1, SMALL)
    for name in agent.optimizers:
        agent.optimizers[name] = keras.optimizers.SGD(1.0)
    rng = np.random.default_rng(2)
    m, b, n = 2, 3, 4

    def draw(*shape: int) -> Array:
        return rng.standard_normal(shape).astype(np.float32)

    s, a, r, following = draw(m, b, 2), np.tanh(draw(m, b, 1)), draw(m, b), draw(m, b, 2)
    ended = np.array([[0, 1, 0], [0, 0, 1]], np.float32)
    context, seen = draw(m, n, 4), np.array([[1, 1, 1, 0], [1, 1, 1, 1]], np.float32)
    noise = draw(m, 2), draw(m * b, 1), draw(m * b, 1)
    encoder, policy, critics, value, target = (
        numbers(net) for net in
        (agent.encoder, agent.policy, agent.critics, agent.value, agent.targets)
    )  # fmt: skip
    told = agent.update_with(
        tuple(map(tf.constant, (s, a, r, following, ended, context, seen, seen))),
        tuple(map(tf.constant, noise)),
    )
    s, a, r, following, ended = (
        x.reshape(m * b, *x.shape[2:]) for x in (s, a, r, following, ended)
    )

    def infer(weights: Sequence[Array]) -> tuple[Array, float]:
        raw = layers(weights, context)
        precision = 1 / np.log1p(np.exp(raw[..., 2:])) * seen[..., None]
        variance = 1 / precision.sum(1)
        mean = variance * (precision * raw[..., :2]).sum(1)
        kl = 0.5 * (variance + mean**2 - 1 - np.log(variance)).sum()
        return np.repeat(mean + np.sqrt(variance) * noise[0], b, axis=0), kl

    fixed = infer(encoder)[0]
    next_value = layers(target, np.hstack([following, fixed]))[0, :, 0]
    aim = 2.0 * r + 0.99 * (1 - ended) * next_value

    def of_critics(weights: list[Array]) -> tuple[float, float]:
        z, kl = infer(weights[4:])
        values = layers(weights[:4], np.hstack([s, a, z]))[..., 0]
        return ((values - aim) ** 2).mean(1).sum(), kl

    def with_kl(weights: list[Array]) -> float:
        loss, kl = of_critics(weights)
        return loss + 0.3 * kl

    assert float(told["critics"]) == pytest.approx(of_critics([*critics, *encoder])[0], rel=1e-4)
    assert float(told["kl"]) == pytest.approx(infer(encoder)[1] / m, rel=1e-4)
    moved = gradients(with_kl, [*critics, *encoder])
    after = [*numbers(agent.critics), *numbers(agent.encoder)]
    for now, before, slope in zip(after, [*critics, *encoder], moved, strict=True):
        np.testing.assert_allclose(now - before, -slope, rtol=1e-3, atol=1e-4)

    x = np.hstack([s, fixed])

    def least(weights: Sequence[Array]) -> tuple[Array, ...]:
        raw, log_pi, mean, log_std = numpy_policy(weights, x, noise[1])
        seen_by = np.hstack([s, np.tanh(raw), fixed])
        return layers(after[:4], seen_by)[..., 0].min(0), log_pi, mean, log_std

    def of_policy(weights: list[Array]) -> float:
        q, log_pi, mean, log_std = least(weights)
        return (0.5 * log_pi - q).mean() + 0.1 * ((mean**2).mean() + (log_std**2).mean())

    def of_value(weights: list[Array]) -> float:
        q, log_pi, _, _ = least(policy)
        return ((layers(weights, x)[0, :, 0] - (q - 0.5 * log_pi)) ** 2).mean()

    for network, before, loss in (
        (agent.policy, policy, of_policy), (agent.value, value, of_value)
    ):  # fmt: skip
        slopes = gradients(loss, before)
        for now, then, slope in zip(numbers(network), before, slopes, strict=True):
            np.testing.assert_allclose(now - then, -slope, rtol=1e-3, atol=1e-4)
    for there, then, here in zip(numbers(agent.targets), target, numbers(agent.value), strict=True):
        np.testing.assert_allclose(there, 0.995 * then + 0.005 * here, rtol=1e-4, atol=1e-6)


def test_nats_that_are_free_teach_nothing() -> None:
    """The encoder learns as without a bottleneck while its KL is below, and not above."""
    context, seen = tf.random.stateless_normal((2, 4, 4), (0, 1)), tf.ones((2, 4))
    steps = [tf.zeros(shape) for shape in ((2, 3, 2), (2, 3, 1), (2, 3), (2, 3, 2), (2, 3))]
    noise, moved = (tf.zeros((2, 2)), tf.zeros((6, 1)), tf.zeros((6, 1))), {}
    for weight, free in ((0.0, 0.0), (0.3, 0.0), (0.3, 1e3)):
        keras.utils.set_random_seed(1)
        agent = Pearl(2, 1, replace(SMALL, kl_weight=weight, free_nats=free))
        agent.optimizers["critics"] = keras.optimizers.SGD(1.0)
        agent.update_with((*steps, context, seen, seen), noise)
        moved[weight, free] = agent.encoder.trainable_variables[0].numpy()
    np.testing.assert_array_equal(moved[0.3, 1e3], moved[0.0, 0.0])
    assert np.abs(moved[0.3, 0.0] - moved[0.0, 0.0]).max() > 1e-3


def test_twin_critics_with_a_learned_temperature() -> None:
    """The target is min Q' - alpha log pi of the next action; alpha follows entropy."""
    agent = Pearl(2, 1, replace(SMALL, value="twin", temperature=None, penalty=0.0))
    assert agent.value is None
    following, z = tf.ones((3, 2)), tf.zeros((3, 2))
    noise = np.full((3, 1), 0.2, np.float32)
    x = np.hstack([following, z]).astype(np.float64)
    raw, log_pi, _, _ = numpy_policy(numbers(agent.policy), x, noise)
    values = layers(numbers(agent.targets), np.hstack([following, np.tanh(raw), z]))[..., 0]
    found = agent._next_value(following, z, noise)
    np.testing.assert_allclose(found, values.min(0) - log_pi, rtol=1e-4)
    shapes = ((2, 3, 2), (2, 3, 1), (2, 3), (2, 3, 2), (2, 3), (2, 4, 4))
    batch = (*(tf.zeros(shape) for shape in shapes), tf.ones((2, 4)), tf.ones((2, 4)))
    log_std = agent.policy.get_layer("policy_log_std")
    log_std.kernel.assign(tf.zeros_like(log_std.kernel))
    for bias, sign in ((-8.0, 1), (0.0, -1)):
        agent.optimizers["temperature"] = keras.optimizers.SGD(1.0)
        agent.log_temperature.assign(0.0)
        log_std.bias.assign([bias])
        agent.update(batch, tf.constant([0, 1]))
        assert math.copysign(1, float(agent.log_temperature)) == sign


def test_the_first_transitions_learn_what_all_of_them_say() -> None:
    """Its gradient leaves the posterior of the whole context as it is, and vanishes with a gap."""
    agent = Pearl(2, 1, replace(SMALL, factors="precision", prefix_weight=1.0))
    context = tf.random.stateless_normal((3, 5, 4), (0, 1))
    every, first = tf.ones((3, 5)), tf.concat([tf.ones((3, 2)), tf.zeros((3, 3))], 1)
    noise = tf.zeros((3, 2))
    _, _, gap = agent.infer(context, every, first, noise)
    _, _, none = agent.infer(context, every, every, noise)
    assert float(gap) > 1e-3
    assert float(none) == pytest.approx(0.0, abs=1e-5)


def test_an_embedding_is_a_mean() -> None:
    agent = Pearl(2, 1, replace(SMALL, factors="embedding"))
    sums = tf.fill((3, 2), 4.0), tf.fill((3, 2), 6.0)
    np.testing.assert_allclose(agent.fuse(*sums, tf.ones((3, 2))), np.full((3, 2), 1.5))
    nothing = tf.zeros((3, 2))
    assert not np.any(agent.fuse(nothing, nothing, tf.ones((3, 2))))


@pytest.mark.parametrize("factors", ["variance", "precision"])
def test_no_transition_leaves_the_prior(factors: str) -> None:
    agent, nothing = Pearl(2, 1, replace(SMALL, factors=factors)), tf.zeros((1, 2))
    noise = np.array([[0.5, -2.0]], np.float32)
    np.testing.assert_array_equal(agent.fuse(nothing, nothing, noise), noise)


def test_nonsense_is_refused() -> None:
    for wrong in ({"latent": 0}, {"factors": "mean"}, {"value": "none"}, {"discount": 1.5},
                  {"temperature": -1.0}, {"kl_weight": -1.0}, {"tau": 0.0}):  # fmt: skip
        with pytest.raises(InputError, match="pearl: "):
            replace(SMALL, **wrong)
