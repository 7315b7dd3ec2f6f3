"""Truth values as numbers: networks that heed padding, with activations of 16 bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from edgekit.errors import InputError
from edgekit.export.conversion import Plan, convert
from edgekit.export.rewriting.integer_ops import with_integer_ops
from edgekit.export.source import Source
from edgekit.export.tracing.lowering import lower
from edgekit.parity import sqnr_db
from edgekit.parity.answers import answer
from edgekit.profile.graph import read_graph
from edgekit.quantize.scheme import parse_schemes
from edgekit.runtime import open_model

K, L = keras.ops, keras.layers
STEPS, WORDS = 10, 30


def of_ids(layers: Callable[[Any, Any], Any]) -> Any:
    """Return a network, given what ids embed and the ids."""
    ids = keras.Input((STEPS,), dtype="int32", name="ids")
    return keras.Model(ids, layers(L.Embedding(WORDS, 8, mask_zero=True)(ids), ids))


def attended(x: Any, ids: Any) -> Any:
    y = L.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True)
    return L.Dense(3, name="y")(y)


NETWORKS: dict[str, Callable[[Any, Any], Any]] = {
    "attention": attended,
    "lstm": lambda x, ids: L.Dense(3, name="y")(L.LSTM(6)(x)),
    "both ways": lambda x, ids: L.Dense(3, name="y")(L.Bidirectional(L.GRU(6))(x)),
    "counted": lambda x, ids: L.Dense(3, name="y")(
        K.sum(x * K.cast(ids != 0, "float32")[..., None], axis=1)
    ),
}


@pytest.fixture
def ids(tmp_path: Path) -> np.ndarray:
    rng = np.random.default_rng(0)
    values = rng.integers(1, WORDS, (100, STEPS)).astype(np.int32)
    for row in values:
        row[rng.integers(2, STEPS + 1) :] = 0
    np.save(tmp_path / "x.npy", values)
    return values


@pytest.mark.parametrize("name", NETWORKS)
def test_padding_is_heeded_in_16_bits(name: str, ids: np.ndarray, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = of_ids(NETWORKS[name])
    plan = Plan(parse_schemes("w8a16"), calibrate=str(tmp_path / "x.npy"))
    artifact = convert(Source("net", model, "keras3", {}), plan, tmp_path / "out").artifact
    (file,) = artifact.manifest.files
    got = answer(open_model(artifact.path(file)), file.signatures, {"ids": ids[:16]})["y"]
    assert sqnr_db(np.asarray(model(ids[:16])), got) > 35
    types = {t.dtype for op in read_graph(artifact.path(file)).ops for t in op.outputs}
    assert types == {"int16"}


def test_every_kind_of_truth_has_its_number(tmp_path: Path) -> None:
    def layers(x: Any, ids: Any) -> Any:
        low, seven, high = ids < 3, K.equal(ids, 7), ids >= 20
        chosen = K.logical_or(K.logical_and(low, K.logical_not(seven)), high)
        chosen = K.logical_and(chosen, K.arange(STEPS) < 8)  # and a constant one
        return L.Identity(name="y")(K.where(K.expand_dims(chosen, -1), x, -2.0))

    network = lower(of_ids(layers), tmp_path / "float")
    wide = with_integer_ops(network, tmp_path / "wide")
    assert wide is not network
    for start in range(0, WORDS, STEPS):
        example = {"ids": np.arange(start, start + STEPS, dtype=np.int32)[np.newaxis]}
        np.testing.assert_allclose(wide(example)["y"], network(example)["y"], rtol=1e-6)


def test_what_is_compared_and_not_looked_up_has_no_file(tmp_path: Path) -> None:
    x, ids = keras.Input((6, 8), name="x"), keras.Input((6,), dtype="int32", name="ids")
    y = L.MultiHeadAttention(2, 4)(x, x, attention_mask=(ids != 0)[:, None])
    model = keras.Model([x, ids], L.Dense(3)(y))
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "x.npz", x=rng.normal(size=(20, 6, 8)).astype(np.float32),
             ids=rng.integers(0, 2, (20, 6)))  # fmt: skip
    plan = Plan(parse_schemes("w8a16"), calibrate=str(tmp_path / "x.npz"))
    with pytest.raises(InputError, match=r"mask of padding.*got input ids, take w8a8"):
        convert(Source("net", model, "keras3", {}), plan, tmp_path / "out")
