"""Networks that their authors made quantization-aware, pruned or clustered by tfmot themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras

from edgekit.artifact import open_artifact
from edgekit.cli import run
from edgekit.profile.cost.precision import by_type
from edgekit.profile.graph import read_graph
from edgekit.runtime import open_model

LAYERS = keras.layers
RNG = np.random.default_rng(0)
PICTURES = RNG.uniform(-1, 1, (100, 16, 16, 3)).astype(np.float32)
CLASSES = RNG.integers(0, 4, 100)


def network() -> Any:
    keras.utils.set_random_seed(1)
    image = keras.Input((16, 16, 3), name="image")
    x = LAYERS.Conv2D(8, 3, padding="same", use_bias=False, name="c")(image)
    x = LAYERS.ReLU(6, name="r")(LAYERS.BatchNormalization(name="b")(x))
    y = LAYERS.DepthwiseConv2D(3, padding="same", name="d")(x)
    x = LAYERS.Add(name="a")([x, LAYERS.BatchNormalization(name="e")(y)])
    x = LAYERS.GlobalAveragePooling2D(name="g")(x)
    return keras.Model(image, LAYERS.Dense(4, activation="softmax", name="s")(x))


def taught(model: Any, *callbacks: Any) -> Any:
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(PICTURES, CLASSES, epochs=3, verbose=0, callbacks=list(callbacks))
    return model


@pytest.fixture(scope="module")
def learned() -> Any:
    return taught(tfmot.quantization.keras.quantize_model(taught(network())))


def unwrapped(learned: Any) -> Any:
    """Return the float network with the weights that the wrapped layers hold."""
    plain = network()
    for layer in plain.layers:
        wrapped = [one for one in learned.layers if one.name == f"quant_{layer.name}"]
        for one in layer.weights:
            ending = one.name.rpartition("/")[2]
            (weight,) = (w for w in wrapped[0].weights if w.name.rpartition("/")[2] == ending)
            one.assign(weight)
    return plain


@pytest.fixture(scope="module", params=["h5", "saved_model", "function"])
def artifact(request: Any, learned: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The network in every scheme, from each form in which people keep it."""
    folder = tmp_path_factory.mktemp(request.param)
    np.save(folder / "pictures.npy", PICTURES)
    model = {"h5": "net.h5", "saved_model": "net", "function": "own_qat:build"}[request.param]
    learned.save(folder / ("net.h5" if request.param == "function" else model))
    (folder / "own_qat.py").write_text(
        "import tf_keras, tensorflow_model_optimization as tfmot\n"
        "def build():\n"
        "    with tfmot.quantization.keras.quantize_scope():\n"
        f"        return tf_keras.models.load_model({str(folder / 'net.h5')!r}, compile=False)\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        assert run(["convert", model, "-o", "files", "--to", "tflite,onnx", "-q", "--calibrate",
                    "pictures.npy", "--scheme", "f32,f16,w8,w8a8,w8a16,qat-w8a8"]) == 0  # fmt: skip
    return open_artifact(folder / "files")


def answers(artifact: Any, scheme: str, format: str = "tflite") -> Any:
    file = artifact.file(scheme=scheme, format=format)
    session = open_model(artifact.path(file))
    (spec,), (output,) = (
        session.signatures["serving_default"].inputs,
        session.signatures["serving_default"].outputs,
    )
    found = []
    for picture in PICTURES[:32]:
        given = picture.transpose(2, 0, 1) if format == "onnx" else picture
        raw = session({spec.name: spec.quantize(given[np.newaxis])})
        found.append(output.dequantize(raw[output.name])[0])
    return np.array(found)


@pytest.mark.parametrize("format", ["tflite", "onnx"])
def test_floats_are_the_network_without_its_rounding(
    artifact: Any, learned: Any, format: str
) -> None:
    expected = unwrapped(learned)(PICTURES[:32]).numpy()
    np.testing.assert_allclose(answers(artifact, "f32", format), expected, atol=1e-5)
    rounded = learned(PICTURES[:32], training=False).numpy()
    assert np.abs(rounded - expected).max() > 1e-3


@pytest.mark.parametrize("format", ["tflite", "onnx"])
def test_learned_ranges_are_kept(artifact: Any, learned: Any, format: str) -> None:
    """Within a step of what the network learned to answer, as TensorFlow's own file is."""
    found = answers(artifact, "qat-w8a8", format)
    rounded = learned(PICTURES[:32], training=False).numpy()
    assert np.abs(found - rounded).max() < 0.02
    converter = tf.lite.TFLiteConverter.from_keras_model(learned)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    interpreter = tf.lite.Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    (given,), (taken,) = interpreter.get_input_details(), interpreter.get_output_details()
    theirs = []
    for picture in PICTURES[:32]:
        interpreter.set_tensor(given["index"], picture[np.newaxis])
        interpreter.invoke()
        theirs.append(interpreter.get_tensor(taken["index"])[0])
    off = [np.sqrt(((one - rounded) ** 2).mean()) for one in (found, np.array(theirs))]
    assert off[0] <= 1.1 * off[1]


@pytest.mark.parametrize("scheme", ["w8a8", "w8a16", "qat-w8a8"])
def test_all_ops_are_integer(artifact: Any, scheme: str) -> None:
    graph = read_graph(artifact.path(artifact.file(scheme=scheme, format="tflite")))
    assert dict(by_type(graph)).keys() == {"integer"}


def test_other_schemes_come_from_the_float_network(artifact: Any, learned: Any) -> None:
    expected = unwrapped(learned)(PICTURES[:32]).numpy()
    for scheme, most in (("f16", 1e-3), ("w8", 0.02), ("w8a8", 0.03), ("w8a16", 5e-3)):
        assert np.abs(answers(artifact, scheme) - expected).max() < most


def test_layers_are_compared_with_their_own_network(
    learned: Any, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("pictures.npy", PICTURES)
    learned.save("net.h5")
    assert run(["convert", "net.h5", "-o", "files", "--scheme", "f32,qat-w8a8", "-q"]) == 0
    for scheme, least in (("f32", 100), ("qat-w8a8", 30)):
        capsys.readouterr()
        assert run(["verify", "files", "--file", scheme, "--per-layer", "--json"]) == 0
        (layers,) = [one["layers"] for one in json.loads(capsys.readouterr().out)]
        assert {layer["layer"] for layer in layers} >= {"r", "g", "s"}
        assert min(layer["sqnr_db"] for layer in layers) > least


def test_what_is_left_out_is_said(
    learned: Any, tmp_path: Path, capsys: Any, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    learned.save("net.h5")
    assert run(["convert", "net.h5", "-o", "files"]) == 0
    assert "net: fake-quantized; these files leave its rounding" in caplog.text
    network().save("plain.h5")
    assert run(["convert", "plain.h5", "-o", "none", "--scheme", "qat-w8a8"]) == 2
    assert "plain has no learned ranges: train with --qat" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["h5", "keras"])
@pytest.mark.parametrize("kind", ["pruned", "clustered"])
def test_pruned_and_clustered_networks_lose_their_wrappers(
    kind: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "pruned":
        wrapped = tfmot.sparsity.keras.prune_low_magnitude(taught(network()))
        wrapped = taught(wrapped, tfmot.sparsity.keras.UpdatePruningStep())
        plain = tfmot.sparsity.keras.strip_pruning(wrapped)
    else:
        start = tfmot.clustering.keras.CentroidInitialization.LINEAR
        wrapped = tfmot.clustering.keras.cluster_weights(
            taught(network()), number_of_clusters=8, cluster_centroids_init=start
        )
        plain = tfmot.clustering.keras.strip_clustering(wrapped)
    monkeypatch.chdir(tmp_path)
    wrapped.save(f"net.{suffix}")
    assert run(["convert", f"net.{suffix}", "-o", "files", "-q"]) == 0
    found = answers(open_artifact(tmp_path / "files"), "f32")
    np.testing.assert_allclose(found, plain(PICTURES[:32]).numpy(), atol=1e-5)
