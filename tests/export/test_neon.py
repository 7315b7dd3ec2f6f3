"""Biases of zero: by hand, and by what they answer."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from ai_edge_litert.interpreter import Interpreter

from edgekit.artifact import open_artifact
from edgekit.cli import run
from edgekit.export.mending.neon import mend_for_neon
from edgekit.quantize.graph.tflite_file import kind_of, unpack
from edgekit.runtime.sandbox import open_isolated
from edgekit.signature import main_signature

layers = keras.layers


def network(**dense: bool) -> keras.Model:
    """Return two dense layers, of which the first may lack its bias."""
    keras.utils.set_random_seed(0)
    x = entering = layers.Input((3,), batch_size=1, name="x")
    x = layers.Dense(8, activation="relu", name="bare", **dense)(x)
    answer = layers.Dense(2, bias_initializer="random_normal", name="answer")(x)
    return keras.Model(entering, answer)


def in_8_bits(model: keras.Model, shape: tuple[int, ...] = (3,)) -> bytes:
    """Return the network by TensorFlow's own converter."""
    examples = np.random.default_rng(1).normal(size=(20, 1, *shape)).astype(np.float32)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([example] for example in examples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def answers(content: bytes, inputs: np.ndarray) -> np.ndarray:
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (entering,), (answer,) = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for each in inputs:
        interpreter.set_tensor(entering["index"], each)
        interpreter.invoke()
        found.append(interpreter.get_tensor(answer["index"]))
    return np.array(found)


def dense_biases(content: bytes) -> list[object]:
    """Return of each dense op the tensors that it reads, None for a bias that it lacks."""
    model = unpack(content)
    found = []
    for graph in model.subgraphs:
        for op in graph.operators:
            if kind_of(model, op) == "FULLY_CONNECTED":
                entering, weights, *bias = (graph.tensors[i] if i >= 0 else None for i in op.inputs)
                found.append((entering, weights, bias[0] if bias else None, model))
    return found


def test_a_bias_is_zero_in_steps_of_input_times_weights() -> None:
    plain = in_8_bits(network(use_bias=False))
    assert [bias is None for _, _, bias, _ in dense_biases(plain)] == [True, False]
    entering, weights, bias, model = dense_biases(mend_for_neon(plain))[0]
    assert list(bias.shape) == [8]
    assert bytes(model.buffers[bias.buffer].data) == bytes(32)  # eight zeros of int32
    by_hand = [entering.quantization.scale[0] * scale for scale in weights.quantization.scale]
    np.testing.assert_allclose(bias.quantization.scale, by_hand, rtol=1e-7)


def test_answers_stay_the_same_bit_for_bit() -> None:
    plain = in_8_bits(network(use_bias=False))
    inputs = np.random.default_rng(2).integers(-128, 128, (50, 1, 3), np.int8)
    found = answers(plain, inputs)
    assert len(np.unique(found)) > 20
    np.testing.assert_array_equal(answers(mend_for_neon(plain), inputs), found)


def test_a_file_that_lacks_none_is_left_as_it_is() -> None:
    whole = in_8_bits(network())
    biased = mend_for_neon(whole)
    assert mend_for_neon(biased) is biased


def test_floats_are_left_as_they_are() -> None:
    content = bytes(tf.lite.TFLiteConverter.from_keras_model(network(use_bias=False)).convert())
    assert mend_for_neon(content) is content


@pytest.mark.parametrize("runtime", ["litert", "tflite-runtime"])
def test_convert_writes_no_dense_op_in_8_bits_without(runtime: str, tmp_path: Path) -> None:
    network(use_bias=False).save(tmp_path / "bare.keras")
    np.save(tmp_path / "x.npy", np.random.default_rng(3).normal(size=(20, 3)).astype(np.float32))
    argv = ["convert", str(tmp_path / "bare.keras"), "--scheme", "w8a8,mixed", "--calibrate",
            str(tmp_path / "x.npy"), "--max-drop", "50", "-o", str(tmp_path / "art")]  # fmt: skip
    assert run(argv) == 0
    artifact = open_artifact(tmp_path / "art")
    for file in artifact.manifest.files:
        path = artifact.path(file)
        found = dense_biases(path.read_bytes())
        assert found
        assert all(bias is not None for entering, _, bias, _ in found if entering.type == 9)
        with closing(open_isolated(path, runtime=runtime)) as session:
            (spec,) = main_signature(file.signatures)[1].inputs
            given = {spec.name: spec.quantize(np.zeros((1, 3), np.float32))}
            assert np.isfinite(next(iter(session(given).values()))).all()
