"""What is only moved keeps its steps: by hand, and by what TensorFlow's converter leaves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras as keras
from ai_edge_litert.interpreter import Interpreter

from edgekit.export.mending.moves import mend_moves
from edgekit.quantize.graph.tflite_file import kind_of, unpack

# The first rows move by 1, the second by 1000: joined, both are on the steps of the second.
ROWS = np.linspace(-1, 1, 40, dtype=np.float32).reshape(10, 1, 4)


def reversed_and_joined() -> bytes:
    """Return by TensorFlow's own converter what joins a reversed map with a much wider one."""
    x = entering = keras.layers.Input((4,), batch_size=1, name="x")
    x = keras.layers.Dense(4, use_bias=False, kernel_initializer="identity")(x)
    backwards = tf.reverse(x, [1])
    wide = keras.layers.Dense(4, use_bias=False, kernel_initializer="identity")(1000 * entering)
    network = keras.Model(entering, tf.concat([backwards, wide], axis=1))
    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([row] for row in ROWS)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    return bytes(converter.convert())


def kinds(content: bytes) -> list[str]:
    model = unpack(content)
    return [kind_of(model, op) for op in model.subgraphs[0].operators]


def answer(content: bytes, row: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (entering,), (leaving,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(entering["index"], row)
    interpreter.invoke()
    found: npt.NDArray[np.float32] = interpreter.get_tensor(leaving["index"])[0]
    return found


def test_values_on_other_steps_are_brought_there() -> None:
    plain = reversed_and_joined()
    mended = mend_moves(plain)
    added = kinds(mended).copy()
    for kind in kinds(plain):
        added.remove(kind)
    assert added == ["QUANTIZE"]
    step = 2000 / 255
    # TensorFlow's file answers up to 1000 where 1 at most is right; the mended one half a step off.
    assert np.abs(answer(plain, ROWS[-1])[:4] - ROWS[-1][0, ::-1]).max() > 100
    assert np.abs(answer(mended, ROWS[-1])[:4] - ROWS[-1][0, ::-1]).max() <= step / 2 + 1e-3


def test_a_file_without_such_an_op_stays_as_it_is() -> None:
    once = mend_moves(reversed_and_joined())
    assert mend_moves(once) == once
