"""Small networks of either Keras, each with something that converters stumble over."""

from __future__ import annotations

from typing import Any

import numpy as np


def two_inputs(keras: Any) -> Any:
    """A picture and a vector in, two outputs whose names sort against their order."""
    layers = keras.layers
    picture, vector = keras.Input((8, 8, 3), name="left"), keras.Input((5,), name="right")
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(picture)
    x = layers.Concatenate(name="cat")([layers.GlobalAveragePooling2D(name="gap")(x), vector])
    return keras.Model(
        [picture, vector], [layers.Dense(3, name="zed")(x), layers.Dense(3, name="alpha")(x)]
    )


def dict_outputs(keras: Any) -> Any:
    x = keras.Input((6,), name="x")
    layers = keras.layers
    return keras.Model(x, {"zz": layers.Dense(3, name="a")(x), "aa": layers.Dense(3, name="b")(x)})


def dict_inputs(keras: Any) -> Any:
    one, other = keras.Input((4,), name="zin"), keras.Input((4,), name="ain")
    x = keras.layers.Subtract()([one, other])
    return keras.Model({"zin": one, "ain": other}, keras.layers.Dense(3, name="y")(x))


def nested_outputs(keras: Any) -> Any:
    x = keras.Input((6,), name="x")
    one, two = (keras.layers.Dense(3, name=name)(x) for name in ("one", "two"))
    return keras.Model(x, [one, {"b": two}])


def name_of_input_as_output(keras: Any) -> Any:
    x = keras.Input((6,), name="same")
    return keras.Model(x, {"same": keras.layers.Dense(3)(x)})


def names_that_are_no_identifiers(keras: Any) -> Any:
    one, other = keras.Input((6,), name="image in-put"), keras.Input((6,), name="class")
    return keras.Model([one, other], keras.layers.Subtract(name="y")([one, other]))


def embedding(keras: Any) -> Any:
    ids = keras.Input((7,), name="ids", dtype="int32")
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(10, 4)(ids))
    return keras.Model(ids, keras.layers.Dense(3, name="y")(x))


def shared_layer(keras: Any) -> Any:
    x = keras.Input((6,), name="x")
    dense = keras.layers.Dense(3, name="shared")
    return keras.Model(x, [dense(x), dense(keras.layers.ReLU(name="relu")(x))])


def sequential(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 3), name="image"),
            layers.Conv2D(4, 3, padding="same", name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(6.0, name="relu"),
            layers.Flatten(name="flat"),
            layers.Dense(4, name="dense"),
        ]
    )


def fused(keras: Any) -> Any:
    """What converters fuse: conv, batch norm and activation, a depthwise one, a residual."""
    layers = keras.layers
    image = keras.Input((8, 8, 3), name="image")
    first = layers.Conv2D(4, 3, padding="same", activation="relu", name="c1")(image)
    x = layers.BatchNormalization(name="b2")(
        layers.Conv2D(4, 3, padding="same", name="c2", use_bias=False)(first)
    )
    x = layers.ReLU(6.0, name="r2")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="d3", use_bias=False)(x)
    x = layers.Conv2D(4, 1, name="c4")(layers.BatchNormalization(name="b3")(x))
    x = layers.Conv2D(4, 3, name="c5")(layers.Add(name="add")([first, x]))
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    x = layers.Dense(4, activation="relu", name="e1")(x)
    return keras.Model(image, layers.Dense(4, name="e2")(x), name="net")


def spread(model: Any, seed: int = 0) -> Any:
    """Give every weight a seeded value: zero biases and fresh batch norms hide mistakes."""
    rng = np.random.default_rng(seed)
    weights = []
    for variable, value in zip(model.weights, model.get_weights(), strict=True):
        name = getattr(variable, "path", None) or variable.name
        if "variance" in name or "gamma" in name:
            value = rng.uniform(0.5, 1.5, value.shape)
        elif any(kind in name for kind in ("beta", "mean", "bias")):
            value = rng.normal(0, 0.3, value.shape)
        else:
            value = rng.normal(0, np.prod(value.shape[:-1]) ** -0.5, value.shape)
        weights.append(value.astype(np.float32))
    model.set_weights(weights)
    return model


def example(model: Any, count: int = 1, seed: int = 0) -> list[np.ndarray]:
    """Return values for each flattened input, `[count, ...]`."""
    rng = np.random.default_rng(seed)
    values = []
    for tensor in model.inputs:
        shape = (count, *tensor.shape[1:])
        integer = "int" in str(tensor.dtype)
        values.append(
            rng.integers(0, 10, shape).astype(np.int32)
            if integer
            else rng.uniform(-1, 1, shape).astype(np.float32)
        )
    return values
