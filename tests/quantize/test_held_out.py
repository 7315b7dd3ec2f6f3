"""Techniques of `--ptq best` that do not serve examples which set no range are left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tf_keras as keras
from tiny_networks import float_file

from edgekit.quantize.held_out import hold_up
from edgekit.quantize.ptq.network import open_network
from edgekit.quantize.ptq.techniques import BEST, PostTraining
from edgekit.signature import TensorSpec

EVEN = PostTraining(("equalize", "bias"), judged=True)


def two_dense(first: Any, second: Any) -> Any:
    """Return x -> relu(x A - 1) B: what is below 1 is cut off."""
    x = fed = keras.Input((len(first),), name="x")
    x = keras.layers.Dense(first.shape[1], activation="relu", name="first")(x)
    network = keras.Model(fed, keras.layers.Dense(second.shape[1], name="second")(x))
    network.get_layer("first").set_weights([first, np.full(first.shape[1], -1.0)])
    network.get_layer("second").set_weights([second, np.zeros(second.shape[1])])
    return network


def opened(network: Any, inputs: Any) -> Any:
    spec = TensorSpec("x", (1, *inputs.shape[1:]), "float32")
    return open_network(float_file(network), (spec,), [{"x": x[np.newaxis]} for x in inputs])


def test_channels_that_fire_once_are_not_brought_to_one_range(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each of the 16 channels fires strongly on one example in some thirty, else hardly."""
    rng = np.random.default_rng(0)
    inputs = rng.exponential(1.0, (64, 16)).astype(np.float32) ** 2 / 3
    network = two_dense(np.eye(16), rng.normal(size=(16, 8)))
    kept = hold_up(opened(network, inputs), EVEN)
    assert kept.techniques == ("bias",)
    assert "equalize: left out, since examples that set no range are answered" in caplog.text


def test_channels_of_known_ranges_are() -> None:
    """Of other sizes, and uniform: sixty examples tell their ranges."""
    rng = np.random.default_rng(0)
    inputs = rng.uniform(1, 2, (64, 16)).astype(np.float32)
    sizes = np.geomspace(1.5, 300, 16)
    network = two_dense(np.diag(sizes), rng.normal(size=(16, 8)) / sizes[:, np.newaxis])
    assert hold_up(opened(network, inputs), EVEN) == EVEN


def test_few_examples_judge_nothing() -> None:
    inputs = np.random.default_rng(0).exponential(1.0, (15, 16)).astype(np.float32) ** 2
    network = two_dense(np.eye(16), np.ones((16, 2)))
    assert hold_up(opened(network, inputs), EVEN) == EVEN


def test_best_alone_is_judged() -> None:
    assert PostTraining((BEST,)).beside(8).judged
    assert not PostTraining(("equalize", "bias")).beside(8).judged
