"""Networks that TensorFlow's converter makes no w8a16 file of: ours load, and answer as they do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from edgekit.export.conversion import Plan, convert
from edgekit.export.files import Wanted
from edgekit.export.rewriting.integer_ops import with_integer_ops
from edgekit.export.source import Source
from edgekit.export.tracing.lowering import lower
from edgekit.parity import sqnr_db
from edgekit.parity.answers import answer
from edgekit.profile.graph import read_graph
from edgekit.quantize.ptq.techniques import PostTraining, parse_techniques
from edgekit.quantize.scheme import parse_schemes
from edgekit.runtime import open_model
from edgekit.sources import load

K = keras.ops
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "negative": lambda x: -x,
    "square": K.square,
    "bounded square": lambda x: K.minimum(K.square(x), 1e12),
    "a ceiling out of reach": lambda x: K.minimum(x * 0.001, 1e6) * 1000.0,
    "a ceiling that is reached": lambda x: K.minimum(x * 1e4, 1.2e4) * 1e-4,
    "a length's inverse": lambda x: K.normalize(x * 10.0, axis=-1),
    "unit length": keras.layers.UnitNormalization(),
    "sum": lambda x: x + K.sum(x, axis=(1, 2), keepdims=True),
    "sum without its axis": lambda x: x + K.sum(x, axis=-1)[..., None],
    "elu": keras.layers.ELU(),
    "selu": keras.layers.Activation("selu"),
    "hard swish": keras.layers.Activation("hard_swish"),
    "hard swish by parts": lambda x: x * (keras.layers.ReLU(6)(x + 3.0) * (1 / 6)),
    "hard swish, divided last": lambda x: (x * keras.layers.ReLU(6)(x + 3.0)) * (1 / 6),
    "layer normalization": keras.layers.LayerNormalization(),
    "gelu": keras.layers.Activation("gelu"),
}


def network(function: Callable[[Any], Any]) -> keras.Model:
    keras.utils.set_random_seed(0)
    x = fed = keras.Input((8, 8, 4), name="x")
    x = function(keras.layers.Conv2D(8, 3)(x))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(8, 1)(x))
    return keras.Model(fed, keras.layers.Dense(4, name="y")(x))


@pytest.fixture
def data(tmp_path: Path) -> np.ndarray:
    values = np.random.default_rng(0).normal(size=(100, 8, 8, 4)).astype(np.float32)
    np.save(tmp_path / "x.npy", values)
    return values


def converted(model: Any, kind: str, folder: Path, techniques: str = "none") -> Any:
    plan = Plan(
        parse_schemes("w8a16"), calibrate=str(folder / "x.npy"),
        wanted=Wanted(post_training=PostTraining(parse_techniques(techniques))),
    )  # fmt: skip
    return convert(Source("net", model, kind, {}), plan, folder / "out").artifact


@pytest.mark.parametrize("techniques", ["none", "steps,round,bias"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_file_of_16_bit_activations(
    function: str, techniques: str, data: np.ndarray, tmp_path: Path
) -> None:
    model = network(FUNCTIONS[function])
    artifact = converted(model, "keras3", tmp_path, techniques)
    (file,) = artifact.manifest.files
    graph = read_graph(artifact.path(file))
    assert {t.dtype for op in graph.ops for t in op.outputs} == {"int16"}
    got = answer(open_model(artifact.path(file)), file.signatures, {"x": data[:16]})["y"]
    assert sqnr_db(model(data[:16]).numpy(), got) > 35
    kinds = {op.kind for op in graph.ops}
    assert not kinds & {"neg", "square", "elu", "hard_swish", "squared_difference", "sum"}
    assert ("gelu" in kinds) == (function == "gelu")  # which is one op: it stays one


def test_values_are_those_of_the_ops_replaced(tmp_path: Path) -> None:
    x = fed = tf_keras.Input((6,), name="x")
    parts = [tf.nn.elu(x), tf.nn.selu(x), tf.square(x), -x, x * tf.nn.relu6(x + 3) * (1 / 6)]
    parts.append(tf.math.squared_difference(x, 1.5))
    lowered = lower(tf_keras.Model(fed, tf.concat(parts, 1)), tmp_path / "net")
    wide = with_integer_ops(lowered, tmp_path / "wide")
    assert wide is not lowered
    given = {"x": np.array([[-40.0, -2.9, -0.1, 0.0, 0.7, 5.0]], np.float32)}
    (expected,), (got,) = lowered(given).values(), wide(given).values()
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_swish_that_has_a_gradient_of_its_own(data: np.ndarray, tmp_path: Path) -> None:
    """It waits for others and hands on several values at once."""
    layers = tf_keras.layers
    x = fed = tf_keras.Input((8, 8, 4), name="x")
    x = tf_keras.activations.swish(layers.Conv2D(8, 3)(x))
    squeezed = tf.nn.silu(layers.Dense(8)(layers.GlobalAveragePooling2D(keepdims=True)(x)))
    model = tf_keras.Model(fed, layers.Flatten(name="y")(x * squeezed - tf.square(x)))
    artifact = converted(model, "tf_keras", tmp_path)
    (file,) = artifact.manifest.files
    got = answer(open_model(artifact.path(file)), file.signatures, {"x": data[:16]})["y"]
    assert sqnr_db(model(data[:16]).numpy(), got) > 35


def test_a_network_without_such_ops_stays_as_it_is(tmp_path: Path) -> None:
    lowered = lower(network(keras.layers.ReLU()), tmp_path / "net")
    assert with_integer_ops(lowered, tmp_path / "wide") is lowered
    assert not (tmp_path / "wide").exists()


def test_a_saved_model_too(data: np.ndarray, tmp_path: Path) -> None:
    from edgekit.sources import load

    network(FUNCTIONS["layer normalization"]).export(tmp_path / "saved", verbose=False)
    source = load(str(tmp_path / "saved"))
    artifact = converted(source.model, "saved_model", tmp_path)
    (file,) = artifact.manifest.files
    assert (file.parity or {})["passed"]


@pytest.mark.parametrize("activation", ["selu", "softplus", "mish"])
def test_an_exponential_in_8_bits_is_as_exact_as_its_answers(
    activation: str, data: np.ndarray, tmp_path: Path
) -> None:
    # All of exp(x) in steps of its largest value: 20 to 25 dB of a softplus and a SELU.
    model = network(keras.layers.Activation(activation))
    plan = Plan(parse_schemes("w8a8"), calibrate=str(tmp_path / "x.npy"))
    artifact = convert(Source("net", model, "keras3", {}), plan, tmp_path / "out").artifact
    (file,) = artifact.manifest.files
    got = answer(open_model(artifact.path(file)), file.signatures, {"x": data[:16]})["y"]
    assert sqnr_db(model(data[:16]).numpy(), got) > 30


def test_sums_of_a_saved_model_are_right_in_16_bits(data: np.ndarray, tmp_path: Path) -> None:
    model = network(FUNCTIONS["sum"])
    model.export(tmp_path / "saved", verbose=False)
    plan = Plan(parse_schemes("w8a16"), calibrate=str(tmp_path / "x.npy"))
    artifact = convert(load(str(tmp_path / "saved")), plan, tmp_path / "out").artifact
    (file,) = artifact.manifest.files
    (got,) = answer(open_model(artifact.path(file)), file.signatures, {"x": data[:16]}).values()
    assert sqnr_db(model(data[:16]).numpy(), got) > 35


KERAS_2: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {  # and kinds that are not there
    "layer normalization": (tf_keras.layers.LayerNormalization, ("transpose", "reshape")),
    "negative": (lambda: lambda x: -x, ("neg", "dequantize")),
    "square": (lambda: tf.square, ("square", "dequantize")),
    # Its bias is cut in parts, one of them empty.
    "gated": (lambda: tf_keras.layers.GRU(6, reset_after=False), ()),
}


@pytest.mark.parametrize("techniques", ["none", "best"])
@pytest.mark.parametrize(("scheme", "least"), [("w8a8", 25), ("w8a16", 40)])
@pytest.mark.parametrize("name", KERAS_2)
def test_layers_of_keras_2(
    name: str, scheme: str, least: float, techniques: str, tmp_path: Path
) -> None:
    """In 16 bits an offset of nothing but zeros got a step of 0, at which LiteRT aborts."""
    layer, without = KERAS_2[name]
    tf_keras.utils.set_random_seed(0)
    x = fed = tf_keras.Input((12, 8), name="x")
    x = layer()(tf_keras.layers.Dense(8)(x))
    model = tf_keras.Model(fed, tf_keras.layers.Dense(4, name="y")(x))
    values = np.random.default_rng(0).normal(size=(100, 12, 8)).astype(np.float32)
    np.save(tmp_path / "x.npy", values)
    wanted = Wanted(post_training=PostTraining(parse_techniques(techniques)))
    plan = Plan(parse_schemes(scheme), calibrate=str(tmp_path / "x.npy"), wanted=wanted)
    artifact = convert(Source("net", model, "tf_keras", {}), plan, tmp_path / "out").artifact
    (file,) = artifact.manifest.files
    got = answer(open_model(artifact.path(file)), file.signatures, {"x": values})["y"]
    assert sqnr_db(model(values).numpy(), got) > least
    assert not {op.kind for op in read_graph(artifact.path(file)).ops} & set(without)
