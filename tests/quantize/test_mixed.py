"""Mixed precision: what is left in float, against arithmetic by hand."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from ai_edge_litert.interpreter import Interpreter

from edgekit.errors import InputError
from edgekit.quantize.bit_allocation import order
from edgekit.quantize.graph.float_graph import FloatGraph
from edgekit.quantize.graph.linear import rows_of
from edgekit.quantize.graph.parts import ending_at
from edgekit.quantize.mixed import answers, choose, drop, matching, scores
from edgekit.quantize.ptq.network import Network, open_network
from edgekit.quantize.ptq.post_training import held_in_float, prepare
from edgekit.quantize.ptq.ranges import fake_quantize
from edgekit.quantize.ptq.sensitivity import Sensitivity, measure
from edgekit.quantize.ptq.techniques import Mixed, PostTraining
from edgekit.quantize.ptq.transformation import transform
from edgekit.quantize.ptq.weight_steps import largest_steps
from edgekit.quantize.quantizer import quantize
from edgekit.quantize.weight_only import hold_weights
from edgekit.runtime.sandbox import open_isolated
from edgekit.signature import TensorSpec

PLAIN = PostTraining()


def chain(kernels: list[Any]) -> bytes:
    """Return a .tflite of pointwise convolutions a, b, c ... and a softmax, over 2x2 pictures."""
    image = keras.layers.Input((2, 2, len(kernels[0])), name="image")
    x = image
    for name, kernel in zip("abcdef", kernels, strict=False):
        x = keras.layers.Conv2D(kernel.shape[1], 1, use_bias=False, name=name)(x)
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    network = keras.Model(image, keras.layers.Softmax(name="softmax")(x), name="net")
    for name, kernel in zip("abcdef", kernels, strict=False):
        network.get_layer(name).set_weights([kernel[None, None]])
    return bytes(tf.lite.TFLiteConverter.from_keras_model(network).convert())


@pytest.fixture(scope="module")
def network() -> Network:
    """Three layers, of which the second writes one channel a thousand times the others."""
    rng = np.random.default_rng(0)
    wide = np.array([1000.0, 1, 1, 1, 1, 1, 1, 1])
    kernels = [rng.normal(size=(4, 8)), rng.normal(size=(8, 8)) * wide,
               rng.normal(size=(8, 5)) / wide[:, None]]  # fmt: skip
    content = chain(kernels)
    inputs = rng.normal(size=(40, 1, 2, 2, 4)).astype(np.float32)
    spec = TensorSpec("image", (1, 2, 2, 4), "float32")
    return open_network(content, (spec,), [{"image": value} for value in inputs])


def test_scores_are_taken_before_the_softmax(network: Network) -> None:
    kinds = {op.outputs[0]: op.kind for op in network.graph.ops}
    assert [kinds[tensor] for tensor in network.graph.outputs] == ["SOFTMAX"]
    assert [kinds[tensor] for tensor in scores(network.graph)] == ["MEAN"]


def test_drop_by_hand() -> None:
    expected = np.array([[1.0, 0.0], [1.0, 0.9], [0.0, 1.0], [0.0, 0.2]])
    got = expected + np.array([[0.0, 0.0], [-0.2, 0.0], [0.0, 0.5], [0.0, 0.5]])
    # With the errors as they are the second answer changes; with them turned round the fourth.
    assert drop(expected, got) == pytest.approx(100 * 2 / 8)
    assert drop(expected, expected) == 0
    features = np.array([[3.0], [4.0]])
    assert drop(features, np.array([[4.0], [3.0]])) == pytest.approx(100 * (1 - 24 / 25))


def test_a_tensor_is_in_float_where_all_around_it_is(network: Network) -> None:
    graph = network.graph
    first, second = (op.outputs[0] for op in graph.ops[:2])
    assert held_in_float(graph, frozenset({first})) == set()
    assert held_in_float(graph, frozenset({first, second})) == {first}


def test_sensitivity_is_the_noise_of_one_rounding(network: Network) -> None:
    graph = ending_at(network.graph, scores(network.graph))
    ranges = {t: (float(s.low.min()), float(s.high.max())) for t, s in network.observed.items()}
    steps = {graph.name(op.outputs[0]): largest_steps(rows_of(graph, op))
             for op in graph.ops if op.linear}  # fmt: skip
    found = measure(graph, ranges, steps, network.examples)
    second, third = graph.ops[1].outputs[0], graph.ops[2].outputs[0]
    assert found.tensors[second] == max(found.tensors.values())
    # What rounding the last convolution's output does, computed from its values by hand.
    kernels = [graph.weights(op)[:, 0, 0].T for op in graph.ops[:3]]
    (inputs,) = network.examples.values()
    exact = (inputs @ kernels[0] @ kernels[1] @ kernels[2]).astype(np.float32)
    rounded = fake_quantize(exact, ranges[third])
    one, other = (value.mean(axis=(2, 3)) for value in (exact, rounded))
    expected = np.square(other - one).sum() / np.square(one - one.mean()).sum()
    assert found.tensors[third] == pytest.approx(expected, rel=0.05)


def test_order_frees_the_most_noise_for_its_cost(network: Network) -> None:
    graph = network.graph
    a, b, c, mean = (op.outputs[0] for op in graph.ops[:4])
    # b's output needs b and c: 8 / 2; then a's needs a alone: 1; then c's needs the mean: .5.
    # Of 4 x 8 + 8 x 8 + 8 x 5 = 136 weights all cost as much as five ops: those of c, which is in
    # float by then, 40 / 136 x 5 = 1.47, which .9 pays for at .61; those of a 32 / 136 x 5 = 1.18,
    # which .1 pays for last.
    told = Sensitivity({a: 1.0, b: 8.0, c: 0.5}, {a: 0.1, b: 0.0, c: 0.9})
    first = {("op", b), ("op", c)}
    second, third = first | {("op", a)}, {("op", a), *first, ("weights", c)}
    fourth = third | {("op", mean)}
    assert len(graph.ops) == 5
    assert order(graph, told, frozenset()) == [
        frozenset(), first, second, third, fourth, fourth | {("weights", a)},
        fourth | {(kind, op) for kind in ("weights", "exact") for op in (a, b, c)},
    ]  # fmt: skip


def test_the_fewest_layers_that_keep_the_answers(network: Network) -> None:
    """One scale for the wide tensor loses all but one channel: it alone must stay in float."""
    expected = answers(network.graph.pack(), network.examples)[0]
    plain = answers(quantize(prepare(network, PLAIN).content, "float32"), network.examples)[0]
    assert drop(expected, plain) > 20
    choice = choose(network, PLAIN, Mixed(max_drop=5.0))
    assert {"b", "c"} <= set(choice.layers)
    assert "a" not in choice.layers
    assert choice.drop is not None
    assert choice.drop <= 5
    made = quantize(choice.prepared.content, "float32", kept=choice.prepared.kept,
                    steps=choice.prepared.steps)  # fmt: skip
    kept = answers(made, network.examples)[0]
    assert (kept.argmax(axis=1) != expected.argmax(axis=1)).mean() <= 0.1


def test_equalization_makes_float_layers_needless(network: Network) -> None:
    options = PostTraining(("equalize", "bias"))
    choice = choose(transform(network, options), options, Mixed(max_drop=5.0))
    assert set(choice.layers) <= {"softmax", ""}


def test_layers_are_kept_by_pattern(network: Network) -> None:
    graph = network.graph
    assert matching(graph, ["[ab]"]) == {op.outputs[0] for op in graph.ops[:2]}
    (softmax,) = [op.outputs[0] for op in graph.ops if op.kind == "SOFTMAX"]
    assert matching(graph, ["SOFTMAX", "a"]) == {graph.ops[0].outputs[0], softmax}
    with pytest.raises(
        InputError, match=r"--keep x\*: no such layer or kind of op: expected a pattern, as"
    ):
        matching(graph, ["x*"])


def test_what_even_float_cannot_keep_is_said(network: Network, monkeypatch: Any) -> None:
    monkeypatch.setattr("edgekit.quantize.mixed.drop", lambda one, other: 3.0)
    with pytest.raises(InputError, match="--max-drop cannot be kept"):
        choose(network, PLAIN, Mixed(max_drop=1.0))


def test_weights_are_as_they_are_where_16_bits_do_not_do(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two answers count as one if they are the same to six digits, as 16-bit weights are not."""

    def differ(one: Any, other: Any) -> float:
        return 100.0 * float(np.abs(one - other).max() > 1e-6 * np.ptp(one))

    monkeypatch.setattr("edgekit.quantize.weight_only._LEAST", 1)
    monkeypatch.setattr("edgekit.quantize.mixed.drop", differ)
    prepared = choose(network, PLAIN, Mixed(max_drop=1.0)).prepared
    made = quantize(prepared.content, "float32", kept=prepared.kept, steps=prepared.steps,
                    half=prepared.half)  # fmt: skip
    expected, got = (answers(file, network.examples)[0] for file in (network.graph.pack(), made))
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert not prepared.half


def test_a_kept_op_has_its_own_weights(network: Network) -> None:
    kept = frozenset({network.graph.ops[0].outputs[0]})
    ready = FloatGraph(prepare(network, PLAIN, kept).content)
    before = network.graph
    np.testing.assert_array_equal(ready.weights(ready.ops[0]), before.weights(before.ops[0]))
    assert not np.array_equal(ready.weights(ready.ops[1]), before.weights(before.ops[1]))


def test_a_kept_op_may_hold_its_weights_in_8_bits(network: Network, tmp_path: Path) -> None:
    """The file's integers times their steps are what the op multiplies with, in both runtimes."""
    graph = network.graph
    kept = frozenset(op.outputs[0] for op in graph.ops)
    ready = prepare(network, PLAIN, kept, frozenset())
    made = quantize(ready.content, "float32", kept=ready.kept, steps=ready.steps)
    read = Interpreter(model_content=made)
    read.allocate_tensors()
    held = [detail for detail in read.get_tensor_details() if detail["dtype"] == np.int8]
    assert len(held) == 3
    product = np.eye(4)
    for op, detail in zip(graph.ops, held, strict=False):
        scales = detail["quantization_parameters"]["scales"]
        integers = read.get_tensor(detail["index"]).reshape(len(scales), -1)
        assert (
            np.abs(integers * scales[:, None] - rows_of(graph, op)).max(1) < 0.501 * scales
        ).all()
        product = product @ (integers * scales[:, None]).T
    (inputs,) = network.examples.values()
    scores = inputs[:, 0].mean(axis=(1, 2)) @ product
    expected = np.exp(scores - scores.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answers(made, network.examples)[0], expected, atol=1e-4)
    (tmp_path / "made.tflite").write_bytes(made)
    pytest.importorskip("tflite_runtime")
    session = open_isolated(tmp_path / "made.tflite", runtime="tflite-runtime")
    with closing(session):
        for example, wanted in zip(inputs[:3], expected[:3], strict=True):
            (got,) = session({"image": example}).values()
            np.testing.assert_allclose(got[0], wanted, atol=1e-4)


def test_many_weights_are_held_as_16_bit_floats_and_few_as_they_are() -> None:
    rng = np.random.default_rng(0)
    few, many = rng.normal(size=(4, 32)), rng.normal(size=(32, 40))

    def held_in_half(kernels: list[Any]) -> bytes:
        content = chain(kernels)
        graph = FloatGraph(content)
        names = {graph.name(op.outputs[0]) for op in graph.ops if op.linear}
        assert len(names) == 2
        return hold_weights(content, content, {}, names)

    read = Interpreter(model_content=held_in_half([few, many]))
    read.allocate_tensors()
    (held,) = (d for d in read.get_tensor_details() if d["dtype"] == np.float16)
    np.testing.assert_array_equal(
        read.get_tensor(held["index"])[:, 0, 0], many.T.astype(np.float32).astype(np.float16)
    )
    kinds = [op.kind for op in FloatGraph(held_in_half([few, many * 1e5])).ops]
    assert kinds == [op.kind for op in FloatGraph(chain([few, many])).ops]  # larger than 65504
