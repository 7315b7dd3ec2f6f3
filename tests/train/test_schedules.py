"""The learning rate by hand, and what weight decay touches."""

from __future__ import annotations

import math

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
import tf_keras as keras  # noqa: E402

from edgekit.errors import InputError  # noqa: E402
from edgekit.train import OPTIMIZERS, Options  # noqa: E402
from edgekit.train.schedules import build_optimizer, learning_rate  # noqa: E402


@pytest.mark.parametrize("warmup", [0.0, 1.0, 2.5])
def test_cosine_with_warm_up(warmup: float):
    options = Options(epochs=10, learning_rate=0.4, warmup_epochs=warmup)
    rate = learning_rate(options, steps=8)
    first = warmup * 8
    for step in range(81):
        if step < first:
            expected = 0.4 * step / first
        else:
            expected = 0.4 * (1 + math.cos(math.pi * (step - first) / (80 - first))) / 2
        assert float(rate(step)) == pytest.approx(expected, abs=1e-6)


def test_constant_with_warm_up():
    rate = learning_rate(Options(schedule="constant", learning_rate=0.1), steps=4)
    assert [float(rate(t)) for t in (0, 1, 4, 1000)] == pytest.approx([0, 0.025, 0.1, 0.1])
    flat = learning_rate(Options(schedule="constant", warmup_epochs=0), steps=4)
    assert float(flat(0)) == pytest.approx(1e-3)


def test_warm_up_longer_than_the_run_still_ends():
    rate = learning_rate(Options(epochs=1, warmup_epochs=5, learning_rate=0.1), steps=3)
    assert [float(rate(t)) for t in range(3)] == pytest.approx([0, 0.05, 0.1])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_shrinks_kernels_only(name: str):
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    layer.set_weights([np.ones((3, 2)), np.ones(2)])
    options = Options(optimizer=name, learning_rate=0.5, weight_decay=0.1,
                      schedule="constant", warmup_epochs=0)  # fmt: skip
    optimizer = build_optimizer(options, 1)
    optimizer.build(layer.trainable_variables)
    zeros = [tf.zeros_like(v) for v in layer.trainable_variables]
    optimizer.apply_gradients(zip(zeros, layer.trainable_variables, strict=True))
    kernel, bias = layer.get_weights()
    np.testing.assert_allclose(kernel, 1 - 0.5 * 0.1, rtol=1e-6)
    np.testing.assert_allclose(bias, 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [("epochs", 0), ("batch_size", 0), ("learning_rate", 0.0), ("optimizer", "magic"),
     ("schedule", "stairs"), ("validation", 1.0), ("label_smoothing", -0.1), ("seed", -1),
     ("learning_rate", float("nan"))],
)  # fmt: skip
def test_options_that_train_nothing(field, value):
    with pytest.raises(InputError, match=f"training: {field}: got {value}"):
        Options(**{field: value})


@pytest.mark.parametrize("warmup", [0.0, 1.5])
def test_poly_with_warm_up(warmup: float):
    options = Options(epochs=5, learning_rate=0.2, warmup_epochs=warmup, schedule="poly")
    rate = learning_rate(options, steps=8)
    first = warmup * 8
    for step in range(41):
        if step < first:
            expected = 0.2 * step / first
        else:
            expected = 0.2 * (1 - (step - first) / (40 - first)) ** 0.9
        assert float(rate(step)) == pytest.approx(expected, abs=1e-6)
