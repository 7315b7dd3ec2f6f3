"""ONNX files against NumPy: values, layout, integers and names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras as keras3
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
import tf_keras
from export import networks

from edgekit.errors import InputError
from edgekit.export import tflite
from edgekit.export.onnx import convert
from edgekit.export.tracing.lowering import Lowered, lower, name_outputs
from edgekit.quantize.qat import quantize_aware
from edgekit.quantize.scheme import parse_scheme

HEIGHT, WIDTH = 7, 5


def run(content: bytes, *, exact: bool = False, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Return a file's answers; `exact` where an x86 without VNNI would add up in too few bits."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", str(int(exact)))
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def convolve(image: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Convolve `[1, H, W, C]` with `[h, w, C, F]`, without padding."""
    windows = np.lib.stride_tricks.sliding_window_view(image[0], kernel.shape[:2], axis=(0, 1))
    return (np.einsum("yxchw,hwcf->yxf", windows, kernel) + bias)[None]


@pytest.fixture(scope="module", params=[tf_keras, keras3], ids=["keras2", "keras3"])
def convolution(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lowered, Any]:
    """One convolution of a picture that is not square, and its weights."""
    keras = request.param
    image = keras.Input((HEIGHT, WIDTH, 3), name="image")
    model = networks.spread(keras.Model(image, keras.layers.Conv2D(4, 3, name="conv")(image)))
    return lower(model, tmp_path_factory.mktemp("conv") / "lowered"), model.get_weights()


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (1, HEIGHT, WIDTH, 3)).astype(np.float32)


def samples() -> Any:
    return iter([{"image": picture(seed)} for seed in range(32)])


def test_float_convolution_is_numpys(convolution: tuple[Lowered, Any]) -> None:
    lowered, (kernel, bias) = convolution
    content = convert(lowered, parse_scheme("f32"))
    (given,) = onnx.load_from_string(content).graph.input
    shape = [d.dim_value for d in given.type.tensor_type.shape.dim]
    assert (given.name, shape) == ("image", [1, 3, HEIGHT, WIDTH])
    answer = run(content, image=picture().transpose(0, 3, 1, 2))["conv"]
    # outputs keep the source's layout
    np.testing.assert_allclose(answer, convolve(picture(), kernel, bias), rtol=1e-5, atol=1e-5)


def test_int8_weights_by_hand(convolution: tuple[Lowered, Any]) -> None:
    lowered, (kernel, bias) = convolution
    content = convert(lowered, parse_scheme("w8a8"), samples=samples)
    graph = onnx.load_from_string(content).graph
    arrays = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    (integers,) = (v for v in arrays.values() if v.dtype == np.int8 and v.ndim == 4)
    weights = kernel.transpose(3, 2, 0, 1)  # [F, C, h, w], as ONNX has them
    scales = np.abs(weights).reshape(4, -1).max(axis=1) / 127
    by_output = [v for v in arrays.values() if v.dtype == np.float32 and v.shape == (4,)]
    assert any(np.allclose(v, scales, rtol=1e-5) for v in by_output)
    np.testing.assert_allclose(integers, weights / scales[:, None, None, None], atol=1.5)
    kinds = {node.op_type for node in graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    answer = run(content, exact=True, image=picture(1).transpose(0, 3, 1, 2))["conv"]
    expected = convolve(picture(1), kernel, bias)
    noise = np.square(answer - expected).sum() / np.square(expected).sum()
    assert -10 * np.log10(noise) > 30


@pytest.mark.parametrize("keras", [tf_keras, keras3], ids=["keras2", "keras3"])
def test_two_inputs_and_outputs_by_name(tmp_path: Path, keras: Any) -> None:
    model = networks.spread(networks.two_inputs(keras))
    content = convert(lower(model, tmp_path / "lowered"), parse_scheme("f32"))
    left, right = networks.example(model)
    zed, alpha = model([left, right], training=False)
    answers = run(content, left=left.transpose(0, 3, 1, 2), right=right)
    np.testing.assert_allclose(answers["zed"], zed, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(answers["alpha"], alpha, rtol=1e-4, atol=1e-5)


def test_integer_inputs_stay_integers(tmp_path: Path) -> None:
    model = networks.spread(networks.embedding(tf_keras))
    content = convert(lower(model, tmp_path / "lowered"), parse_scheme("f32"))
    (ids,) = networks.example(model)
    expected = model(ids, training=False)
    np.testing.assert_allclose(run(content, ids=ids)["y"], expected, rtol=1e-4, atol=1e-5)


def test_learned_integers_are_those_of_the_tflite(tmp_path: Path) -> None:
    model = networks.spread(networks.sequential(tf_keras))
    learned = quantize_aware(model)
    data = np.random.default_rng(0).uniform(-1, 1, (64, 8, 8, 3)).astype(np.float32)
    for _ in range(30):
        learned(data, training=True)
    network = lower(learned, tmp_path / "qat", output_names=name_outputs(model))
    scheme = parse_scheme("qat-w8a8")
    content = convert(network, scheme, tflite=tflite.convert(network, scheme, io_dtype="float32"))
    graph = onnx.load_from_string(content).graph
    assert [v.name for v in graph.input] == ["image"]
    assert [v.name for v in graph.output] == ["dense"]
    kernel = model.get_layer("conv").get_weights()[0]
    gamma, _, _, variance = model.get_layer("norm").get_weights()
    folded = (kernel * gamma / np.sqrt(variance + 1e-3)).transpose(3, 2, 0, 1)
    scales = np.abs(folded).reshape(4, -1).max(axis=1)[:, None, None, None] / 127
    integers = [onnx.numpy_helper.to_array(t) for t in graph.initializer]
    (found,) = (v for v in integers if v.dtype == np.int8 and v.shape == folded.shape)
    np.testing.assert_allclose(found, folded / scales, atol=4)  # norm moved while learning
    answer = run(content, image=data[:1].transpose(0, 3, 1, 2))["dense"]
    expected = learned(data[:1], training=False)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(answer, expected, atol=0.05 * scale)


def test_a_translated_file_can_be_asked_for_exact_sums(tmp_path: Path) -> None:
    """Layers of one width: their zero points would be one constant, which is turned but once."""
    layers = [tf_keras.layers.Conv2D(4, 3, name=f"conv{i}") for i in range(3)]
    model = networks.spread(tf_keras.Sequential([tf_keras.Input((8, 8, 4), name="image"), *layers]))
    data = np.random.default_rng(0).uniform(-1, 1, (16, 8, 8, 4)).astype(np.float32)
    learned = quantize_aware(model)
    for _ in range(30):
        learned(data, training=True)
    network = lower(learned, tmp_path / "qat", output_names=name_outputs(model))
    scheme = parse_scheme("qat-w8a8")
    content = convert(network, scheme, tflite=tflite.convert(network, scheme, io_dtype="float32"))
    (answer,) = run(content, exact=True, image=data[:1].transpose(0, 3, 1, 2)).values()
    expected = np.asarray(learned(data[:1], training=False))  # channels last, as the .tflite's
    np.testing.assert_allclose(answer, expected, atol=0.05 * np.abs(expected).max())


def test_a_dense_op_that_takes_rows_apart_keeps_its_bias(tmp_path: Path) -> None:
    layers = tf_keras.layers
    x = tf_keras.Input((6, 4), name="x")
    dense = layers.Dense(5, bias_initializer="ones")(x)
    y = layers.Dense(3)(layers.TimeDistributed(layers.Dense(4, bias_initializer="ones"))(dense))
    model = tf_keras.Model(x, layers.Activation("linear", name="y")(y))
    network = lower(model, tmp_path / "lowered")
    values = np.random.default_rng(0).uniform(-1, 1, (16, 6, 4)).astype(np.float32)
    content = tflite.convert(
        network, parse_scheme("w8a8"), io_dtype="float32",
        samples=lambda: iter([{"x": value[None]} for value in values]),
    )  # fmt: skip
    answer = run(convert(network, parse_scheme("w8a8"), tflite=content), x=values[:1])["y"]
    expected = model(values[:1]).numpy()
    np.testing.assert_allclose(answer, expected, atol=0.03 * np.abs(expected).max())


def test_missing_needs_are_named(convolution: tuple[Lowered, Any]) -> None:
    lowered, _ = convolution
    with pytest.raises(InputError, match="scheme w8a8: no calibration data"):
        convert(lowered, parse_scheme("w8a8"))
    with pytest.raises(
        InputError, match="scheme w8a16: not made as ONNX: expected one of f32, f16"
    ):
        convert(lowered, parse_scheme("w8a16"))


@pytest.mark.parametrize("scheme", ["f32", "w8a8"])
def test_an_op_that_onnx_lacks_is_named(tmp_path: Path, scheme: str) -> None:
    x = tf_keras.Input((4,), name="image")
    network = lower(tf_keras.Model(x, tf.math.erfinv(tf.tanh(x))), tmp_path / "lowered")
    with pytest.raises(InputError, match="ONNX has no such op: got Erfinv, ") as raised:
        convert(network, parse_scheme(scheme), samples=samples)
    assert len(str(raised.value)) < 200


def test_what_keras_3_traces_its_own_way(tmp_path: Path) -> None:
    """A constant that was computed before, a function for XLA, and an op that tf2onnx lacks."""
    keras3.utils.set_random_seed(0)
    x = pictures = keras3.layers.Input((8, 8, 4), name="pictures")
    x = keras3.layers.Normalization(axis=-1, mean=[1.0, 2, 3, 4], variance=[4.0, 5, 6, 7])(x)
    x = keras3.layers.Conv2D(8, 3, groups=4, padding="same", activation="gelu")(x)
    x = keras3.layers.GlobalAveragePooling2D()(x)
    names = ("second", "first")
    model = keras3.Model(pictures, [keras3.layers.Dense(2, name=name)(x) for name in names])
    content = convert(lower(model, tmp_path / "lowered"), parse_scheme("f32"))
    given = np.random.default_rng(0).normal(2, 3, (1, 8, 8, 4)).astype(np.float32)
    found = run(content, pictures=given.transpose(0, 3, 1, 2))
    for name, expected in zip(names, model(given, training=False), strict=True):
        np.testing.assert_allclose(found[name], expected, atol=1e-5)


@pytest.mark.parametrize("activation", ["celu", "gelu", "hard_sigmoid", "hard_silu"])
def test_activations_of_keras_3(activation: str, tmp_path: Path) -> None:
    keras3.utils.set_random_seed(0)
    x = given = keras3.layers.Input((6,), name="x")
    x = keras3.layers.Activation(activation)(keras3.layers.Dense(8)(x))
    model = keras3.Model(given, keras3.layers.Dense(3, name="answer")(x))
    network = lower(model, tmp_path / "lowered")
    values = np.random.default_rng(0).normal(0, 2, (20, 1, 6)).astype(np.float32)
    expected = np.asarray(model(values[:, 0], training=False))
    for scheme, atol in (("f32", 1e-5), ("w8a8", 0.1)):
        content = convert(
            network, parse_scheme(scheme), samples=lambda: ({"x": value} for value in values)
        )
        ops = [node.op_type for node in onnx.load_from_string(content).graph.node]
        assert ops.count("MatMul") + ops.count("Gemm") == 2, "no dense op twice"
        found = np.concatenate([run(content, exact=True, x=value)["answer"] for value in values])
        np.testing.assert_allclose(found, expected, atol=atol)


def test_a_logarithm_of_one_and_more(tmp_path: Path) -> None:
    given = keras3.layers.Input((6,), name="x")
    model = keras3.Model(given, keras3.ops.log1p(keras3.ops.square(given)))
    content = convert(lower(model, tmp_path / "lowered"), parse_scheme("f32"))
    value = np.random.default_rng(0).normal(0, 2, (1, 6)).astype(np.float32)
    (found,) = run(content, x=value).values()
    np.testing.assert_allclose(found, np.log1p(value**2), rtol=1e-5)


@pytest.mark.parametrize("length", [32, 24])  # the second cuts what it is given
def test_parts_of_a_spectrum_are_those_of_numpy(length: int, tmp_path: Path) -> None:
    def parts(x: Any) -> Any:
        spectrum = tf.signal.rfft(x, [length])
        return tf.math.real(spectrum), tf.math.imag(spectrum)

    x = tf_keras.Input((3, 32), name="x")
    outputs = dict(zip(("even", "odd"), tf_keras.layers.Lambda(parts)(x), strict=True))
    content = convert(lower(tf_keras.Model(x, outputs), tmp_path / "net"), parse_scheme("f32"))
    value = np.random.default_rng(0).normal(size=(1, 3, 32)).astype(np.float32)
    expected = np.fft.rfft(value[..., :length].astype(np.float64))
    found = run(content, x=value)
    np.testing.assert_allclose(found["even"], expected.real, atol=1e-5)
    np.testing.assert_allclose(found["odd"], expected.imag, atol=1e-5)


def test_buckets_are_those_of_numpy(tmp_path: Path) -> None:
    bounds = [-1.0, 0.0, 0.5]
    x = tf_keras.Input((7,), name="x")
    buckets = tf.cast(tf_keras.layers.Discretization(bounds)(x), tf.float32)
    content = convert(lower(tf_keras.Model(x, buckets), tmp_path / "net"), parse_scheme("f32"))
    value = np.float32([[-2, -1, -0.5, 0, 0.25, 0.5, 3]])
    (found,) = run(content, x=value).values()
    np.testing.assert_array_equal(found, np.digitize(value, bounds))
