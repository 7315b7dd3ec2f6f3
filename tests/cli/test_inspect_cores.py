"""`edgekit inspect --cores` and --measure, as a person and as a program call them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgekit.artifact import Manifest, ModelFile, write_artifact
from edgekit.cli import cli, run
from edgekit.files import file_sha256

QUANT = "mobilenet_v2_1.0_224_quant.tflite"
FLOAT = "mobilenet_v1_0.25_224_1_default_1.tflite"


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_prediction_says_what_it_is_and_adds_up(shared_data: Path) -> None:
    """The published 48 ms of the Pixel 2 lies in the interval; the ops add up to the whole."""
    path = str(shared_data / "tflite" / QUANT)
    (found,) = json.loads(invoke("inspect", path, "--cores", "pixel2", "--json"))["predictions"]
    low, high = found["interval_ms"]
    assert found["kind"] == "predicted"
    assert low < 48 < high
    assert "ovic" in found["source"]
    assert sum(op["predicted_ms"] for op in found["ops"]) == pytest.approx(found["latency_ms"])
    assert {op["bound"] for op in found["ops"]} <= {"compute", "memory", "overhead"}
    topics = {advice["topic"] for advice in found["advice"]}
    assert "per-tensor depthwise" in topics
    text = invoke("inspect", path, "--cores", "pixel2")
    assert "predicted, not measured" in text
    assert "expanded_conv" in text


@pytest.mark.parametrize("by", [(), ("--by", "layer")])
def test_lines_fit_80_columns(shared_data: Path, by: tuple[str, ...]) -> None:
    path = str(shared_data / "tflite" / QUANT)
    text = invoke("inspect", path, "--cores", "cortex-a53@1.2,cortex-a72,pixel2", *by)
    assert max(len(line) for line in text.splitlines()) <= 80


def test_a_refused_core_ends_in_exit_2_after_the_others(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(shared_data / "tflite" / QUANT)
    assert run(["inspect", path, "--cores", "pixel1,pixel2"]) == 2
    captured = capsys.readouterr()
    assert "pixel2" in captured.out
    assert captured.err == (
        "edgekit: core pixel1: no calibration for int8: expected f32 in tflite\n"
    )


def test_artifact_has_a_line_for_each_file_and_core(shared_data: Path, tmp_path: Path) -> None:
    paths = {"f32": shared_data / "tflite" / FLOAT, "w8a8": shared_data / "tflite" / QUANT}
    files = tuple(
        ModelFile(path=f"m.{scheme}.tflite", format="tflite", scheme=scheme,
                  sha256=file_sha256(path), size_bytes=path.stat().st_size, signatures={})
        for scheme, path in paths.items()
    )  # fmt: skip
    manifest = Manifest(name="m", task={"name": "classify"}, files=files)
    contents = {f.path: paths[f.scheme].read_bytes() for f in files}
    write_artifact(tmp_path / "artifact", manifest, contents)
    text = invoke("inspect", str(tmp_path / "artifact"), "--cores", "cortex-a72")
    assert sum("cortex-a72 " in line for line in text.splitlines()) == 2
    data = json.loads(
        invoke("inspect", str(tmp_path / "artifact"), "--cores", "cortex-a72", "--json")
    )
    assert [f["predictions"][0]["dtype"] for f in data["files"]] == ["f32", "int8"]


def test_measured_memory_stands_apart(shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    path = tmp_path / 'a "b"\nc.tflite'
    shutil.copy(shared_data / "tflite" / FLOAT, path)
    data = json.loads(invoke("inspect", str(path), "--measure", "--json"))
    taken = data["measured_memory"]
    assert taken["kind"] == "measured"
    assert taken["process_bytes"] > taken["model_bytes"] > data["weight_bytes"]
    lines = invoke("inspect", str(path), "--measure").splitlines()
    assert not any("planned" in line and "measured" in line for line in lines)


def test_measure_wants_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tf_keras")
    assert run(["inspect", "mobilenet_v2:0.35-96", "--measure"]) == 2
    assert "mobilenet_v2:0.35-96 is no file to run: convert it first" in capsys.readouterr().err


def test_preset_is_assumed_to_be_float(capsys: pytest.CaptureFixture[str]) -> None:
    """The published 6.4 ms of 0.5/96 on the Pixel 1 is near."""
    pytest.importorskip("tf_keras")
    assert run(["inspect", "mobilenet_v2:0.5-96", "--cores", "pixel1", "--json"]) == 0
    captured = capsys.readouterr()
    (found,) = json.loads(captured.out)["predictions"]
    assert found["latency_ms"] == pytest.approx(6.4, rel=0.1)
    assert "float32 assumed" in captured.err
