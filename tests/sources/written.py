"""Models of both Kerases, and their files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras as keras3
import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras

from edgekit.families import family


@dataclass(frozen=True)
class Written:
    """A file, what the model in it takes, and what it answered before it was saved."""

    path: Path
    inputs: np.ndarray
    outputs: np.ndarray


def tiny_mobilenet() -> Any:
    mobilenet = family("mobilenet_v2")
    return mobilenet.build(mobilenet.tiny)


def keras2_with_ops() -> Any:
    image = tf_keras.Input((8, 8, 3))
    x = tf_keras.layers.Conv2D(4, 3, activation="relu", kernel_regularizer="l2")(image)
    x = (tf.nn.relu6(x) + 1.0)[:, :3]
    x = tf.reshape(tf.concat([x, x], axis=-1), (-1, 3 * 6 * 8))
    return tf_keras.Model(image, tf_keras.layers.Dense(2, activation="softmax")(x))


def keras2_quantized() -> Any:
    image = tf_keras.Input((8, 8, 3))
    x = tf_keras.layers.Conv2D(4, 3, use_bias=False)(image)
    x = tf_keras.layers.ReLU(6.0)(tf_keras.layers.BatchNormalization()(x))
    x = tf_keras.layers.Dense(2)(tf_keras.layers.GlobalAveragePooling2D()(x))
    return tfmot.quantization.keras.quantize_model(tf_keras.Model(image, x))


def keras3_plain() -> Any:
    """A model in a model, with a sequential one."""
    inner_input = keras3.Input((6, 6, 4))
    pooled = keras3.layers.GlobalAveragePooling2D()(inner_input)
    inner = keras3.Model(inner_input, pooled, name="inner")
    image = keras3.Input((8, 8, 3))
    x = inner(keras3.layers.Conv2D(4, 3, activation="silu", kernel_regularizer="l2")(image))
    head = keras3.Sequential([keras3.Input((4,)), keras3.layers.Dense(3, activation="softmax")])
    model = keras3.Model(image, head(x))

    def own_loss(truth: Any, guess: Any) -> Any:
        return keras3.ops.mean(truth - guess)

    model.compile("adam", own_loss, metrics=[own_loss])
    return model


def keras3_with_ops() -> Any:
    image = keras3.Input((8, 8, 3))
    x = keras3.layers.Conv2D(4, 3, dtype="float32")(image)
    x = keras3.ops.relu(keras3.ops.mean(x, axis=(1, 2)) + 1.0)[:, :3] * 2
    return keras3.Model(image, keras3.layers.Dense(2)(x))


MODELS: dict[str, Callable[[], Any]] = {
    "mobilenet.keras": tiny_mobilenet,
    "mobilenet.h5": tiny_mobilenet,
    "keras2_ops.keras": keras2_with_ops,
    "keras2_ops.h5": keras2_with_ops,
    "keras2 quantized.h5": keras2_quantized,
    "keras3 'plain'.keras": keras3_plain,
    "keras3 🦝\n.h5": keras3_plain,
    "keras3_ops.keras": keras3_with_ops,
}


def write_model(folder: Path, name: str) -> Written:
    """Build, answer, save."""
    tf_keras.utils.set_random_seed(1)
    keras3.utils.set_random_seed(1)
    model = MODELS[name]()
    inputs = np.random.default_rng(0).normal(size=(2, *model.input_shape[1:])).astype(np.float32)
    model.save(str(folder / name))
    return Written(folder / name, inputs, np.asarray(model(inputs, training=False)))
