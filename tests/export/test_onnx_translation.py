"""Integer .tflite files written as ONNX: what tf2onnx alone makes no valid file of."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest

from edgekit.export.conversion import Plan, convert
from edgekit.export.files import Wanted
from edgekit.export.source import Source
from edgekit.parity import sqnr_db
from edgekit.parity.answers import answer
from edgekit.quantize.ptq.techniques import PostTraining, parse_techniques
from edgekit.quantize.scheme import parse_schemes
from edgekit.runtime import open_model

L = keras.layers


def gelu(approximate: bool) -> Callable[[], keras.Model]:
    def build() -> keras.Model:
        x = fed = keras.Input((12,), name="x")
        x = L.Dense(16, activation=lambda v: keras.activations.gelu(v, approximate))(x)
        return keras.Model(fed, L.Dense(4)(x))

    return build


def embedding() -> keras.Model:
    x = fed = keras.Input((12,), dtype="int32", name="x")
    x = L.Conv1D(8, 3, activation="relu")(L.Embedding(20, 16)(x))
    return keras.Model(fed, L.Dense(4)(L.GlobalAveragePooling1D()(x)))


def halves() -> keras.Model:
    """Activations that an op parts while they are integers."""
    x = fed = keras.Input((12,), name="x")
    one, other = keras.ops.split(L.Dense(16, activation="relu")(x), 2, axis=-1)
    return keras.Model(fed, L.Dense(4)(one * other))


def padded() -> keras.Model:
    x = fed = keras.Input((12, 12, 3), name="x")
    x = L.Conv2D(8, 3, strides=2, activation="relu")(L.ZeroPadding2D(1)(x))
    x = L.DepthwiseConv2D(3)(L.ZeroPadding2D(((0, 1), (1, 0)))(x))
    return keras.Model(fed, L.Dense(4)(L.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize(
    ("build", "absent"),
    [
        (gelu(False), "Tanh"),
        (gelu(True), "Erf"),
        (embedding, "Clip"),
        (halves, "Clip"),
        (padded, "Pad"),
    ],
    ids=["gelu", "approximate gelu", "embedding", "halves", "padded"],
)
def test_both_formats_answer_alike(
    build: Callable[[], keras.Model], absent: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keras.utils.set_random_seed(0)
    model = build()
    (fed,) = model.inputs
    rng = np.random.default_rng(0)
    shape = (120, *fed.shape[1:])
    whole = str(fed.dtype).startswith("int")
    x = rng.integers(0, 20, shape).astype(np.int32) if whole else rng.normal(size=shape)
    np.save(tmp_path / "x.npy", x if whole else x.astype(np.float32))
    plan = Plan(
        parse_schemes("f32,w8a8"), ("tflite", "onnx"), str(tmp_path / "x.npy"),
        wanted=Wanted(post_training=PostTraining(parse_techniques("bias"))),
    )  # fmt: skip
    source = Source("net", model, "keras3", {})
    with caplog.at_level(logging.WARNING, "edgekit"):
        artifact = convert(source, plan, tmp_path / "out").artifact
    assert "stay signed" not in caplog.text
    answers = {}
    for file in artifact.manifest.files:
        session = open_model(artifact.path(file))
        given = {"x": np.load(tmp_path / "x.npy")[:32]}
        (answers[file.scheme, file.format],) = answer(session, file.signatures, given).values()
    expected = answers["f32", "tflite"]
    np.testing.assert_allclose(answers["f32", "onnx"], expected, atol=1e-4)
    ratios = [sqnr_db(expected, answers["w8a8", form]) for form in ("tflite", "onnx")]
    assert ratios[1] > min(30, ratios[0] - 1)
    content = onnx.load(artifact.path(artifact.file(scheme="w8a8", format="onnx")))
    types = {node.op_type for node in content.graph.node}
    assert absent not in types
    dtypes = {t.data_type for t in content.graph.initializer if t.name.endswith("/unsigned")}
    assert dtypes == {onnx.TensorProto.UINT8}


@pytest.mark.parametrize("techniques", ["none", "bias"])
def test_outputs_stand_in_the_order_of_the_model(techniques: str, tmp_path: Path) -> None:
    fed = keras.Input((6,), name="x")
    model = keras.Model(fed, [L.Dense(3, name="zeta")(fed), L.Dense(4, name="alpha")(fed)])
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(120, 6)).astype(np.float32))
    plan = Plan(
        parse_schemes("f32,w8a8"), ("tflite", "onnx"), str(tmp_path / "x.npy"),
        wanted=Wanted(post_training=PostTraining(parse_techniques(techniques))),
    )  # fmt: skip
    artifact = convert(Source("net", model, "keras3", {}), plan, tmp_path / "out").artifact
    for file in artifact.manifest.files:
        (signature,) = open_model(artifact.path(file)).signatures.values()
        if file.format == "onnx":
            assert [spec.name for spec in signature.outputs] == ["zeta", "alpha"]
        assert {spec.name: spec.shape for spec in signature.outputs} == {
            "zeta": (1, 3), "alpha": (1, 4),
        }  # fmt: skip
