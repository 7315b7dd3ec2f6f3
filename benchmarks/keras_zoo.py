"""Keras 3 networks of the kinds that people convert, and examples of what they see.

Weights are random, but batch norms have the statistics that training on the examples would leave,
so that activations have the sizes of a trained network's. Pictures are smooth random ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
L, K, A = keras.layers, keras.ops, keras.applications
CLASSES = 10
_NORMED = 16  # examples that batch norms take their statistics from
_PASSES = 6  # through all of them, each norm behind the settled ones


@dataclass(frozen=True)
class Network:
    """What is built, and what it is fed by input name, `[N, ...]`."""

    build: Callable[[], Any]
    examples: Callable[[np.random.Generator, int], dict[str, Array]]


def built(network: Network) -> Any:
    """Return the model with seeded weights and settled batch norms."""
    keras.utils.set_random_seed(0)
    model = network.build()
    given = network.examples(np.random.default_rng(1), _NORMED)
    with _fast_norms(model):
        for _ in range(_PASSES):
            model([K.convert_to_tensor(value) for value in given.values()], training=True)
    return model


@contextmanager
def _fast_norms(model: Any) -> Iterator[None]:
    norms = [layer for layer in model._flatten_layers() if isinstance(layer, L.BatchNormalization)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.2
    yield
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum


def picture(size: int, *, high: float = 1.0) -> Callable[[np.random.Generator, int], Any]:
    """Return what draws pictures of that side, from 0 to `high`."""

    def draw(rng: np.random.Generator, count: int) -> dict[str, Array]:
        coarse = rng.uniform(0, 1, (count, size // 8, size // 8, 3))
        fine = rng.uniform(-0.1, 0.1, (count, size, size, 3))
        pixels = np.clip(coarse.repeat(8, axis=1).repeat(8, axis=2) + fine, 0, 1)
        return {"x": (high * pixels).astype(np.float32)}

    return draw


def series(steps: int, values: int) -> Callable[[np.random.Generator, int], Any]:
    """Return what draws random walks."""

    def draw(rng: np.random.Generator, count: int) -> dict[str, Array]:
        walk = rng.normal(size=(count, steps, values)).cumsum(axis=1) / np.sqrt(steps)
        return {"x": walk.astype(np.float32)}

    return draw


def words(length: int, vocabulary: int) -> Callable[[np.random.Generator, int], Any]:
    """Return what draws ids, some far more often than others."""

    def draw(rng: np.random.Generator, count: int) -> dict[str, Array]:
        ids = np.minimum(rng.geometric(8 / vocabulary, (count, length)), vocabulary) - 1
        return {"x": ids.astype(np.int32)}

    return draw


def sentences(length: int, vocabulary: int) -> Callable[[np.random.Generator, int], Any]:
    """Return what draws ids with zeros behind, as padding."""

    def draw(rng: np.random.Generator, count: int) -> dict[str, Array]:
        ids = words(length, vocabulary - 1)(rng, count)["x"] + 1
        lengths = rng.integers(length // 4, length + 1, (count, 1))
        return {"x": np.where(np.arange(length) < lengths, ids, 0).astype(np.int32)}

    return draw


def visitors(rng: np.random.Generator, count: int) -> dict[str, Array]:
    """Draw a user, an item and eight numbers."""
    ids = {name: rng.integers(0, 100, (count, 1)).astype(np.int32) for name in ("user", "item")}
    return {**ids, "facts": rng.normal(size=(count, 8)).astype(np.float32)}


def pairs(rng: np.random.Generator, count: int) -> dict[str, Array]:
    """Draw two pictures."""
    return {name: picture(32)(rng, count)["x"] for name in ("left", "right")}


def application(make: Callable[..., Any], size: int, **settings: Any) -> Network:
    """Return a network of keras.applications; where it does not scale pixels, they are."""
    own = settings.pop("own", False)  # whether it takes pixels from 0 to 255

    def build() -> Any:
        x = keras.Input((size, size, 3), name="x")
        inner = make(input_shape=(size, size, 3), weights=None, classes=CLASSES, **settings)
        return keras.Model(x, inner.call(x if own else L.Rescaling(2.0, -1.0)(x)))

    return Network(build, picture(size, high=255.0 if own else 1.0))


def named(shape: tuple[int, ...], layers: Callable[[Any], Any], dtype: str = "float32") -> Any:
    """Return what builds a network of one input `x`."""

    def build() -> Any:
        x = keras.Input(shape, name="x", dtype=dtype)
        return keras.Model(x, layers(x))

    return build


def block(x: Any, filters: int, *, stride: int = 1) -> Any:
    """Return a convolution with its batch norm and ReLU."""
    x = L.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False)(x)
    return L.ReLU()(L.BatchNormalization()(x))


def u_net(x: Any) -> Any:
    """Return a map of labels' scores (Ronneberger et al. 2015), small."""
    high = block(x, 8)
    low = block(block(high, 16, stride=2), 24, stride=2)
    for filters, skip in ((16, block(high, 16, stride=2)), (8, high)):
        low = L.Conv2DTranspose(filters, 3, strides=2, padding="same", use_bias=False)(low)
        low = L.ReLU()(L.BatchNormalization()(low))
        low = block(L.Concatenate()([low, skip]), filters)
    return L.Conv2D(4, 1)(low)


def squeezed(x: Any) -> Any:
    """Return a residual network with squeeze and excitation (Hu et al. 2018), small."""
    x = block(x, 16)
    for filters in (16, 24):
        x = block(x, filters, stride=2)
        y = block(x, filters)
        scale = L.Dense(filters // 4, activation="swish")(L.GlobalAveragePooling2D()(y))
        scale = L.Reshape((1, 1, filters))(L.Dense(filters, activation="sigmoid")(scale))
        x = L.ReLU()(x + y * scale)
    return L.Dense(CLASSES)(L.GlobalAveragePooling2D()(x))


def keywords(x: Any) -> Any:
    """Return a spotter of words in 40 features a step, of separable convolutions."""
    for filters, stride in ((32, 2), (48, 2), (64, 1)):
        x = L.SeparableConv1D(filters, 5, strides=stride, padding="same", use_bias=False)(x)
        x = L.ReLU()(L.BatchNormalization()(x))
    return L.Dense(CLASSES, activation="softmax")(L.GlobalAveragePooling1D()(x))


def causal(x: Any) -> Any:
    """Return a stack of dilated causal convolutions (WaveNet, van den Oord et al. 2016), small."""
    x = L.Conv1D(16, 1)(x)
    for dilation in (1, 2, 4, 8):
        gate = L.Conv1D(16, 2, padding="causal", dilation_rate=dilation, activation="sigmoid")(x)
        y = L.Conv1D(16, 2, padding="causal", dilation_rate=dilation, activation="tanh")(x)
        x = x + L.Conv1D(16, 1)(gate * y)
    return L.Dense(CLASSES)(L.ReLU()(x)[:, -1])


def attended(x: Any, blocks: int = 2, **masks: Any) -> Any:
    """Return what `blocks` of a transformer make of tokens (pre-norm, exact GELU)."""
    for _ in range(blocks):
        y = L.LayerNormalization()(x)
        x = x + L.MultiHeadAttention(2, 16)(y, y, **masks)
        y = L.Dense(64, activation="gelu")(L.LayerNormalization()(x))
        x = x + L.Dense(x.shape[-1])(y)
    return L.LayerNormalization()(x)


def patches(x: Any) -> Any:
    """Return a vision transformer's scores."""
    x = L.Reshape((64, 32))(L.Conv2D(32, 4, strides=4)(x))
    x = x + L.Embedding(64, 32)(K.arange(64))
    return L.Dense(CLASSES)(L.GlobalAveragePooling1D()(attended(x)))


def text(x: Any) -> Any:
    """Return a text transformer's scores."""
    x = L.Embedding(200, 32)(x) + L.Embedding(24, 32)(K.arange(24))
    return L.Dense(CLASSES)(L.GlobalAveragePooling1D()(attended(x)))


def padded(x: Any) -> Any:
    """Return a text transformer's scores, which heeds no padding."""
    counts = x != 0
    y = L.Embedding(200, 32)(x) + L.Embedding(24, 32)(K.arange(24))
    return L.Dense(CLASSES)(attended(y, attention_mask=counts[:, None])[:, 0])


def language(x: Any) -> Any:
    """Return scores of each next word, of those before."""
    y = L.Embedding(200, 32)(x) + L.Embedding(24, 32)(K.arange(24))
    return L.Dense(200)(attended(y, use_causal_mask=True))


def tower() -> Any:
    """Return a recommender of two embeddings and some numbers."""
    user, item = (keras.Input((1,), dtype="int32", name=name) for name in ("user", "item"))
    facts = keras.Input((8,), name="facts")
    parts = [L.Flatten()(L.Embedding(100, 16)(ids)) for ids in (user, item)]
    x = L.Concatenate()([*parts, L.Dense(16, activation="selu")(facts)])
    x = L.Dense(32, activation="elu")(x)
    return keras.Model([user, item, facts], L.Dense(1, activation="sigmoid")(x))


def twins() -> Any:
    """Return how alike two pictures are, by one encoder."""
    picture_ = keras.Input((32, 32, 3))
    shared = keras.Model(picture_, squeezed(picture_), name="encoder")
    left, right = (keras.Input((32, 32, 3), name=name) for name in ("left", "right"))
    apart = K.square(shared(left) - shared(right))
    return keras.Model([left, right], L.Dense(1, activation="sigmoid")(apart))


def transferred() -> Any:
    """Return a head on a network without its own, nested and with its scaling of pixels."""
    x = keras.Input((96, 96, 3), name="x")
    base = A.MobileNetV2((96, 96, 3), alpha=0.35, include_top=False, weights=None)
    y = L.GlobalAveragePooling2D()(base(L.Rescaling(1 / 127.5, -1)(x)))
    return keras.Model(x, L.Dense(CLASSES, activation="softmax")(L.Dropout(0.2)(y)))


def bottleneck(x: Any) -> Any:
    """Return an autoencoder's answer."""
    for units in (64, 16, 64):
        x = L.ReLU()(L.BatchNormalization()(L.Dense(units, use_bias=False)(x)))
    return L.Dense(40)(x)


NETWORKS = {
    "MobileNet": application(A.MobileNet, 96, alpha=0.5),
    "MobileNetV2": application(A.MobileNetV2, 96, alpha=0.5),
    "MobileNetV3Small": application(A.MobileNetV3Small, 96, own=True),
    "EfficientNetB0": application(A.EfficientNetB0, 96, own=True),
    "DenseNet121": application(A.DenseNet121, 64),
    "ConvNeXtTiny": application(A.ConvNeXtTiny, 64, own=True),
    "U-Net": Network(named((32, 32, 3), u_net), picture(32)),
    "SE-ResNet": Network(named((32, 32, 3), squeezed), picture(32)),
    "keyword spotter": Network(named((49, 40), keywords), series(49, 40)),
    "causal convolutions": Network(named((64, 4), causal), series(64, 4)),
    "LSTM": Network(named((24, 8), lambda x: L.Dense(4)(L.LSTM(24)(x))), series(24, 8)),
    "GRU both ways": Network(
        named((24, 8), lambda x: L.Dense(4)(L.Bidirectional(L.GRU(16))(x))), series(24, 8)
    ),
    "vision transformer": Network(named((32, 32, 3), patches), picture(32)),
    "text transformer": Network(named((24,), text, "int32"), words(24, 200)),
    "padded text": Network(named((24,), padded, "int32"), sentences(24, 200)),
    "language model": Network(named((24,), language, "int32"), words(24, 200)),
    "recommender": Network(tower, visitors),
    "twins": Network(twins, pairs),
    "transfer": Network(transferred, picture(96, high=255.0)),
    "autoencoder": Network(
        named((40,), bottleneck), lambda rng, n: {"x": series(40, 1)(rng, n)["x"][..., 0]}
    ),
}


def write(name: str, folder: Path, calibrating: int, judging: int) -> None:
    """Write the model, examples to calibrate and to judge, and its own answers to the latter."""
    network, rng = NETWORKS[name], np.random.default_rng(2)
    model = built(network)
    model.save(folder / "model.keras")
    np.savez(folder / "calibration.npz", **network.examples(rng, calibrating))
    judged = network.examples(rng, judging)
    np.savez(folder / "judged.npz", **judged)
    np.save(folder / "expected.npy", np.asarray(model(list(judged.values()), training=False)))
