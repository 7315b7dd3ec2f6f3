"""Weights of float .onnx files held in 8 and 16 bits: stored, answered with, loaded."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import tf_keras as keras
from onnx import TensorProto, numpy_helper

from edgekit.cli import run
from edgekit.export.conversion import Plan, convert
from edgekit.export.onnx.held import hold_as_integers, hold_weights
from edgekit.profile.cost.precision import types_text
from edgekit.profile.cost.summary import summarize
from edgekit.profile.graph import read_graph
from edgekit.quantize.scheme import parse_schemes
from edgekit.sources.function import source_of


def product(weights: Any) -> Any:
    """Return a model that multiplies rows with weights `w`."""
    graph = onnx.parser.parse_graph(
        f"g (float[1,{len(weights)}] x) => (float[1,{weights.shape[1]}] y) {{ y = MatMul (x, w) }}"
    )
    graph.initializer.append(numpy_helper.from_array(weights.astype(np.float32), "w"))
    imports = [onnx.helper.make_opsetid("", 17)]
    return onnx.helper.make_model(graph, opset_imports=imports, ir_version=8)


def answers(model: Any, given: Any) -> Any:
    session = ort.InferenceSession(model.SerializeToString())
    return session.run(None, {"x": np.asarray(given, np.float32)})[0]


def stored(model: Any) -> dict[str, Any]:
    return {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}


def test_integers_by_hand() -> None:
    """Columns of at most 127 and 254 have steps of 1 and 2; of 3 / 2 the even neighbour is 2."""
    model = product(np.array([[127, 3], [-2.4, -254]]))
    hold_as_integers(model.graph, "w", axis=1)
    assert stored(model)["w/8_bits"].tolist() == [[127, 2], [-2, -127]]
    assert stored(model)["w/scale"].tolist() == [[1, 2]]
    assert answers(model, [[1, 10]]).tolist() == [[107, -2536]]


def test_halves_by_hand() -> None:
    """2049 lies between two 16-bit floats, 2048 and 2050; the even one is taken."""
    model = product(np.full((32, 32), 2049))
    hold_weights(model.graph, 16)
    assert stored(model)["w/16_bits"].dtype == np.float16
    assert answers(model, np.eye(1, 32))[0, 0] == 2048


def test_few_weights_stay_as_they_are() -> None:
    model = product(np.ones((31, 33)))  # one less than 1,024
    before = model.SerializeToString()
    hold_weights(model.graph, 8)
    hold_weights(model.graph, 16)
    assert model.SerializeToString() == before


def test_what_16_bits_do_not_reach_stays_and_is_named(caplog: pytest.LogCaptureFixture) -> None:
    model = product(np.full((32, 32), 70_000))
    with caplog.at_level(logging.WARNING, "edgekit"):
        hold_weights(model.graph, 16)
    assert "w: stays in 32 bits, got 70000" in caplog.text
    assert answers(model, np.eye(1, 32))[0, 0] == 70_000


LAYERS = {
    "conv": lambda: [keras.layers.Conv2D(16, 3), keras.layers.Flatten()],
    "transposed": lambda: [keras.layers.Conv2DTranspose(16, 3, strides=2), keras.layers.Flatten()],
    "depthwise": lambda: [keras.layers.DepthwiseConv2D(3, depth_multiplier=16),
                          keras.layers.Flatten()],
    "lstm": lambda: [keras.layers.Reshape((8, 64)), keras.layers.LSTM(24)],
}  # fmt: skip


@pytest.fixture(params=LAYERS)
def files(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Path]:
    """Return the files of a layer with 1,024 weights or more, and a dense one, by scheme."""
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [keras.layers.Input((8, 8, 8)), *LAYERS[request.param](), keras.layers.Dense(50)]
    )
    plan = Plan(parse_schemes("f32,f16,w8"), ("onnx",))
    artifact = convert(source_of(network, "held"), plan, tmp_path / "out").artifact
    return {file.scheme: artifact.path(file) for file in artifact.manifest.files}


def test_files_of_every_layer(files: dict[str, Path], tmp_path: Path) -> None:
    """A half and a quarter of the bytes; once loaded, the ops and the answers of the float file."""
    sizes = {scheme: path.stat().st_size for scheme, path in files.items()}
    assert sizes["f16"] < 0.6 * sizes["f32"]
    assert sizes["w8"] < 0.4 * sizes["f32"]
    given = np.random.default_rng(0).normal(size=(1, 8, 8, 8)).astype(np.float32)
    loaded, got = {}, {}
    for scheme, path in files.items():
        options = ort.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / f"{scheme}.onnx")
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.log_severity_level = 3
        session = ort.InferenceSession(str(path), options)
        (got[scheme],) = session.run(None, {session.get_inputs()[0].name: given})
        loaded[scheme] = sorted(
            n.op_type for n in onnx.load(tmp_path / f"{scheme}.onnx").graph.node
        )
    assert loaded["f16"] == loaded["w8"] == loaded["f32"]
    scale = np.abs(got["f32"]).max()
    np.testing.assert_allclose(got["f16"], got["f32"], rtol=0, atol=2e-3 * scale)
    np.testing.assert_allclose(got["w8"], got["f32"], rtol=0, atol=3e-2 * scale)


def test_inspect_tells_how_weights_are_held(files: dict[str, Path]) -> None:
    graphs = {scheme: read_graph(path) for scheme, path in files.items()}
    counted = {scheme: (s.params, s.madds) for scheme, graph in graphs.items()
               if (s := summarize(graph))}  # fmt: skip
    assert counted["f16"] == counted["w8"] == counted["f32"]
    assert "ops float" in types_text(graphs["w8"])
    assert "int8" in types_text(graphs["w8"])
    assert "float16" in types_text(graphs["f16"])
    assert graphs["w8"].ops
    held = {t.dtype for t in graphs["w8"].tensors if t.constant}
    assert TensorProto.DataType.Name(TensorProto.INT8).lower() in held


def test_layers_of_held_weights_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = keras.Sequential([
        keras.layers.Input((8, 8, 8)), keras.layers.Conv2D(16, 3, name="first"),
        keras.layers.Flatten(), keras.layers.Dense(50, name="last"),
    ])  # fmt: skip
    network.save(tmp_path / "held.keras")
    out = str(tmp_path / "out")
    assert run(["convert", str(tmp_path / "held.keras"), "--to", "onnx", "--scheme", "w8",
                "-o", out]) == 0  # fmt: skip
    assert run(["verify", out, "--per-layer"]) == 0
    told = capsys.readouterr().out
    assert "first" in told
    assert "last" in told


def test_a_recurrent_layer_that_stands_twice_is_held_once(tmp_path: Path) -> None:
    first, second = (keras.layers.Input((6, 3), name=name) for name in ("a", "b"))
    layer = keras.layers.LSTM(4)
    network = keras.Model([first, second], keras.layers.Add()([layer(first), layer(second)]))
    rows = np.random.default_rng(0).normal(size=(20, 6, 3)).astype(np.float32)
    plan = Plan(parse_schemes("w8a8"), ("onnx",), calibrate={"a": rows, "b": rows[::-1]})
    artifact = convert(source_of(network, "twins"), plan, tmp_path / "out").artifact
    (file,) = artifact.manifest.files
    assert file.parity["passed"]
    assert ort.InferenceSession(str(artifact.path(file))).get_outputs()
