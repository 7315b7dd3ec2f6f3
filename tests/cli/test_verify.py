"""edgekit verify: tampering, parity, two files, and the first layer that diverges."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import keras as keras3
import numpy as np
import pytest
import tf_keras
from export import networks

from edgekit.artifact import open_artifact
from edgekit.cli import run
from edgekit.export.conversion import Plan, convert
from edgekit.export.source import Source
from edgekit.quantize.qat import quantize_aware
from edgekit.quantize.scheme import parse_schemes

MODULE = """
import tf_keras, keras
from export import networks

def sound(module=tf_keras):
    return networks.spread(networks.fused(module))

def damaged(module=tf_keras, layer="c4"):
    '''Half of one kernel has the wrong sign.'''
    model = sound(module)
    kernel, *rest = model.get_layer(layer).get_weights()
    kernel[..., ::2] *= -1
    model.get_layer(layer).set_weights([kernel, *rest])
    return model

def sound3():
    return sound(keras)

def damaged3():
    return damaged(keras)

def damaged_fused():
    return damaged(layer="c2")
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Artifacts of a sound network of Keras 2, with learned ranges too, and of one of Keras 3."""
    folder = tmp_path_factory.mktemp("verify")
    (folder / "nets.py").write_text(MODULE)
    images = np.random.default_rng(0).uniform(-1, 1, (100, 8, 8, 3)).astype(np.float32)
    np.save(folder / "images.npy", images)
    for name, keras, schemes in (
        ("two", tf_keras, "f32,w8a8,qat-w8a8"),
        ("three", keras3, "f32,w8a8"),
    ):
        model = networks.spread(networks.fused(keras))
        source = Source(
            name="net",
            model=model,
            kind="tf_keras" if keras is tf_keras else "keras3",
            provenance={"source": f"nets:sound{'' if keras is tf_keras else 3}"},
            learned=learn(model, images) if keras is tf_keras else None,
        )
        plan = Plan(
            parse_schemes(schemes), ("tflite", "onnx"), calibrate=str(folder / "images.npy")
        )
        convert(source, plan, folder / name)
    return folder


def learn(model: Any, images: np.ndarray) -> Any:
    learned = quantize_aware(model)
    for layer in learned.layers:  # the ranges move, the network must not
        inner = getattr(layer, "layer", None)
        if isinstance(inner, tf_keras.layers.BatchNormalization):
            inner.momentum = 1.0
    for _ in range(40):
        learned(images, training=True)
    return learned


@pytest.fixture(autouse=True)
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.syspath_prepend(str(place))


def verify(*arguments: str, code: int = 0) -> None:
    assert run(["verify", *arguments]) == code


def test_every_file_agrees_with_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    verify("two", "--json")
    data = json.loads(capsys.readouterr().out)
    schemes = ("f32", "w8a8", "qat-w8a8")
    files = [f"net.{scheme}.{format}" for scheme in schemes for format in ("tflite", "onnx")]
    assert [d["file"] for d in data] == files
    assert all(d["passed"] for d in data)
    assert {d["outputs"][0]["examples"] for d in data} == {16}


def test_scheme_and_runtime_choose(capsys: pytest.CaptureFixture[str]) -> None:
    verify("two", "--file", "w8a8", "--json")
    both = [d["file"] for d in json.loads(capsys.readouterr().out)]
    assert both == ["net.w8a8.tflite", "net.w8a8.onnx"]
    verify("two", "--file", "w8a8", "--runtime", "onnxruntime", "--json")
    assert [d["file"] for d in json.loads(capsys.readouterr().out)] == ["net.w8a8.onnx"]
    verify("two", "--file", "f16", code=2)
    assert "no such file: got f16 any format, expected one of f32 tflite" in capsys.readouterr().err
    verify("two", "--runtime", "tensorrt", code=2)
    assert "runtime tensorrt: unknown: expected one of litert" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["net.w8a8.tflite", "net.f32.onnx", "reference.npz"])
def test_one_changed_byte_is_exit_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    folder = shutil.copytree("two", tmp_path / "copy")
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    verify(str(folder), code=2)
    assert f"{name}: changed since it was written: got SHA-256" in capsys.readouterr().err


def test_a_file_that_says_something_else_is_exit_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A damaged model under a manifest that vouches for it: only the answers tell."""
    folder = shutil.copytree("two", tmp_path / "copy")
    assert run(["convert", "nets:damaged", "-o", str(tmp_path / "other")]) == 0
    other = open_artifact(tmp_path / "other")
    shutil.copy(other.path(other.file()), folder / "net.f32.tflite")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][0]["sha256"] = other.file().sha256
    (folder / "manifest.json").write_text(json.dumps(manifest))
    capsys.readouterr()
    verify(str(folder), "--file", "f32", "--runtime", "litert", code=1)
    assert "net.f32.tflite: output e2 out of its gate: got largest" in capsys.readouterr().err


@pytest.mark.parametrize(("a", "b"), [("tflite", "onnx"), ("onnx", "tflite")])
@pytest.mark.parametrize("data", [[], ["--data", "images.npy"]])
def test_two_files_of_two_formats(
    capsys: pytest.CaptureFixture[str], a: str, b: str, data: list[str]
) -> None:
    """Pictures lie the other way round in the two, and A may be either."""
    verify(f"two/net.f32.{a}", f"two/net.f32.{b}", *data, "--json")
    answer = json.loads(capsys.readouterr().out)
    assert answer["passed"]
    assert answer["outputs"][0]["max_error"] < 1e-4


@pytest.mark.parametrize("file", ["net.w8a8.tflite", "net.w8a8.onnx"])
def test_float_and_integers(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Integers inside decide, also where what goes in and comes out is float."""
    files = ("two/net.f32.tflite", f"two/{file}")
    verify(*files, "--data", "images.npy")
    verify(*files, "--data", "images.npy", "--gate", "f32", code=1)
    assert f"{file}: output e2 out of its gate" in capsys.readouterr().err


def test_two_files_that_cannot_be_paired(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from tiny_models import write_tflite

    small, large = write_tflite(tmp_path / "a.tflite", 4), write_tflite(tmp_path / "b.tflite", 5)
    verify(str(small), str(large), code=2)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "input x" in said[0]


FILES = [("two", scheme, format) for scheme in ("f32", "w8a8") for format in ("tflite", "onnx")]
FILES += [("three", scheme, format) for _, scheme, format in FILES]
RUNTIME = {"tflite": "litert", "onnx": "onnxruntime"}


def layers(
    capsys: pytest.CaptureFixture[str], artifact: str, scheme: str, format: str, *more: str
) -> tuple[dict[str, str], str]:
    """Return the verdict on each layer, and what stderr says."""
    capsys.readouterr()
    chosen = ("--file", scheme, "--runtime", RUNTIME[format])
    code = run(["verify", artifact, "--per-layer", "--in-order", *chosen, "--json", *more])
    captured = capsys.readouterr()
    (file,) = json.loads(captured.out)
    verdicts = {layer["layer"]: layer["verdict"] for layer in file["layers"]}
    assert code == ("diverges" in verdicts.values())
    return verdicts, captured.err


@pytest.mark.parametrize(("artifact", "scheme", "format"), FILES)
def test_first_diverging_layer(
    capsys: pytest.CaptureFixture[str], artifact: str, scheme: str, format: str
) -> None:
    sound, _ = layers(capsys, artifact, scheme, format)
    # all but what is fused: the convolutions before batch norms
    assert {"c1", "r2", "b3", "c4", "add", "c5", "gap", "e1", "e2"} <= set(sound)
    assert set(sound.values()) == {"ok"}
    source = "nets:damaged" if artifact == "two" else "nets:damaged3"
    verdicts, said = layers(capsys, artifact, scheme, format, "--source", source)
    wrong = [layer for layer, verdict in verdicts.items() if verdict == "diverges"]
    assert wrong[0] == "c4"
    assert {verdicts[layer] for layer in ("c1", "r2", "b3")} == {"ok"}
    assert f"net.{scheme}.{format}: first diverging layer is c4: got SQNR" in said


@pytest.mark.parametrize("scheme", ["f32", "w8a8"])
def test_damage_before_a_fused_activation_shows_at_its_end(
    capsys: pytest.CaptureFixture[str], scheme: str
) -> None:
    verdicts, said = layers(capsys, "two", scheme, "tflite", "--source", "nets:damaged_fused")
    assert verdicts["c1"] == "ok"
    assert "first diverging layer is r2: got SQNR" in said
    assert "net/c2/Conv2D" in said, "the tensor's name holds both"


@pytest.mark.parametrize("format", ["tflite", "onnx"])
def test_learned_ranges_by_layer(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    format: str,
    place: Path,
) -> None:
    """The layers bear their own names, and what is fused counts as the end of its chain."""
    from dataclasses import replace

    from edgekit.sources import function

    load = function.load
    images = np.load(place / "images.npy")

    def load_learned(text: str, seed: int) -> Source:
        source = load(text, seed=seed)
        return replace(source, learned=learn(source.model, images))

    monkeypatch.setattr(function, "load", load_learned)
    sound, _ = layers(capsys, "two", "qat-w8a8", format)
    assert {"c1", "r2", "b3", "c4", "add", "c5", "gap", "e1", "e2"} <= set(sound)
    assert not [name for name in sound if name.startswith("quant_")]
    assert set(sound.values()) == {"ok"}
    verdicts, said = layers(capsys, "two", "qat-w8a8", format, "--source", "nets:damaged")
    assert "first diverging layer is c4: got SQNR" in said
    assert {verdicts[layer] for layer in ("c1", "r2", "b3")} == {"ok"}


def test_foreign_source_by_layer(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """It is loaded in the child, must be the file that was converted, and may have moved."""
    model = networks.spread(networks.sequential(keras3))
    path = tmp_path / "own.keras"
    model.save(path)
    folder = str(tmp_path / "out")
    assert run(["convert", str(path), "-o", folder]) == 0
    model.layers[-1].set_weights([w * 2 for w in model.layers[-1].get_weights()])
    model.save(path)
    verify(folder, "--per-layer", code=2)
    assert "own.keras: changed since it was converted" in capsys.readouterr().err
    verify(folder, "--per-layer", "--in-order", "--source", str(path), "--json", code=1)
    captured = capsys.readouterr()
    (file,) = json.loads(captured.out)
    verdicts = [(layer["layer"], layer["verdict"]) for layer in file["layers"]]
    assert verdicts == [("relu", "ok"), ("flat", "ok"), ("dense", "diverges")]
    assert "first diverging layer is dense" in captured.err
    path.unlink()
    verify(folder, "--per-layer", code=2)
    said = capsys.readouterr().err
    assert f"its source is not here: got {path}, give --source MODEL" in said
    verify(folder, "--per-layer", "--source", "other.keras", code=2)
    assert "other.keras: no such file or folder" in capsys.readouterr().err


def test_a_function_answers_the_same_again_or_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Weights left to chance have a seed; those of another value are not what was converted."""
    monkeypatch.chdir(tmp_path)
    dense = "keras.layers.Dense(2, name='d', bias_initializer=keras.initializers.Constant(BIAS))"
    for keras in ("tf_keras", "keras"):
        module = tmp_path / f"by_chance_{keras}.py"
        made = f"keras.Sequential([keras.Input((3,)), {dense}])"
        code = f"import {keras} as keras\ndef make(): return {made}"
        module.write_text(code.replace("BIAS", "1.0"))
        assert run(["convert", f"{module.stem}:make", "-o", f"{keras}.out"]) == 0
        assert run(["verify", f"{keras}.out", "--per-layer"]) == 0
        module.write_text(code.replace("BIAS", "2.25"))
        monkeypatch.delitem(sys.modules, module.stem, raising=False)
        assert run(["verify", f"{keras}.out", "--per-layer"]) == 2
        assert ":make: changed since it was converted" in capsys.readouterr().err


def test_per_layer_needs_layers(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    verify("two/net.f32.tflite", "two/net.f32.onnx", "--per-layer", code=2)
    assert "give one artifact" in capsys.readouterr().err
    folder = shutil.copytree("two", tmp_path / "copy")
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["provenance"]["source"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    verify(str(folder), "--per-layer", code=2)
    assert "its source is not known: give --source MODEL" in capsys.readouterr().err


def test_worst_first_and_what_integers_lost(capsys: pytest.CaptureFixture[str]) -> None:
    verify("two", "--per-layer", "--file", "w8a8", "--runtime", "litert", "--json")
    (file,) = json.loads(capsys.readouterr().out)
    ratios = [layer["sqnr_db"] for layer in file["layers"]]
    assert ratios == sorted(ratios)
    assert [layer["position"] for layer in file["layers"]] != sorted(range(len(ratios)))
    by_name = {layer["layer"]: layer for layer in file["layers"]}
    # The scales of the file are the largest weights of its channels over 127.
    kernel = networks.spread(networks.fused(tf_keras)).get_layer("c1").get_weights()[0]
    largest = np.abs(kernel).max(axis=(0, 1, 2))
    assert by_name["c1"]["channel_spread"] == pytest.approx(largest.max() / largest.min(), rel=1e-5)
    assert by_name["add"]["channel_spread"] is None, "it has no weights"
    for layer in file["layers"]:
        assert 0 <= layer["saturation"] <= layer["at_limits"] <= 1
    assert by_name["r2"]["at_limits"] > 0.1, "half of what a ReLU answers is zero"
    assert by_name["r2"]["saturation"] < 0.01, "and nothing is cut off by that"


def test_layers_as_a_table_that_fits_and_a_picture(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    chosen = ("two", "--per-layer", "--file", "w8a8", "--runtime", "litert")
    for suffix, start in ((".png", b"\x89PNG"), (".svg", b"<?xml")):
        picture = tmp_path / f"layers{suffix}"
        verify(*chosen, "--picture", str(picture))
        assert picture.read_bytes().startswith(start)
        said = capsys.readouterr().out
        assert max(map(len, said.splitlines())) <= 80
        assert "spread" in said
    verify(*chosen, "--picture", str(tmp_path / "layers.jpg"), code=2)
    assert "got .jpg, expected .png or .svg" in capsys.readouterr().err
    verify("two", "--per-layer", "--picture", str(tmp_path / "x.png"), code=2)
    assert "--picture: got 6 files, expected one" in capsys.readouterr().err
    verify("two", "--in-order", code=2)
    assert "give --per-layer with it" in capsys.readouterr().err
