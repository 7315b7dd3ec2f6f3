"""What the converter stored, against quantization done by hand in NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from ai_edge_litert.interpreter import Interpreter
from export import networks

from edgekit.errors import InputError
from edgekit.export.tflite import convert
from edgekit.export.tracing.lowering import Lowered, lower, name_outputs
from edgekit.quantize.qat import quantize_aware
from edgekit.quantize.scheme import parse_scheme

INPUTS, HIDDEN, OUTPUTS = 6, 5, 3


@dataclass(frozen=True)
class TwoLayers:
    """y = relu(x A + a) B + b, lowered, and the values that calibrate it."""

    lowered: Lowered
    weights: list[np.ndarray]  # A, a, B, b
    data: np.ndarray  # [128, 6]

    @property
    def hidden(self) -> np.ndarray:
        a, b = self.weights[:2]
        return np.maximum(self.data @ a + b, 0)

    @property
    def outputs(self) -> np.ndarray:
        return self.hidden @ self.weights[2] + self.weights[3]

    def convert(self, scheme: str, **options: Any) -> Interpreter:
        def samples() -> Any:
            return iter([{"x": row[None]} for row in self.data])

        content = convert(self.lowered, parse_scheme(scheme), samples=samples, **options)
        interpreter = Interpreter(model_content=content)
        interpreter.allocate_tensors()
        return interpreter


@pytest.fixture(scope="module")
def two_layers(tmp_path_factory: pytest.TempPathFactory) -> TwoLayers:
    rng = np.random.default_rng(0)
    x = tf_keras.Input((INPUTS,), name="x")
    hidden = tf_keras.layers.Dense(HIDDEN, activation="relu")(x)
    model = tf_keras.Model(x, tf_keras.layers.Dense(OUTPUTS, name="y")(hidden))
    weights = [rng.normal(size=w.shape).astype(np.float32) for w in model.get_weights()]
    model.set_weights(weights)
    lowered = lower(model, tmp_path_factory.mktemp("lowered") / "model")
    data = rng.uniform(-0.5, 2, (128, INPUTS)).astype(np.float32)
    return TwoLayers(lowered, weights, data)


def stored(interpreter: Interpreter, shape: tuple[int, ...], dtype: Any) -> list[Any]:
    """Return values, scales and zero points of the constants of that shape and type."""
    written = {int(i) for op in interpreter._get_ops_details() for i in op["outputs"]}
    ends = {d["index"] for d in interpreter.get_input_details()}
    found = []
    for d in interpreter.get_tensor_details():
        right = tuple(d["shape"]) == shape and d["dtype"] == dtype
        if right and d["index"] not in written | ends:
            q = d["quantization_parameters"]
            found.append((interpreter.get_tensor(d["index"]), q["scales"], q["zero_points"]))
    return found


def affine(values: np.ndarray) -> tuple[float, int]:
    """Return scale and zero point of int8 for values whose range must hold zero."""
    low, high = min(values.min(), 0.0), max(values.max(), 0.0)
    scale = (high - low) / 255
    return scale, round(-128 - low / scale)


def end(details: list[Any]) -> tuple[float, int]:
    ((scale,), (zero_point,)) = (
        details[0]["quantization_parameters"][key] for key in ("scales", "zero_points")
    )
    return float(scale), int(zero_point)


def test_w8a8_is_what_the_arithmetic_says(two_layers: TwoLayers) -> None:
    file = two_layers.convert("w8a8")
    x = affine(two_layers.data)
    hidden = affine(two_layers.hidden)
    y = affine(two_layers.outputs)
    for found, expected in (
        (end(file.get_input_details()), x),
        (end(file.get_output_details()), y),
    ):
        assert found[0] == pytest.approx(expected[0], rel=1e-5)
        assert found[1] == expected[1]
    for kernel, bias, source in (
        (two_layers.weights[0], two_layers.weights[1], x),
        (two_layers.weights[2], two_layers.weights[3], hidden),
    ):
        ((integers, scales, zeros),) = stored(file, kernel.T.shape, np.int8)
        by_hand = np.abs(kernel).max(axis=0) / 127  # one for each output
        np.testing.assert_allclose(scales, by_hand, rtol=1e-5)
        assert not zeros.any()
        np.testing.assert_allclose(integers, np.rint(kernel / by_hand).T, atol=1)
        assert np.abs(integers).max(axis=1).tolist() == [127] * len(by_hand)
        ((shift, shift_scales, _),) = stored(file, bias.shape, np.int32)
        np.testing.assert_allclose(shift_scales, by_hand * source[0], rtol=1e-5)
        np.testing.assert_allclose(shift, np.rint(bias / (by_hand * source[0])), atol=1)


def test_w8a8_answers_as_integers_computed_by_hand(two_layers: TwoLayers) -> None:
    runner = two_layers.convert("w8a8").get_signature_runner()
    (sx, zx), (sh, zh), (sy, zy) = (
        affine(values) for values in (two_layers.data, two_layers.hidden, two_layers.outputs)
    )

    def quantized(values: np.ndarray, scale: float, zero: int) -> np.ndarray:
        return np.clip(np.rint(values / scale) + zero, -128, 127)

    def layer(raw: np.ndarray, s: float, z: int, kernel: np.ndarray, bias: np.ndarray) -> Any:
        scales = np.abs(kernel).max(axis=0) / 127
        sums = (raw - z) @ np.rint(kernel / scales) + np.rint(bias / (scales * s))
        return sums * scales * s

    a, shift_a, b, shift_b = two_layers.weights
    for row in two_layers.data[:16]:
        raw = quantized(row[None], sx, zx)
        middle = quantized(np.maximum(layer(raw, sx, zx, a, shift_a), 0), sh, zh)
        expected = quantized(layer(middle, sh, zh, b, shift_b), sy, zy)
        np.testing.assert_allclose(runner(x=raw.astype(np.int8))["y"], expected, atol=1)


@pytest.mark.parametrize(("io", "shift"), [("int8", 0), ("uint8", 128), ("float32", None)])
def test_io_types(two_layers: TwoLayers, io: str, shift: int | None) -> None:
    file = two_layers.convert("w8a8", io_dtype=io)
    ends = (file.get_input_details(), file.get_output_details())
    assert [details[0]["dtype"] for details in ends] == [np.dtype(io)] * 2
    if shift is not None:
        for details, values in zip(ends, (two_layers.data, two_layers.outputs), strict=True):
            scale, zero = affine(values)
            assert end(details) == (pytest.approx(scale, rel=1e-5), zero + shift)


def test_w8a16_is_symmetric_in_16_bits(two_layers: TwoLayers) -> None:
    file = two_layers.convert("w8a16")
    for details, values in (
        (file.get_input_details(), two_layers.data),
        (file.get_output_details(), two_layers.outputs),
    ):
        scale = np.abs(values).max() / 32767
        assert details[0]["dtype"] == np.int16
        assert end(details) == (pytest.approx(scale, rel=1e-4), 0)
    kernel, bias = two_layers.weights[:2]
    ((_, scales, _),) = stored(file, kernel.T.shape, np.int8)
    np.testing.assert_allclose(scales, np.abs(kernel).max(axis=0) / 127, rtol=1e-5)
    assert stored(file, bias.shape, np.int64), "sums of 16 by 8 bits need 64"


def test_f16_weights_are_rounded_once(two_layers: TwoLayers) -> None:
    file = two_layers.convert("f16")
    kernel = two_layers.weights[0]
    ((values, _, _),) = stored(file, kernel.T.shape, np.float16)
    np.testing.assert_array_equal(values, kernel.T.astype(np.float16))
    assert file.get_input_details()[0]["dtype"] == np.float32


def test_f32_answers_as_numpy(two_layers: TwoLayers) -> None:
    runner = two_layers.convert("f32").get_signature_runner()
    answers = [runner(x=row[None])["y"][0] for row in two_layers.data]
    np.testing.assert_allclose(answers, two_layers.outputs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("per_channel", [True, False])
def test_w8_stores_integers_and_takes_floats(tmp_path: Path, per_channel: bool) -> None:
    """The converter leaves what has fewer than 1024 weights in float: this has 2048."""
    x = tf_keras.Input((64,), name="x")
    model = networks.spread(tf_keras.Model(x, tf_keras.layers.Dense(32, name="y")(x)))
    kernel = model.get_weights()[0]
    network = lower(model, tmp_path / "lowered")
    content = convert(network, parse_scheme("w8"), per_channel_dense=per_channel)
    file = Interpreter(model_content=content)
    file.allocate_tensors()
    ((integers, scales, _),) = stored(file, (32, 64), np.int8)
    by_hand = np.abs(kernel).max(axis=0 if per_channel else None) / 127
    np.testing.assert_allclose(scales, np.broadcast_to(by_hand, scales.shape), rtol=1e-5)
    np.testing.assert_allclose(integers, np.rint(kernel / by_hand).T, atol=1)
    assert file.get_input_details()[0]["dtype"] == np.float32


def test_learned_ranges_and_names(tmp_path: Path) -> None:
    model = networks.sequential(tf_keras)
    learned = quantize_aware(model)
    data = np.random.default_rng(0).uniform(-1, 1, (64, 8, 8, 3)).astype(np.float32)
    for _ in range(30):  # the moving ranges settle
        learned(data, training=True)
    network = lower(learned, tmp_path / "qat", output_names=name_outputs(model))
    file = Interpreter(model_content=convert(network, parse_scheme("qat-w8a8")))
    runner = file.get_signature_runner()
    ((name, given),) = runner.get_input_details().items()
    assert (name, list(runner.get_output_details())) == ("image", ["dense"])
    # scale of the input: the range that the network's own first layer has learned
    first = next(layer for layer in learned.layers if layer.name.startswith("quantize_layer"))
    high, low = (
        float(next(v for v in first.variables if v.name.endswith(f"{end}:0")))
        for end in ("_max", "_min")
    )
    scale = given["quantization_parameters"]["scales"][0]
    assert scale == pytest.approx((high - low) / 255, rel=0.02)
    assert 0.5 < high < 1.05, "the range of the data, which is -1 to 1, while it is being learned"


def test_io_type_of_another_width(two_layers: TwoLayers) -> None:
    with pytest.raises(InputError, match=r"scheme w8a8: .*got int16, expected int8 or uint8 or fl"):
        two_layers.convert("w8a8", io_dtype="int16")


def test_calibrated_scheme_without_data(two_layers: TwoLayers) -> None:
    with pytest.raises(InputError, match="scheme w8a8: no calibration data: give --calibrate"):
        convert(two_layers.lowered, parse_scheme("w8a8"))


def cholesky(x: Any) -> Any:
    return tf.linalg.cholesky(tf.matmul(x, x, transpose_b=True) + tf.eye(4))


@pytest.mark.parametrize(
    ("layer", "scheme", "says"),
    [
        (cholesky, "f32", r"^f32 as TFLite: TFLite has no such op: got Cholesky \(.*cholesky"),
        (cholesky, "w8a8", r"^w8a8 as TFLite: TFLite has no such op: got Cholesky"),
        (
            lambda x: tf.strings.length(tf.strings.as_string(x)),
            "f32",
            r"got AsString \(.*\), StringLength \(",
        ),
        (
            lambda x: tf.cumsum(x, axis=1),
            "w8a16",
            r"^w8a16 as TFLite: no 16-bit kernel .*: got input 0, take --io float32, or w8a8$",
        ),
    ],
)
def test_an_op_that_does_not_convert_is_named_in_one_line(
    tmp_path: Path, layer: Any, scheme: str, says: str
) -> None:
    x = tf_keras.Input((4, 4), name="x")
    network = lower(tf_keras.Model(x, layer(x)), tmp_path / "lowered")

    def samples() -> Any:
        return iter([{"x": np.ones((1, 4, 4), np.float32)}])

    with pytest.raises(InputError, match=says) as raised:
        convert(network, parse_scheme(scheme), samples=samples)
    assert len(str(raised.value)) < 300
    assert str(raised.value).isprintable()


def test_what_calibration_raises_comes_through(two_layers: TwoLayers) -> None:
    def samples() -> Any:
        raise InputError("calibration example 3: got NaN")
        yield

    with pytest.raises(InputError, match=r"^calibration example 3: got NaN$"):
        convert(two_layers.lowered, parse_scheme("w8a8"), samples=samples)
