"""Second ops for what rounding leaves of weights, against arithmetic by hand and float answers."""

from __future__ import annotations

import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from tiny_networks import float_file, in_16_bits

from edgekit.profile.graph import read_graph
from edgekit.quantize.graph.linear import rows_of
from edgekit.quantize.graph.tflite_file import kind_of, unpack
from edgekit.quantize.ptq.network import Network, open_network
from edgekit.quantize.ptq.post_training import prepare
from edgekit.quantize.ptq.refinement import add_rests, refine
from edgekit.quantize.ptq.techniques import PostTraining
from edgekit.quantize.ptq.weight_steps import largest_steps, put_weights
from edgekit.runtime.sandbox import open_isolated
from edgekit.signature import TensorSpec

LAYERS = keras.layers
PICTURES = np.random.default_rng(0).uniform(-1, 1, (30, 4, 4, 2)).astype(np.float32)
PICTURES[..., 1] *= 10


def two_layers(first: Any, second: Any, activation: Any = None) -> Any:
    """Return x -> act(x A) B, pointwise."""
    image = LAYERS.Input((4, 4, len(first)), name="image")
    x = LAYERS.Conv2D(first.shape[1], 1, activation=activation, name="first")(image)
    network = keras.Model(image, LAYERS.Conv2D(second.shape[1], 1, name="second")(x))
    for name, weights in (("first", first), ("second", second)):
        network.get_layer(name).set_weights([weights[None, None], np.zeros(weights.shape[1])])
    return network


def opened(network: Any, pictures: Any = PICTURES) -> Network:
    shape = (1, *pictures.shape[1:])
    spec = TensorSpec("image", shape, "float32")
    return open_network(float_file(network), (spec,), iter([{"image": p[None]} for p in pictures]))


def refined(network: Network) -> dict[str, Any]:
    graph = network.graph
    steps = {op.outputs[0]: largest_steps(rows_of(graph, op)) for op in graph.ops}
    return {graph.layer(op): rest for op in graph.ops
            for tensor, rest in refine(network, steps).items() if tensor in op.outputs}  # fmt: skip


@pytest.mark.parametrize("activation", [None, tf.nn.relu6])
def test_what_is_left_of_the_layer_that_lies_on_no_grid(activation: Any) -> None:
    # Steps are 1 and 1/127: of the first layer .25 is left behind, of the second nothing.
    found = refined(opened(two_layers(np.array([[127.0], [0.25]]), np.array([[1.0]]), activation)))
    (rest,) = found.values()
    assert list(found) == ["first"]
    assert rest.most == pytest.approx(0.25 * np.abs(PICTURES[..., 1]).max())
    whole = 127 * np.abs(PICTURES[..., 0]).max()
    assert rest.first_most == pytest.approx(whole if activation is None else 6 + rest.most)


def test_weights_on_their_grid_are_left_alone() -> None:
    assert refined(opened(two_layers(np.array([[127.0], [1.0]]), np.array([[0.5]])))) == {}


def test_another_activation_is_left_alone() -> None:
    def between(x: Any) -> Any:
        return tf.maximum(tf.minimum(x, 1.0), -1.0)

    network = opened(two_layers(np.array([[1.27], [0.0025]]), np.array([[1.0]]), between))
    assert network.graph.ops[0].activation == "other"
    assert refined(network) == {}


def test_what_the_answers_do_not_hang_on_is_left_alone() -> None:
    # The first channel errs by .25 of the second input: 4e-4 of the answers' energy, or 4e-6.
    first = np.array([[127.0, 0.0], [0.25, 1.0]])
    assert list(refined(opened(two_layers(first, np.array([[1.0], [1.0]]))))) == ["first"]
    assert refined(opened(two_layers(first, np.array([[1 / 127], [1.0]])))) == {}


@pytest.fixture(scope="module")
def network() -> Any:
    """Return every kind of linear op, with and without an activation, and a residual."""
    keras.utils.set_random_seed(0)
    image = LAYERS.Input((4, 4, 2), batch_size=1, name="image")
    x = LAYERS.Conv2D(4, 3, padding="same", activation=tf.nn.relu6, name="conv")(image)
    y = LAYERS.DepthwiseConv2D(3, padding="same", activation="relu", name="depthwise")(x)
    x = LAYERS.Add(name="add")([x, LAYERS.Conv2D(4, 1, name="project")(y)])
    x = LAYERS.Dense(3, name="dense")(LAYERS.GlobalAveragePooling2D(name="pool")(x))
    made = keras.Model(image, x)
    rng = np.random.default_rng(1)
    for layer in made.layers:
        if layer.get_weights():
            kernel, bias = layer.get_weights()
            outliers = np.exp(2 * rng.standard_normal(kernel.shape))  # beside which little is left
            layer.set_weights([kernel * outliers, rng.normal(0, 1, bias.shape)])
    return made


def made(network: Any, *techniques: str) -> bytes:
    prepared = prepare(opened(network), PostTraining(techniques), round_activations=False)
    content = put_weights(in_16_bits(network, PICTURES), prepared.content, prepared.steps)
    return add_rests(content, prepared.content, prepared.rests)


def test_both_ops_have_the_weights_to_16_bits(network: Any) -> None:
    model = unpack(made(network, "refine"))
    (graph,) = model.subgraphs
    kinds = [op.kind for op in read_graph_of(made(network, "refine")).ops]
    plain = [op.kind for op in read_graph_of(made(network)).ops]
    assert sorted(kinds) == sorted([*plain, "conv", "depthwise_conv", "fully_connected",
                                    "add", "add", "add"])  # fmt: skip
    kernel = network.get_layer("depthwise").get_weights()[0][..., 0]
    held = []
    for op in graph.operators:
        weights = graph.tensors[op.inputs[min(1, len(op.inputs) - 1)]]
        if list(weights.shape) == [1, 3, 3, 4]:
            raw = np.frombuffer(bytes(model.buffers[weights.buffer].data), np.int8)
            held.append((raw.reshape(3, 3, 4), weights.quantization.scale))
    (first, coarse), (rest, fine) = held
    assert (fine < coarse / 200).all()  # half a step of the first in 127
    # One of the two values beside it: that is chosen together with the others, by the answers.
    assert (np.abs(first * coarse + rest * fine - kernel) <= fine * 1.001).all()
    assert np.abs(first * coarse - kernel).max() > 50 * fine.max()


def test_rests_are_rounded_together_and_err_by_nothing_in_the_mean() -> None:
    rng = np.random.default_rng(2)
    shared = rng.normal(2, 1, (30, 4, 4, 1))  # inputs that go together, about a mean of 2
    pictures = (shared + 0.1 * rng.standard_normal((30, 4, 4, 12))).astype(np.float32)
    rows = rng.normal(size=(3, 12)) * np.exp(2 * rng.standard_normal((3, 12)))
    network = two_layers(rows.T.astype(np.float32), np.eye(3))
    rows = rows.astype(np.float32).astype(np.float64)
    ready = prepare(opened(network, pictures), PostTraining(("refine",)), round_activations=False)
    content = put_weights(in_16_bits(network, pictures), ready.content, ready.steps)
    model = unpack(add_rests(content, ready.content, ready.rests))
    (first, bias), (second, taken_back), *_ = linear_ops(model)
    coarse, fine = (w.scale[:, None] for w in (first, second))
    seen = pictures.reshape(-1, 12).astype(np.float64)
    error = seen @ (first.values + second.values - rows).T + bias.values + taken_back.values
    left = rows - first.values
    assert fine.ravel() == pytest.approx(np.abs(left).max(axis=1) / 127, rel=1e-6)
    nearest = seen @ (np.rint(left / fine) * fine - left).T
    assert np.abs(first.values / coarse).max() <= 127
    assert error.std() < 0.5 * nearest.std()
    assert np.abs(error.mean(axis=0)).max() < 0.02 * np.abs(nearest.mean(axis=0)).max()


@pytest.mark.parametrize("runtime", ["litert", "tflite-runtime"])
def test_the_answers_come_near_the_float_ones(tmp_path: Path, network: Any, runtime: str) -> None:
    pytest.importorskip(runtime.replace("-", "_").replace("litert", "ai_edge_litert"))
    errors, expected = [], network.predict(PICTURES, verbose=0, batch_size=1)
    for name, techniques in (("plain", ()), ("refined", ("refine",))):
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(made(network, *techniques))
        with closing(open_isolated(path, runtime=runtime)) as session:
            answers = [next(iter(session({"image": p[None]}).values())) for p in PICTURES]
        errors.append(np.sqrt(np.square(np.concatenate(answers) - expected).mean()))
    assert errors[0] > 0.01 * expected.std()
    assert errors[1] < 0.002 * expected.std()


@dataclass(frozen=True)
class Held:
    """What an op has in a file: real values, and their steps."""

    values: Any
    scale: Any


def linear_ops(model: Any) -> list[tuple[Held, Held]]:
    """Return the weights `[O, K]` and biases `[O]` of each convolution."""
    (graph,) = model.subgraphs
    found = []
    for op in graph.operators:
        if kind_of(model, op) == "CONV_2D":
            both = []
            for tensor, kind in zip(op.inputs[1:], (np.int8, np.int64), strict=True):
                held = graph.tensors[tensor]
                scale = np.asarray(held.quantization.scale, np.float64)
                raw = np.frombuffer(bytes(model.buffers[held.buffer].data), kind)
                raw = raw.reshape(len(scale), -1) if kind is np.int8 else raw
                both.append(Held((raw.T * scale).T, scale))
            found.append((both[0], both[1]))
    return found


def read_graph_of(content: bytes) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.tflite"
        path.write_bytes(content)
        return read_graph(path)
