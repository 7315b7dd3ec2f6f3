"""Second factors of 8-bit products: steps by hand, what they answer, and who runs them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from edgekit.export.mending.factors import with_mended_factors
from edgekit.quantize.graph.tflite_file import kind_of, pack, unpack

SHAPE = (1, 2, 8, 16)


def multiplied(low: float, high: float, *, constant: str = "") -> bytes:
    """Return TensorFlow's 8-bit file of a product whose second factor lies from `low` to `high`."""
    fixed = tf.constant(np.random.default_rng(9).normal(size=SHAPE).astype(np.float32))

    @tf.function(input_signature=[tf.TensorSpec(SHAPE)] * 2)
    def product(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        given = {"": (a, b), "first": (fixed, b + 0 * a), "second": (a + 0 * b, fixed)}[constant]
        return tf.matmul(*given, transpose_b=True)

    def examples() -> object:
        rng = np.random.default_rng(1)
        for _ in range(20):
            b = rng.uniform(low, high, SHAPE)
            b.flat[:2] = low, high
            yield [rng.normal(size=SHAPE).astype(np.float32), b.astype(np.float32)]

    converter = tf.lite.TFLiteConverter.from_concrete_functions([product.get_concrete_function()])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = examples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def factor(content: bytes) -> tuple[float, int]:
    """Return scale and zero point of what the product reads second."""
    model = unpack(content)
    (graph,) = model.subgraphs
    (op,) = [op for op in graph.operators if kind_of(model, op) == "BATCH_MATMUL"]
    told = graph.tensors[op.inputs[1]].quantization
    return float(told.scale[0]), int(told.zeroPoint[0])


def answers(content: bytes, pairs: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return raw answers, and whether XNNPACK took every op."""
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    entering = sorted(interpreter.get_input_details(), key=lambda told: told["name"])
    found = []
    for pair in pairs:
        for told, value in zip(entering, pair, strict=True):
            interpreter.set_tensor(told["index"], value)
        interpreter.invoke()
        found.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    kinds = [op["op_name"] for op in interpreter._get_ops_details()]
    return np.array(found), kinds[-1] == "DELEGATE"


PAIRS = np.random.default_rng(4).integers(-128, 128, (20, 2, *SHAPE), np.int8)


def test_around_zero_the_farther_end_is_127_steps_away() -> None:
    plain = multiplied(-1.0, 1.5)
    scale, zero = factor(plain)
    assert (scale, zero) == (pytest.approx(2.5 / 255), -26)
    mended = with_mended_factors(plain)
    assert factor(mended) == (pytest.approx((127 + 26) * scale / 127), 0)
    # Who runs it, and that it says the same: to half a step of each factor's 16 terms.
    found, fast = answers(mended, PAIRS)
    expected, other = answers(plain, PAIRS)
    assert (fast, other) == (True, False)
    assert expected.std() > 20
    assert np.abs(found.astype(int) - expected).max() <= 3


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-0.1, 1.0), (-1.0, 0.0)])
def test_far_from_zero_only_the_lowest_step_is_spared(low: float, high: float) -> None:
    plain = multiplied(low, high)
    scale, zero = factor(plain)
    mended = with_mended_factors(plain)
    below = (zero + 128) * 253 / 255
    assert factor(mended) == (pytest.approx(scale * 255 / 253), -127 + int(np.ceil(below)))


@pytest.mark.parametrize("zero", [-128, -127, -64, -26, -1, 0, 30, 64, 127])
def test_every_value_of_a_factor_stays_within_half_a_step(zero: int) -> None:
    model = unpack(multiplied(-1.0, 1.0))
    (graph,) = model.subgraphs
    op = next(op for op in graph.operators if kind_of(model, op) == "BATCH_MATMUL")
    told = graph.tensors[op.inputs[1]].quantization
    told.zeroPoint = np.array([zero])
    scale, point = factor(with_mended_factors(pack(model)))
    values = (np.arange(-128, 128) - zero) * float(told.scale[0])
    steps = np.round(values / scale) + point
    assert steps.min() >= -127
    assert steps.max() <= 127
    assert np.abs((steps - point) * scale - values).max() <= 0.501 * scale
    assert scale <= 1.51 * told.scale[0]


def test_beside_a_constant_a_zero_point_of_0_is_left() -> None:
    """A constant is never -128: nothing need be spared, but XNNPACK wants the zero point."""
    plain = multiplied(-1.0, 1.5, constant="first")
    assert factor(plain)[1] != 0
    mended = with_mended_factors(plain)
    assert factor(mended)[1] == 0
    assert with_mended_factors(mended) is mended


def test_constants_and_floats_are_left_as_they_are() -> None:
    plain = multiplied(-1.0, 1.5, constant="second")
    assert with_mended_factors(plain) is plain
