"""Ranges of 16 bits with room, against arithmetic by hand and what larger inputs are answered."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from tiny_networks import in_16_bits

from edgekit.quantize.graph.tflite_file import kind_of, unpack
from edgekit.quantize.ptq.headroom import HEADROOM, widen
from edgekit.runtime.sandbox import open_isolated

LAYERS = keras.layers
PICTURES = np.random.default_rng(0).uniform(-1, 1, (30, 4, 4, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def network() -> Any:
    """Return a bottleneck that an activation ends, one that none does, a residual and a mean."""
    keras.utils.set_random_seed(0)
    image = LAYERS.Input((4, 4, 3), batch_size=1, name="image")
    x = LAYERS.Conv2D(4, 1, activation=tf.nn.relu6, name="bounded")(image)
    x = LAYERS.Conv2D(4, 1, name="linear")(x)
    x = LAYERS.Add(name="add")([x, LAYERS.DepthwiseConv2D(3, padding="same", name="own")(x)])
    pooled = LAYERS.GlobalAveragePooling2D(name="pool")(x)
    made = keras.Model(image, LAYERS.Dense(2, name="dense")(pooled))
    rng = np.random.default_rng(1)
    for layer in made.layers:
        if layer.get_weights():
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, rng.normal(0, 1, bias.shape)])
    return made


@pytest.fixture(scope="module")
def ordinary(network: Any) -> bytes:
    return in_16_bits(network, PICTURES)


def scales(content: bytes) -> list[tuple[str, float]]:
    """Return each op's kind and the scale of what it answers."""
    model = unpack(content)
    (graph,) = model.subgraphs
    found = []
    for op in graph.operators:
        quantization = graph.tensors[op.outputs[0]].quantization
        scale = None if quantization is None else quantization.scale
        found.append((kind_of(model, op), float("nan") if scale is None else float(scale[0])))
    return found


def test_ranges_that_no_activation_ends_are_wider(ordinary: bytes) -> None:
    before, after = scales(ordinary), scales(widen(ordinary))
    grown = {}
    for number, ((kind, old), (_, new)) in enumerate(zip(before, after, strict=True)):
        grown[number, kind] = new / old
    convolutions = [g for (_, kind), g in grown.items() if kind == "CONV_2D"]
    assert convolutions == pytest.approx([1.0, HEADROOM])  # up to 6, and without an end
    for kind in ("DEPTHWISE_CONV_2D", "ADD", "FULLY_CONNECTED"):
        assert [g for (_, k), g in grown.items() if k == kind] == pytest.approx([HEADROOM])
    assert [g for (_, k), g in grown.items() if k == "MEAN"] == pytest.approx([1.0])


def test_a_bias_keeps_its_real_values_behind_a_wider_input(ordinary: bytes) -> None:
    def biases(content: bytes) -> list[tuple[Any, Any, Any]]:
        model = unpack(content)
        (graph,) = model.subgraphs
        found = []
        for op in graph.operators:
            if kind_of(model, op) in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
                fed, weights, bias = (graph.tensors[t] for t in op.inputs)
                raw = np.frombuffer(bytes(model.buffers[bias.buffer].data), np.int64)
                step = np.float64(fed.quantization.scale[0]) * weights.quantization.scale
                assert bias.quantization.scale == pytest.approx(step, rel=1e-6)
                found.append(raw * np.asarray(bias.quantization.scale, np.float64))
        return found

    for old, new in zip(biases(ordinary), biases(widen(ordinary)), strict=True):
        assert new == pytest.approx(old, abs=1e-4)
        assert np.abs(old).max() > 0.1


@pytest.mark.parametrize("runtime", ["litert", "tflite-runtime"])
def test_what_reaches_beyond_the_examples_is_cut_off_or_not(tmp_path: Path, runtime: str) -> None:
    # x -> the sum of twelve channels -> the same: inputs are in -1..1 as before, their sum is not.
    pytest.importorskip(runtime.replace("-", "_").replace("litert", "ai_edge_litert"))
    image = LAYERS.Input((1, 1, 12), batch_size=1, name="image")
    x = LAYERS.Conv2D(1, 1, use_bias=False, kernel_initializer="ones")(image)
    summing = keras.Model(image, LAYERS.Conv2D(1, 1, use_bias=False, kernel_initializer="ones")(x))
    examples = np.random.default_rng(0).uniform(-1, 1, (30, 1, 1, 12)).astype(np.float32)
    most = np.abs(examples.sum(axis=-1)).max()
    further = np.full((1, 1, 1, 12), 1.4 * most / 12, np.float32)
    assert further.max() < np.abs(examples).max()
    answers = {}
    ordinary = in_16_bits(summing, examples)
    for name, content in (("ordinary", ordinary), ("wide", widen(ordinary))):
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(content)
        with closing(open_isolated(path, runtime=runtime)) as session:
            (answer,) = session({"image": further}).values()
        answers[name] = float(answer.squeeze())
    assert answers == {
        "ordinary": pytest.approx(most, rel=1e-3), "wide": pytest.approx(1.4 * most, rel=1e-3)
    }  # fmt: skip
