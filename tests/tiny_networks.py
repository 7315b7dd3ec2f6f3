"""What a Keras network becomes as a .tflite, and what that answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter


def float_file(network: Any) -> bytes:
    """Return the network as an ordinary float .tflite."""
    return bytes(tf.lite.TFLiteConverter.from_keras_model(network).convert())


def in_16_bits(network: Any, examples: Any) -> bytes:
    """Return the ordinary quantizer's .tflite of 16-bit activations, calibrated on `[N, ...]`."""
    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([example[np.newaxis]] for example in examples)
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    ]
    return bytes(converter.convert())


def answers(content: bytes, inputs: Any) -> Any:
    """Return real-valued answers of the file's only output to `[N, ...]`."""
    runner = Interpreter(model_content=content)
    runner.allocate_tensors()
    (fed,), (made,) = runner.get_input_details(), runner.get_output_details()
    found = []
    for value in inputs:
        raw = value[np.newaxis]
        if fed["dtype"] == np.int8:
            scale, zero = fed["quantization"]
            raw = np.clip(np.rint(raw / scale + zero), -128, 127).astype(np.int8)
        runner.set_tensor(fed["index"], raw)
        runner.invoke()
        answer = runner.get_tensor(made["index"])[0]
        if answer.dtype == np.int8:
            scale, zero = made["quantization"]
            answer = (answer.astype(np.float32) - zero) * scale
        found.append(answer)
    return np.array(found)
