"""Distillation, frozen batch norms and first ranges, against arithmetic by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from edgekit.quantize.qat import (
    freeze_epoch,
    hold_ranges,
    quantize_aware,
    set_input_range,
    set_ranges,
)
from edgekit.train import Options, Shard
from edgekit.train.batch_norm import batch_norms, folded, freeze_statistics
from edgekit.train.distillation import Taught, agreement, imitation_loss


def test_imitation_by_hand() -> None:
    # Teacher 3/4 and 1/4, student 1/2 each: 3/4 ln(3/2) + 1/4 ln(1/2).
    teacher = np.log(np.array([[3.0, 1.0]], np.float32))
    student = {"scores": np.zeros((1, 2), np.float32)}
    expected = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
    assert imitation_loss(teacher, student).numpy() == pytest.approx([expected], rel=1e-5)
    assert imitation_loss(teacher, {"scores": teacher + 7}).numpy() == pytest.approx([0], abs=1e-6)


def test_agreement_by_hand() -> None:
    theirs = {0: [[1.0, 0.0], [0.0, 1.0]], 1: [[2.0, 1.0]]}
    ours = {0: [[3.0, 0.0], [1.0, 0.0]], 1: [[2.0, 1.0]]}
    found = agreement(
        lambda x: np.array(theirs[x], np.float32),
        lambda x: {"scores": np.array(ours[x], np.float32)},
        [0, 1],
    )
    assert found["agreement"] == pytest.approx(2 / 3)


class Batches:
    """Two batches of two examples."""

    steps = 2

    def batches(self, epoch: int, first_step: int, part: Shard) -> Any:
        inputs = np.arange(4, dtype=np.float32).reshape(2, 2, 1)
        return tf.data.Dataset.from_tensor_slices((inputs, np.zeros((2, 2))))


def test_targets_are_what_the_teacher_answers() -> None:
    taught = Taught(Batches(), lambda inputs, training: 10 * inputs)
    assert taught.steps == 2
    pairs = [(x.numpy(), y.numpy()) for x, y in taught.batches(0, 0, Shard())]
    for inputs, targets in pairs:
        np.testing.assert_array_equal(targets, 10 * inputs)
    assert len(pairs) == 2


def convolution() -> Any:
    image = keras.layers.Input((4, 4, 2), name="image")
    x = keras.layers.Conv2D(3, 1, use_bias=False, name="conv")(image)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.ReLU(6.0, name="relu")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dense(4, activation="softmax", name="predictions")(x)
    return keras.Model(image, x, name="net")


@pytest.mark.parametrize("quantized", [False, True])
def test_frozen_batch_norms_use_and_keep_what_they_have(quantized: bool) -> None:
    network = quantize_aware(convolution()) if quantized else convolution()
    (norm,) = batch_norms(network)
    norm.moving_mean.assign([1.0, 2.0, 3.0])
    inputs = np.random.default_rng(0).normal(size=(8, 4, 4, 2)).astype(np.float32)
    before = network(inputs, training=True).numpy()
    moved = norm.moving_mean.numpy()
    assert not np.allclose(moved, [1, 2, 3])
    freeze_statistics(network)
    frozen = network(inputs, training=True).numpy()
    np.testing.assert_array_equal(norm.moving_mean.numpy(), moved)
    assert not np.allclose(frozen, before)
    if not quantized:  # whose ranges move by training
        np.testing.assert_allclose(frozen, network(inputs, training=False), rtol=1e-6)
    assert {"gamma:0", "beta:0"} <= {v.name.rpartition("/")[2] for v in network.trainable_variables}


def test_folded_norms_are_told_by_their_statistics() -> None:
    network = convolution()
    assert not folded(network)
    (norm,) = batch_norms(network)
    norm.set_weights([np.ones(3), np.arange(3), np.zeros(3), np.full(3, 1 - norm.epsilon)])
    assert folded(network)
    assert freeze_epoch(quantize_aware(network), Options(qat_epochs=4).for_qat()) == 0


def test_when_statistics_are_frozen() -> None:
    options = Options(qat_epochs=8, qat_freeze=0.75).for_qat()
    assert freeze_epoch(convolution(), options) == 6
    assert freeze_epoch(convolution(), Options(qat_epochs=8).for_qat()) is None


def test_ranges_begin_where_the_float_networks_are() -> None:
    network = convolution()
    inputs = np.random.default_rng(0).normal(0, 5, (16, 4, 4, 2)).astype(np.float32)
    copy = quantize_aware(network)
    set_ranges(copy, network, [inputs[:8], inputs[8:]])
    ends = {v.name: float(v.numpy()) for v in copy.weights if v.shape == () and "_m" in v.name}
    fed = {name.rpartition("_")[2]: end for name, end in ends.items() if "quantize_layer" in name}
    assert fed == {"min:0": pytest.approx(inputs.min()), "max:0": pytest.approx(inputs.max())}
    pooled = keras.Model(network.input, network.get_layer("pool").output)(inputs).numpy()
    (highest,) = (value for name, value in ends.items() if "pool" in name and "max" in name)
    assert highest == pytest.approx(pooled.max(), rel=1e-5)
    # tfmot bounds what a softmax takes, not what it gives.
    kernel, bias = network.get_layer("predictions").get_weights()
    (highest,) = (value for name, value in ends.items() if "pre_activation_max" in name)
    # A range holds zero, whatever sign its values have.
    assert highest == pytest.approx(max((pooled @ kernel + bias).max(), 0.0), rel=1e-5)
    expected, got = network(inputs).numpy(), copy(inputs, training=False).numpy()
    assert np.abs(got - expected).max() < 0.05


def ends_of(copy: Any) -> dict[str, float]:
    """Return the ranges of a copy's activations, by layer and end."""
    told = {f"{layer.name}/{v.name.rpartition('_')[2]}": v for layer in copy.layers
            for v in layer.weights if v.shape == () and ("_min:" in v.name or "_max:" in v.name)
            and "kernel" not in v.name}  # fmt: skip
    return {name.removesuffix(":0"): float(v.numpy()) for name, v in told.items()}


def test_what_is_known_of_an_op_is_given_to_what_is_fused_into_it() -> None:
    network = convolution()
    copy = quantize_aware(network)
    batch = np.random.default_rng(0).normal(size=(8, 4, 4, 2)).astype(np.float32)
    first = next(la.name for la in network.layers if isinstance(la, keras.layers.Conv2D))
    set_ranges(copy, network, [batch], {first: (0.0, 0.75), "pool": (0.0, 0.5)})
    ends = ends_of(copy)
    assert ends["quant_relu/max"] == 0.75
    assert ends["quant_pool/max"] == 0.5
    set_input_range(copy, -3.0, 5.0)
    ends = ends_of(copy)
    assert [ends[k] for k in sorted(ends) if k.startswith("quantize_layer")] == [5, -3]


def test_weights_have_their_ranges_before_a_step() -> None:
    network = convolution()
    batch = np.random.default_rng(0).normal(size=(8, 4, 4, 2)).astype(np.float32)
    copy = quantize_aware(network)
    set_ranges(copy, network, [batch])
    kernel = next(la for la in network.layers if isinstance(la, keras.layers.Conv2D)).kernel
    (widest,) = (v.numpy() for v in copy.weights if "kernel_max" in v.name and v.shape == (3,))
    assert widest == pytest.approx(np.abs(kernel.numpy()).max(axis=(0, 1, 2)))


def test_held_ranges_do_not_follow_the_batches() -> None:
    network = convolution()
    batch = np.random.default_rng(0).normal(size=(8, 4, 4, 2)).astype(np.float32)
    copy = quantize_aware(network)
    set_ranges(copy, network, [batch])
    before = ends_of(copy)
    hold_ranges(copy)
    copy(9 * batch, training=True)
    assert ends_of(copy) == before
    other = quantize_aware(network)
    set_ranges(other, network, [batch])
    other(9 * batch, training=True)
    assert ends_of(other) != before
