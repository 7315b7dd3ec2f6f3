"""edgekit convert, from every kind of MODEL, as a user calls it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras as keras3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from export import networks

from edgekit.artifact import Artifact, open_artifact
from edgekit.cli import run
from edgekit.export.metadata import read_metadata
from edgekit.profile.graph import read_graph
from edgekit.runtime import open_model
from edgekit.runtime.sandbox import open_isolated

MODULE = """
import numpy as np, tensorflow as tf, tf_keras as keras

def picture():
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential([
        keras.Input((8, 8, 3), name="image"), layers.Conv2D(4, 3, activation="relu"),
        layers.Flatten(), layers.Dense(3, activation="softmax", name="scores"),
    ])

def wide():
    return keras.Sequential([keras.Input((64,), name="x"), layers(64)])

def layers(units):
    return keras.layers.Dense(units, name="y")

def open_size():
    image = keras.Input((None, None, 3), name="image")
    return keras.Model(image, keras.layers.Conv2D(2, 3, name="y")(image))

def cholesky():
    x = keras.Input((4, 4), name="x")
    return keras.Model(x, tf.linalg.cholesky(tf.matmul(x, x, transpose_b=True) + tf.eye(4)))

def not_a_number():
    x = keras.Input((4,), name="x")
    return keras.Model(x, tf.math.log(x - 100.0))

def two():
    x = keras.Input((6,), name="x")
    return keras.Model(x, [layers(3)(x), keras.layers.Dense(2, name="z")(x)])

def summed():
    x = keras.Input((6,), name="x")
    return keras.Model(x, tf.math.cumsum(layers(3)(x), axis=1))

def collapsing():
    '''One hidden unit is so large that int8 rounds the others away; the output is of those.'''
    x = keras.Input((6,), name="x")
    model = keras.Model(x, layers(2)(keras.layers.Dense(4, name="hidden")(x)))
    hidden, _, output, _ = weights = model.get_weights()
    hidden[:, 0] *= 2000
    output[0] = 0
    model.set_weights(weights)
    return model
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a module of models in it, and calibration data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "mine", raising=False)
    (tmp_path / "mine.py").write_text(MODULE)
    rng = np.random.default_rng(0)
    for name, shape in (("image", (8, 8, 3)), ("x", (6,)), ("wide", (64,))):
        np.save(tmp_path / f"{name}.npy", rng.uniform(-1, 1, (100, *shape)).astype(np.float32))
    return tmp_path


def convert(*arguments: str, code: int = 0) -> Artifact | None:
    assert run(["convert", *arguments, "-o", "out"]) == code
    return open_artifact("out") if code in (0, 1) else None


def line(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line that an error is."""
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, lines
    assert not Path("out").exists()
    return lines[0]


def save_keras(name: str, keras: Any) -> Callable[[], Any]:
    def save() -> Any:
        model = networks.spread(networks.sequential(keras))
        model.save(name)
        return model

    return save


def save_saved_model() -> Any:
    model = networks.spread(networks.sequential(keras3))
    module = tf.Module()
    module.kept = [v.value for v in model.variables]
    serve = tf.function(lambda image: {"dense": model(image, training=False)})
    signature = serve.get_concrete_function(tf.TensorSpec((None, 8, 8, 3), tf.float32, "image"))
    tf.saved_model.save(module, "saved", signatures=signature)
    return model


@pytest.mark.parametrize(
    ("model", "make"),
    [
        ("two.keras", save_keras("two.keras", tf_keras)),
        ("two.h5", save_keras("two.h5", tf_keras)),
        ("three's \n🦝.keras", save_keras("three's \n🦝.keras", keras3)),
        ("three.h5", save_keras("three.h5", keras3)),
        ("saved", save_saved_model),
    ],
    ids=["keras2", "keras2-h5", "keras3", "keras3-h5", "saved_model"],
)
def test_foreign_models(
    model: str, make: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    own = make()
    np.save("few.npy", np.load("image.npy")[:20])
    with caplog.at_level(logging.WARNING, "edgekit"):
        artifact = convert(model, "--scheme", "f32,w8a8", "--calibrate", "few.npy")
    assert "got 20 samples" in caplog.text, "what the child remarks is lost"
    assert artifact
    artifact.check()
    assert [f.scheme for f in artifact.manifest.files] == ["f32", "w8a8"]
    image = np.load("image.npy")[:1]
    answer = open_model(artifact.path(artifact.manifest.files[0]))({"image": image})
    np.testing.assert_allclose(answer["dense"], own(image, training=False), rtol=1e-4, atol=1e-5)
    assert artifact.manifest.provenance["source"] == model


def test_function_with_labels_and_normalisation(capsys: pytest.CaptureFixture[str]) -> None:
    Path("names.txt").write_text("a cat\nein Hund\n浣熊\n", encoding="utf-8")
    artifact = convert(
        *("mine:picture", "--to", "tflite,onnx", "--scheme", "f32,w8a8", "--labels", "names.txt"),
        *("--calibrate", "image.npy", "--mean", "127.5", "--std", "127.5", "--json"),
    )
    assert artifact
    data = json.loads(capsys.readouterr().out)
    made = [(f.format, f.scheme) for f in artifact.manifest.files]
    assert made == [(f, s) for s in ("f32", "w8a8") for f in ("tflite", "onnx")]
    assert [f["path"] for f in data["files"]] == [f.path for f in artifact.manifest.files]
    labels = ["a cat", "ein Hund", "浣熊"]
    task = {"name": "classify", "labels": labels, "scores": "probabilities"}
    assert json.loads(json.dumps(artifact.manifest.task)) == task
    read = read_metadata(artifact.path(artifact.file(scheme="w8a8", format="tflite")))
    assert read
    metadata, kept = read
    assert (kept, metadata.inputs[0].mean, metadata.inputs[0].std) == (
        tuple(labels),
        (127.5,),
        (127.5,),
    )


def test_without_labels_or_data(capsys: pytest.CaptureFixture[str]) -> None:
    artifact = convert("mine:picture")
    assert artifact
    assert artifact.manifest.task == {"name": "classify", "scores": "probabilities"}
    assert artifact.manifest.provenance["compared_on"] == {"data": "noise", "examples": 16}
    assert artifact.manifest.provenance.get("calibration") is None
    assert "f32 tflite" in capsys.readouterr().out


@pytest.mark.parametrize("io", ["int8", "uint8", "float32"])
def test_io(io: str) -> None:
    artifact = convert("mine:picture", "--scheme", "w8a8", "--calibrate", "image.npy", "--io", io)
    assert artifact
    (signature,) = artifact.file().signatures.values()
    assert {spec.dtype for spec in (*signature.inputs, *signature.outputs)} == {io}


def test_techniques_for_weights_beside_16_bit_activations(
    caplog: pytest.LogCaptureFixture,
) -> None:
    plain = convert("mine:picture", "--scheme", "f32,w8a16", "--calibrate", "image.npy")
    assert plain
    images = np.load("image.npy")
    expected = answers_of(plain, "f32", images)
    error = np.abs(answers_of(plain, "w8a16", images) - expected).mean()
    Path("out").rename("plain")
    with caplog.at_level(logging.WARNING, "edgekit"):
        techniques = "align,equalize,steps,headroom,refine,reconstruct,round,bias"
        ours = convert("mine:picture", "--scheme", "w8a16", "--ptq", techniques,
                       "--calibrate", "image.npy")  # fmt: skip
    assert "w8a16: left out, for activations of 8 bits: align, equalize" in caplog.text
    assert ours
    used = ours.manifest.provenance["post_training"]["w8a16"]["techniques"]
    assert ",".join(used) == techniques.removeprefix("align,equalize,")
    assert ours.file(scheme="w8a16").madds > plain.file(scheme="w8a16").madds  # of second ops
    (file,) = ours.manifest.files
    weights = {op.inputs[1].dtype for op in read_graph(ours.path(file)).ops if len(op.inputs) == 3}
    assert weights == {"int8"}
    assert np.abs(answers_of(ours, "w8a16", images) - expected).mean() < 0.8 * error


def test_what_cannot_be_made_leaves_the_other_files(capsys: pytest.CaptureFixture[str]) -> None:
    """LiteRT has no CUMSUM of 16 bits, which stays in float, and it is the last op."""
    schemes = ("--scheme", "f32,w8a16,w8a8")
    assert convert("mine:summed", *schemes, "--calibrate", "x.npy", code=1)
    told = capsys.readouterr()
    assert "got output 0, take --io float32, or w8a8" in " ".join(told.out.split())
    assert "out: files not made: got w8a16 tflite, leave them out" in told.err
    manifest = open_artifact("out").manifest
    assert [file.scheme for file in manifest.files] == ["f32", "w8a8"]
    assert list(manifest.provenance["post_training"]) == ["w8a8"]


def test_an_op_without_16_bits_stays_in_float_and_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    schemes = ("--scheme", "w8a16", "--io", "float32")
    artifact = convert("mine:summed", *schemes, "--calibrate", "x.npy")
    told = " ".join(capsys.readouterr().out.split())
    assert "1 of 2 ops integer, 1 of 2 ops float; in float: tf.math.cumsum" in told
    assert [file.scheme for file in artifact.manifest.files] == ["w8a16"]


def test_where_no_file_can_be_made_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    convert("mine:summed", "--scheme", "w8a16", "--calibrate", "x.npy", code=2)
    assert "edgekit: w8a16 as TFLite: no 16-bit kernel of the op" in capsys.readouterr().err
    assert not Path("out").exists()


def test_techniques_reach_the_onnx_file_too(caplog: pytest.LogCaptureFixture) -> None:
    onnx = pytest.importorskip("onnx")
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    techniques = "align,equalize,headroom,refine,round,bias"
    artifact = convert("mine:picture", "--scheme", "w8a8", "--to", "tflite,onnx",
                       "--ptq", techniques, "--calibrate", "image.npy")  # fmt: skip
    assert artifact
    assert "w8a8: left out, for activations of 16 bits: headroom, refine" in caplog.text
    told = {name: artifact.path(artifact.file(format=name)) for name in ("tflite", "onnx")}
    constants = map(onnx.numpy_helper.to_array, onnx.load(told["onnx"]).graph.initializer)
    kernels = [value for value in constants if value.dtype == np.int8 and value.ndim > 1]
    interpreter = litert.Interpreter(str(told["tflite"]))
    graph = read_graph(told["tflite"])
    expected = [interpreter.get_tensor(op.inputs[1].index) for op in graph.ops
                if len(op.inputs) == 3]  # fmt: skip
    assert len(kernels) == len(expected) > 0
    for one, other in zip(sorted(kernels, key=np.size), sorted(expected, key=np.size), strict=True):
        np.testing.assert_array_equal(np.sort(one, None), np.sort(other, None))


def answers_of(artifact: Artifact, scheme: str, images: Any) -> Any:
    """Return the real-valued answers of one of the artifact's files to `[N, H, W, C]`."""
    file = artifact.file(scheme=scheme)
    (signature,) = file.signatures.values()
    (fed,), (made,) = signature.inputs, signature.outputs
    session = open_model(artifact.path(file))
    return np.concatenate([
        made.dequantize(session({fed.name: fed.quantize(one[np.newaxis])})[made.name])
        for one in images
    ])  # fmt: skip


def test_shape() -> None:
    artifact = convert("mine:open_size", "--shape", "image=1,10,12,3")
    assert artifact
    (signature,) = artifact.file().signatures.values()
    assert signature.inputs[0].shape == (1, 10, 12, 3)
    assert signature.outputs[0].shape == (1, 8, 10, 2)


def test_target_repairs_a_dense_layer(caplog: pytest.LogCaptureFixture) -> None:
    """64 x 64 weights: in w8 a FULLY_CONNECTED of version 12, which 2.14 cannot read."""
    pytest.importorskip("tflite_runtime")
    artifact = convert("mine:wide", "--scheme", "w8")
    assert artifact
    with pytest.raises(Exception, match="FULLY_CONNECTED"):
        open_isolated(artifact.path(artifact.file()), runtime="tflite-runtime")
    with caplog.at_level(logging.WARNING, "edgekit"):
        artifact = convert("mine:wide", "--scheme", "w8", "--target", "tflite-runtime-2.14")
    assert "w8: one scale a dense layer, for tflite-runtime-2.14" in caplog.text
    assert artifact
    path = artifact.path(artifact.file())
    session = open_isolated(path, runtime="tflite-runtime")
    x = np.load("wide.npy")[:1]
    ours = session({"x": x})["y"]
    session.close()
    np.testing.assert_allclose(ours, open_model(path)({"x": x})["y"], atol=0.05)


def test_target_refuses_by_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No converter at hand writes an op too new for 2.14 but the one above: a table without it."""
    table = {"CONV_2D": (1, 7), "RESHAPE": (1, 1)}
    monkeypatch.setattr("edgekit.export.targets.accepted_versions", lambda target: table)
    convert("mine:wide", "--target", "tflite-runtime-2.14", code=2)
    said = line(capsys)
    assert "scheme f32: tflite-runtime-2.14 cannot run it: got FULLY_CONNECTED v1 (has" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["mine:cholesky"], "TFLite has no such op: got Cholesky ("),
        (["mine:cholesky", "--to", "onnx"], "ONNX has no such op: got Cholesky,"),
        (["mine:picture", "--scheme", "w8a8"], "scheme w8a8: no calibration data: give --calib"),
        (["mine:picture", "--scheme", "w9"], "scheme w9: unknown: expected one of f32"),
        (["mine:picture", "--scheme", "qat-w8a8"], "picture has no learned ranges"),
        (["mine:picture", "--to", "tflite,coreml"], "--to coreml: no such format"),
        (
            ["mine:picture", "--to", "onnx", "--scheme", "mixed", "--calibrate", "digits"],
            "scheme mixed: not made as onnx",
        ),
        (["mine:picture", "--io", "uint8"], "--io: got uint8, expected an integer .tflite"),
        (
            ["mine:picture", "--scheme", "w8a16", "--io", "int8", "--calibrate", "image.npy"],
            "scheme w8a16: no such input and output type: got int8, expected int16 or float32",
        ),
        (["mine:picture", "--target", "nothing"], "target nothing: unknown: expected one of"),
        (["mine:picture", "--shape", "image=8"], "shape for image: does not fit: got [8]"),
        (["mine:picture", "--shape", "image:8"], "--shape: got image:8, expected as input=1,2"),
        (["mine:open_size"], "input image: open shape"),
        (["mine:picture", "--calibrate", "x.npy"], "input image does not fit: got float32 [100"),
        (["mine:picture", "--calibrate", "none"], "data none: not found"),
        (["mine:picture", "--labels", "none"], "none: labels cannot be read"),
        (["mine:picture", "--labels", "mine.py"], "for an output [1, 3], expected one for each"),
        (["mine:two", "--labels", "mine.py", "--to", "onnx"], "expected one for each score of the"),
        (["mine:not_a_number"], "of the model itself: got NaN or infinity on noise"),
        (["mine:picture", "--mean", "a"], "--mean: got a"),
        (["mine:picture", "--mean", "nan", "--std", "1"], "--mean: got nan"),
        (["[/red].keras"], "[/red].keras: no such file or folder"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    convert(*arguments, code=2)
    said = line(capsys)
    assert says in said
    assert len(said) < 400


def test_another_folder_is_not_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    Path("out").mkdir()
    Path("out", "mine").write_text("")
    assert run(["convert", "mine:none_such", "-o", "out"]) == 2
    assert "out: already there and not an artifact" in capsys.readouterr().err


def test_parity_failure_is_exit_1_and_names_the_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One wide range in a tensor of small values: int8 rounds the values away."""
    convert("mine:collapsing", "--scheme", "f32,w8a8", "--calibrate", "x.npy", code=1)
    captured = capsys.readouterr()
    assert "collapsing.w8a8.tflite out of its gate" in captured.err
    assert "f32" not in captured.err
    assert "fails" in captured.out


def test_a_folder_named_like_markup(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["convert", "mine:wide", "-o", "[red]x[/]"]) == 0
    assert "[red]x[/]" in capsys.readouterr().out
