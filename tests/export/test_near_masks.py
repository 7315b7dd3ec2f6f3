"""Masked attention in integers: the scores that count stay apart."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tf_keras

from edgekit.export.conversion import Plan, convert
from edgekit.export.rewriting.masks import with_near_masks
from edgekit.export.source import Source
from edgekit.export.tracing.lowering import lower
from edgekit.parity import sqnr_db
from edgekit.parity.answers import answer
from edgekit.profile.graph import read_graph
from edgekit.quantize.scheme import parse_schemes
from edgekit.runtime import open_model
from edgekit.sources import load

K, L = keras.ops, keras.layers
STEPS = 12
CAUSAL = np.tril(np.ones((STEPS, STEPS), bool))


def with_scores(mask: Callable[[Any, Any], Any]) -> Any:
    """Return attention written out, whose scores `mask` masks, given them and the tokens."""
    x = keras.Input((STEPS, 8), name="x")
    query, key, value = (L.Dense(8)(x) for _ in range(3))
    scores = K.matmul(query, K.transpose(key, (0, 2, 1))) * 0.5
    seen = K.matmul(K.softmax(mask(scores, x)), value)
    return keras.Model(x, L.Dense(4, name="y")(seen))


def in_layers(attend: Callable[[Any], Any]) -> Any:
    x = keras.Input((STEPS, 8), name="x")
    return keras.Model(x, L.Dense(4, name="y")(attend(L.Dense(8)(x))))


def padding(x: Any) -> Any:
    """Return 1 where a token is not padding, `[N, 1, STEPS]`."""
    return K.cast(K.any(x > 0.0, axis=-1), "float32")[:, None]


def of_keras_2() -> Any:
    x = tf_keras.Input((STEPS, 8), name="x")
    y = tf_keras.layers.MultiHeadAttention(2, 8)(x, x, use_causal_mask=True)
    return tf_keras.Model(x, tf_keras.layers.Dense(4, name="y")(y))


far = np.where(CAUSAL, 0.0, -np.inf).astype(np.float32)
NETWORKS: dict[str, Callable[[], Any]] = {
    "causal": lambda: in_layers(lambda x: L.MultiHeadAttention(2, 8)(x, x, use_causal_mask=True)),
    "two in turn": lambda: in_layers(
        lambda x: L.MultiHeadAttention(1, 4)(
            *[L.MultiHeadAttention(2, 8)(x, x, use_causal_mask=True)] * 2, use_causal_mask=True
        )
    ),
    "keras 2": of_keras_2,
    "dot product": lambda: in_layers(lambda x: L.Attention()([x, x], use_causal_mask=True)),
    "grouped queries": lambda: in_layers(
        lambda x: L.GroupQueryAttention(8, 4, 2)(x, x, use_causal_mask=True)
    ),
    "chosen": lambda: with_scores(lambda s, x: K.where(CAUSAL, s, -1e9)),
    "added": lambda: with_scores(lambda s, x: s + far),
    "added with a bias": lambda: with_scores(lambda s, x: s + K.where(CAUSAL, 0.25, -1e9)),
    "times a mask": lambda: with_scores(lambda s, x: s + (1 - padding(x)) * -1e9),
    "less a far choice": lambda: with_scores(lambda s, x: s - K.where(CAUSAL, 0.0, 1e9)),
    "less a mask": lambda: with_scores(lambda s, x: s - 1e9 * (1 - padding(x))),
}


@pytest.fixture
def tokens(tmp_path: Path) -> np.ndarray:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(100, STEPS, 8)).astype(np.float32)
    for row in values:
        row[rng.integers(2, STEPS + 1) :] = -0.5  # padding
    np.save(tmp_path / "x.npy", values)
    return values


@pytest.mark.parametrize("format", ["tflite", "onnx"])
@pytest.mark.parametrize("name", NETWORKS)
def test_masked_attention_in_8_bits(
    name: str, format: str, tokens: np.ndarray, tmp_path: Path
) -> None:
    keras.utils.set_random_seed(0)
    model = NETWORKS[name]()
    kind = "keras2" if name == "keras 2" else "keras3"
    plan = Plan(parse_schemes("w8a8"), (format,), calibrate=str(tmp_path / "x.npy"))
    artifact = convert(Source("net", model, kind, {}), plan, tmp_path / "out").artifact
    (file,) = artifact.manifest.files
    got = answer(open_model(artifact.path(file)), file.signatures, {"x": tokens[:16]})["y"]
    assert sqnr_db(np.asarray(model(tokens[:16])), got) > 25


@pytest.mark.parametrize("added", [False, True])
def test_the_number_by_hand(added: bool, tmp_path: Path) -> None:
    mask = np.array([True, False, True, True])
    fed = keras.Input((4,), name="x")
    x = fed * 1.0
    x = x + np.where(mask, 0.0, -1e9) if added else K.where(mask, x, -1e9)
    model = keras.Model(fed, L.Softmax(name="y")(x))
    network = lower(model, tmp_path / "float")
    example = {"x": np.array([[-2.0, 9.0, 1.0, 0.0]], np.float32)}
    near = with_near_masks(network, [example], 8, tmp_path / "near")
    # Of four scores the lowest that counts is -2: what is masked lies ln(512 * 4) below it.
    masked = np.exp(-2 - log(512 * 4))
    expected = masked / (np.exp(-2) + np.exp(1) + np.exp(0) + masked)
    assert near(example)["y"][0, 1] == pytest.approx(expected, rel=1e-4)
    assert network(example)["y"][0, 1] == 0


def test_what_is_far_and_no_mask_stays(tmp_path: Path) -> None:
    x = keras.Input((4,), name="x")
    bias = L.Dense(4, name="soft")(x)
    y = K.softmax(x + bias * 2e4)
    network = lower(keras.Model(x, y), tmp_path / "float")
    example = {"x": np.random.default_rng(0).normal(size=(1, 4)).astype(np.float32)}
    assert with_near_masks(network, [example], 8, tmp_path / "near") is network
    chosen = lower(keras.Model(x, K.softmax(K.where(x > 9, 1e9, x))), tmp_path / "chosen")
    assert with_near_masks(chosen, [example], 8, tmp_path / "raised") is chosen
    plain = lower(keras.Model(x, L.Softmax()(x)), tmp_path / "plain")
    assert with_near_masks(plain, [example], 8, tmp_path / "none") is plain


@pytest.mark.parametrize("name", ["causal", "keras 2", "dot product", "added"])
def test_a_fixed_mask_in_16_bits(name: str, tokens: np.ndarray, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = NETWORKS[name]()
    kind = "keras2" if name == "keras 2" else "keras3"
    plan = Plan(parse_schemes("w8a16"), calibrate=str(tmp_path / "x.npy"))
    artifact = convert(Source("net", model, kind, {}), plan, tmp_path / "out").artifact
    (file,) = artifact.manifest.files
    got = answer(open_model(artifact.path(file)), file.signatures, {"x": tokens[:16]})["y"]
    assert sqnr_db(np.asarray(model(tokens[:16])), got) > 35
    types = {t.dtype for op in read_graph(artifact.path(file)).ops for t in op.outputs}
    assert types == {"int16"}


def test_a_saved_model_is_masked_likewise(tokens: np.ndarray, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = NETWORKS["causal"]()
    model.export(tmp_path / "saved", verbose=False)
    plan = Plan(parse_schemes("w8a8"), calibrate=str(tmp_path / "x.npy"))
    artifact = convert(load(str(tmp_path / "saved")), plan, tmp_path / "out").artifact
    (file,) = artifact.manifest.files
    (got,) = answer(open_model(artifact.path(file)), file.signatures, {"x": tokens[:16]}).values()
    assert sqnr_db(np.asarray(model(tokens[:16])), got) > 25
