"""Slow 8-bit ops written with fast ones: against the formulas, and LiteRT's own kernels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from edgekit.export.conversion import Plan, convert
from edgekit.export.files import Wanted
from edgekit.export.mending.kernels import with_fast_kernels
from edgekit.export.source import Source
from edgekit.quantize.graph.tflite_file import kind_of, unpack
from edgekit.quantize.ptq.techniques import Mixed
from edgekit.quantize.scheme import parse_schemes

Array = npt.NDArray[Any]
ROWS = np.random.default_rng(0).uniform(-5, 7, (64, 1, 256)).astype(np.float32)
ROWS[0, 0] = np.linspace(-5, 7, 256)


def quantized(compute: Callable[[Any], Any], *, bits: int = 8) -> bytes:
    """Return by TensorFlow's own converter an integer file of a function of 256 numbers."""
    specs = [tf.TensorSpec((1, 256), name="x")]
    function = tf.function(compute, input_signature=specs).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([row] for row in ROWS)
    ops = tf.lite.OpsSet
    wide = ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    converter.target_spec.supported_ops = [ops.TFLITE_BUILTINS_INT8 if bits == 8 else wide]
    kind = tf.int8 if bits == 8 else tf.int16
    converter.inference_input_type = converter.inference_output_type = kind
    return bytes(converter.convert())


def answer(content: bytes) -> tuple[Array, Array, float]:
    """Return what is read and answered of the first row, as numbers, and the answer's step."""
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (entering,), (leaving,) = interpreter.get_input_details(), interpreter.get_output_details()
    (scale, zero), (step, origin) = entering["quantization"], leaving["quantization"]
    read = np.clip(np.round(ROWS[0] / scale) + zero, -128, 127).astype(np.int8)
    interpreter.set_tensor(entering["index"], read)
    interpreter.invoke()
    given = interpreter.get_tensor(leaving["index"]).astype(int)
    return (read.astype(int) - zero) * scale, (given - origin) * step, step


def kinds(content: bytes) -> list[str]:
    model = unpack(content)
    return [kind_of(model, op) for op in model.subgraphs[0].operators]


def hard_swish(x: Array) -> Array:
    swished: Array = x * np.clip(x + 3, 0, 6) / 6
    return swished


def from_mean(x: Array) -> Array:
    return np.square(x - x.mean(-1, keepdims=True))


def test_a_hard_swish_is_a_sum_and_two_products() -> None:
    plain = quantized(keras.activations.hard_silu)
    assert kinds(plain) == ["HARD_SWISH"]
    fast = with_fast_kernels(plain)
    assert kinds(fast) == ["ADD", "MUL", "MUL"]
    x, got, step = answer(fast)
    # A gate between 0 and 1 in 255 steps, at most half a step off, times x; and the answer's own.
    bound = np.abs(x) / 255 / 2 + step / 2
    assert (np.abs(got - hard_swish(x)) <= bound * 1.01).all()
    assert np.array_equal(got[x < -3.1], np.zeros_like(got[x < -3.1]))


def test_a_squared_difference_is_a_difference_by_itself() -> None:
    plain = quantized(lambda x: tf.math.squared_difference(x, tf.reduce_mean(x, -1, keepdims=True)))
    assert kinds(plain) == ["MEAN", "SQUARED_DIFFERENCE"]
    fast = with_fast_kernels(plain)
    assert kinds(fast) == ["MEAN", "SUB", "MUL"]
    (x, own, step), (_, got, _) = answer(plain), answer(fast)
    # The root of the largest answer in 127 steps, half a step off, twice times the difference.
    root = np.sqrt(from_mean(x).max()) / 127 / 2
    bound = 2 * np.sqrt(own) * root + root**2 + step
    assert (np.abs(got - own) <= bound * 1.01).all()
    assert np.abs(got - from_mean(x)).max() < 4 * step


@pytest.mark.parametrize(("compute", "high"), [(tf.nn.relu, np.inf), (tf.nn.relu6, 6.0)])
def test_a_relu_alone_is_a_sum(compute: Callable[[Any], Any], high: float) -> None:
    plain = quantized(compute)
    fast = with_fast_kernels(plain)
    assert (kinds(plain), kinds(fast)) == ([compute.__name__.upper()], ["ADD"])
    x, got, step = answer(fast)
    assert np.abs(got - np.clip(x, 0, high)).max() <= step / 2 * 1.01
    assert not got[x <= 0].any()


@pytest.mark.parametrize(
    ("size", "stride", "padding", "fast"),
    [(2, 2, "VALID", True), (3, 1, "VALID", True), (2, 2, "SAME", True), (3, 2, "VALID", True),
     (3, 1, "SAME", False),  # fewer are averaged at the edges
     (8, 8, "VALID", False)],
)  # fmt: skip
def test_a_pooling_is_a_sum_of_parts(size: int, stride: int, padding: str, fast: bool) -> None:
    def pooled(x: Any) -> Any:
        return tf.nn.avg_pool2d(tf.reshape(x, (1, 8, 8, 4)), size, stride, padding)

    plain = quantized(pooled)
    made = with_fast_kernels(plain)
    assert kinds(plain) == ["RESHAPE", "AVERAGE_POOL_2D"]
    assert kinds(made) == ["RESHAPE", "DEPTHWISE_CONV_2D" if fast else "AVERAGE_POOL_2D"]
    x, got, step = answer(made)
    expected = np.asarray(pooled(x.astype(np.float32)))
    assert np.abs(got - expected).max() <= step / 2 * 1.01


@pytest.mark.parametrize("bits", [8, 16])
def test_others_are_left_to_the_byte(bits: int) -> None:
    plain = quantized(lambda x: tf.nn.relu(x + x[:, ::-1]) * x, bits=bits)
    assert with_fast_kernels(plain) is plain


def test_attention_in_8_bits_names_what_is_faster(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fed = keras.Input((6, 8), name="x")
    model = keras.Model(fed, keras.layers.MultiHeadAttention(2, 4, name="y")(fed, fed))
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(100, 6, 8)).astype("f"))

    def kinds_in_float(scheme: str, keep: tuple[str, ...] = ()) -> set[str]:
        wanted = Wanted(mixed=Mixed(keep=keep))
        plan = Plan(parse_schemes(scheme), calibrate=str(tmp_path / "x.npy"), wanted=wanted)
        artifact = convert(Source("net", model, "keras3", {}), plan, tmp_path / scheme).artifact
        network = unpack(artifact.path(artifact.manifest.files[0]).read_bytes())
        (graph,) = network.subgraphs
        return {kind_of(network, op) for op in graph.operators
                if graph.tensors[op.outputs[0]].type == schema.TensorType.FLOAT32}  # fmt: skip

    assert not {"BATCH_MATMUL", "SOFTMAX"} & kinds_in_float("w8a8")
    (line,) = [line for line in caplog.messages if "no fast" in line]
    assert line == (
        "w8a8: LiteRT has no fast SOFTMAX in 8 bits: on a CPU --scheme mixed --keep SOFTMAX "
        "is faster"
    )
    assert "SOFTMAX" in kinds_in_float("mixed", ("SOFTMAX",))
    assert not {"BATCH_MATMUL", "FULLY_CONNECTED"} & kinds_in_float("mixed", ("SOFTMAX",))
