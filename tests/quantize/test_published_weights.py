"""Weights out of .tflite files, against hand-made files and the published ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")
from edgekit.quantize.published import read_weights

ROOT = Path(__file__).parents[2]


def test_integers_become_real_per_channel(tmp_path: Path) -> None:
    """What the converter rounded is within half a step of what it was given, channel by channel."""
    keras = pytest.importorskip("tf_keras")
    tf = pytest.importorskip("tensorflow")
    rng = np.random.default_rng(0)
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(image)
    x = keras.layers.DepthwiseConv2D(3, name="depthwise")(x)
    network = keras.Model(image, keras.layers.Dense(5)(keras.layers.Flatten()(x)))
    for weight in network.weights:
        # channels of very different size: one scale for all would lose the small ones
        weight.assign(rng.normal(size=weight.shape) * 10.0 ** rng.integers(-3, 1, weight.shape[-1]))
    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    samples = [rng.normal(size=(1, 8, 8, 3)).astype(np.float32) for _ in range(8)]
    converter.representative_dataset = lambda: ([sample] for sample in samples)
    path = tmp_path / "int8.tflite"
    path.write_bytes(converter.convert())
    found = list(read_weights(path))
    assert [w.kind for w in found] == ["conv", "depthwise_conv", "fully_connected"]
    for ours, layer in zip(found, (network.layers[1], network.layers[2], network.layers[-1]),
                           strict=True):  # fmt: skip
        kernel = layer.weights[0].numpy()
        assert ours.kernel.shape == kernel.shape
        axis = 2 if ours.kind == "depthwise_conv" else -1
        others = tuple(i for i in range(kernel.ndim) if i != axis % kernel.ndim)
        step = np.abs(kernel).max(axis=others, keepdims=True) / 127
        assert (np.abs(ours.kernel - kernel) <= 0.51 * step).all()


def test_an_imported_network_answers_as_the_published_file(
    shared_data: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tf_keras")
    from edgekit.runtime import open_model
    from edgekit.sources import load
    from edgekit.tasks.classify import encode
    from edgekit.tasks.pictures.images import read_image

    path = shared_data / "tflite" / "tf2_mobilenet_v2_1.0_224_ptq.tflite"
    program = ROOT / "converters" / "published_mobilenet_v2.py"
    subprocess.run([sys.executable, program, path, "-o", tmp_path / "run"], check=True)
    source = load(str(tmp_path / "run"))
    assert "derived from tf2_mobilenet_v2" in source.provenance["weights"]
    session = open_model(path)
    (theirs,) = session.signatures["serving_default"].inputs
    (scores,) = session.signatures["serving_default"].outputs
    assert source.mean == (127.0,)  # the file's zero point: it subtracts that and no other
    spec = type(theirs)("image", (1, 224, 224, 3), "float32", layout="NHWC",
                        mean=source.mean, std=source.std)  # fmt: skip
    picture = type(theirs)("image", (1, 224, 224, 3), "uint8", layout="NHWC")
    for name in ("cat", "bird", "grace_hopper"):
        pixels = read_image(shared_data / "images" / f"{name}.bmp")
        image = encode(pixels, spec, {})
        raw = encode(pixels, picture, {})
        answer = scores.dequantize(session({theirs.name: raw})[scores.name])[0]
        ours = np.asarray(source.model(image))[0]
        assert ours.argmax() == answer.argmax()
        assert abs(ours.max() - answer.max()) < 0.1


def test_a_backbone_without_classifier_goes_the_whole_way(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The published embedder: import, convert, verify, and no labels on the way."""
    pytest.importorskip("tf_keras")
    import json

    from edgekit.cli import run
    from edgekit.runtime import open_model
    from edgekit.sources import load

    path = shared_data / "tflite" / "mobilenet_v2_035_96_embedder_with_metadata.tflite"
    program = ROOT / "converters" / "published_mobilenet_v2.py"
    subprocess.run([sys.executable, program, path, "-o", tmp_path / "run"], check=True)
    source = load(str(tmp_path / "run"))
    assert source.task == {"name": "tensors"}
    session = open_model(path)
    rng = np.random.default_rng(0)
    for _ in range(2):
        pixels = rng.uniform(0, 1, (1, 96, 96, 3)).astype(np.float32)  # the file makes 2 x - 1
        (theirs,) = session({"keras_layer_input": pixels}).values()
        ours = np.asarray(source.model(2 * pixels - 1))
        assert ours.shape == theirs.shape == (1, 1280)
        cosine = (ours * theirs).sum() / np.linalg.norm(ours) / np.linalg.norm(theirs)
        assert cosine > 0.98  # its kernels round activations to 8 bits on the way
    assert run(["convert", str(tmp_path / "run"), "-o", str(tmp_path / "a")]) == 0
    assert run(["verify", str(tmp_path / "a")]) == 0
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert "labels" not in manifest["task"]
    assert "SHA-256 0e504dcf1ca7" in manifest["provenance"]["weights"]
    capsys.readouterr()
    assert run(["inspect", "--json", str(tmp_path / "a" / manifest["files"][0]["path"])]) == 0
    assert json.loads(capsys.readouterr().out)
