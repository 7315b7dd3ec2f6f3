"""`edgekit inspect` and `edgekit models`, as a person and as a program call them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgekit.artifact import Manifest, ModelFile, write_artifact
from edgekit.cli import cli, run

QUANT = "mobilenet_v2_1.0_224_quant.tflite"


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_totals_for_a_person(shared_data: Path) -> None:
    text = invoke("inspect", str(shared_data / "tflite" / QUANT))
    assert "300,775,552" in text
    assert "3,489,097" in text


@pytest.mark.parametrize(("by", "rows"), [("op", 6), ("layer", 65)])
def test_groups_add_up_to_the_total(shared_data: Path, by: str, rows: int) -> None:
    data = json.loads(invoke("inspect", str(shared_data / "tflite" / QUANT), "--by", by, "--json"))
    groups = data[f"by_{by}"]
    assert len(groups) == rows
    assert sum(group["madds"] for group in groups) == data["madds"] == 300_775_552
    assert sum(group["params"] for group in groups) == data["params"]
    assert sum(group["ops"] for group in groups) == data["ops"] == 66


def test_lines_fit_80_columns(shared_data: Path) -> None:
    for by in ("op", "layer"):
        name = "mobilenet_v1_0.25_224_quant.tflite"
        text = invoke("inspect", str(shared_data / "tflite" / name), "--by", by)
        assert max(len(line) for line in text.splitlines()) <= 80


def test_artifact_has_a_line_for_each_file(shared_data: Path, tmp_path: Path) -> None:
    content = (shared_data / "tflite" / QUANT).read_bytes()
    file = ModelFile(
        path="m.qat-w8a8.tflite",
        format="tflite",
        scheme="qat-w8a8",
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        signatures={},
    )
    manifest = Manifest(name="m", task={"name": "classify"}, files=(file,))
    write_artifact(tmp_path / "artifact", manifest, {file.path: content})
    text = invoke("inspect", str(tmp_path / "artifact"))
    (line,) = [line for line in text.splitlines() if "qat-w8a8 tflite" in line]
    assert "300,775,552" in line
    data = json.loads(invoke("inspect", str(tmp_path / "artifact"), "--json"))
    assert data["files"][0]["madds"] == 300_775_552


def test_preset_needs_no_file() -> None:
    pytest.importorskip("tf_keras")
    data = json.loads(invoke("inspect", "mobilenet_v2:0.35-96", "--json"))
    assert (data["madds"], data["params"]) == (11_934_128, 1_691_208)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["none.tflite"], "none.tflite: cannot be read: got No such file or directory"),
        (["mobilenet_v2:9-9"], "mobilenet_v2:9-9: no such preset"),
        (["nothing"], "'nothing': no model"),
        (["notes.txt"], "'notes.txt': no model"),
        (["none.onnx", "--shape", "x"], "--shape: got x, expected as input=1,224,224,3"),
        (["none.onnx", "--shape", "x=1,b"], "--shape: got x=1,b"),
    ],
)
def test_wrong_input_is_one_line_and_exit_2(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["inspect", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"edgekit: {line}")
    assert captured.err.count("\n") == 1


def test_models_lists_every_preset_without_tensorflow() -> None:
    code = (
        "import sys; from edgekit.cli import run; assert run(['models', '--json']) == 0\n"
        "assert not {'tensorflow', 'tf_keras', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rows = json.loads(done.stdout)
    found = {(r["family"], r["preset"]): (r["params"], r["madds"]) for r in rows}
    assert found["mobilenet_v2", "1.0-224"] == (3_538_984, 300_774_272)
    assert len(found) >= 22
    assert "mobilenet_v2:1.4-224" in invoke("models")


def test_a_keras_file_and_its_conversion_count_the_same(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    layers = keras.layers
    image = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(8, 3, strides=2, padding="same")(image)
    x = layers.Dense(5)(layers.GlobalAveragePooling2D()(x))
    path = tmp_path / "a model.keras"
    keras.Model(image, x).save(path)
    # by hand: 8 x 8 places x 8 channels x 27 weights, and 8 x 5
    counted = json.loads(invoke("inspect", str(path), "--json"))
    assert counted["madds"] == 8 * 8 * 8 * 27 + 8 * 5
    assert counted["params"] == 27 * 8 + 8 + 8 * 5 + 5
