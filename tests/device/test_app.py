"""The app's benchmark over an adb that reaches this machine, where `am` writes the result."""

from __future__ import annotations

import hashlib
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from fake_clients import HERE, put_on_path, write_client

from edgekit.artifact import Manifest, ModelFile, write_artifact
from edgekit.cli import run
from edgekit.device import adb as adb_module
from edgekit.device import app
from edgekit.errors import InputError
from edgekit.report.results import read_results
from edgekit.signature import Signature, TensorSpec

MODEL = b"not read here"
STOPPED = "[ $1 = force-stop ] && exit\n"
SHA = hashlib.sha256(MODEL).hexdigest()


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    signature = Signature(
        (TensorSpec("x", (1, 2), "float32"),), (TensorSpec("y", (1, 2), "float32"),)
    )
    file = ModelFile("m.f32.tflite", "tflite", "f32", SHA, len(MODEL),
                     {"serving_default": signature}, madds=7)  # fmt: skip
    manifest = Manifest(name="my model", task={"name": "regress"}, files=(file,))
    write_artifact(tmp_path / "artifact", manifest, {file.path: MODEL})
    return tmp_path / "artifact"


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the app's on the phone; adb reaches this machine."""
    put_on_path(monkeypatch, tmp_path / "bin", {"adb": HERE})
    monkeypatch.setattr(adb_module, "PLACE", str(tmp_path))
    place = tmp_path / "files"
    place.mkdir()
    monkeypatch.setattr(app, "FOLDER", str(place))
    pretend(tmp_path, "true")
    return place


def pretend(folder: Path, am: str, pidof: str = "true") -> None:
    """Let the phone's `am` and `pidof` be these scripts; am's words come into am.txt."""
    write_client(
        folder / "bin", "am", f'#!/bin/sh\n{STOPPED}printf "%s\\n" "$@" > {folder}/am.txt\n{am}\n'
    )
    write_client(folder / "bin", "pidof", f"#!/bin/sh\n{pidof}\n")


def result(**changes: Any) -> dict[str, Any]:
    """Return what the app writes, in short."""
    state = {"clocks_khz": None, "temperature_c": 31.0, "throttled": None, "thermal_status": 0}
    once = {
        "samples_ms": [1.0 + 0.001 * i for i in range(100)], "load_ms": 3.0, "first_run_ms": 2.0,
        "warmup_runs": 9, "warm": True, "truncated": False, "baseline_memory_bytes": 1000,
        "peak_memory_bytes": 5000, "before": state, "after": state, "during": [], "cut": False,
        "turn": 0,
    }  # fmt: skip
    row = {
        "file": "m.f32.tflite", "sha256": SHA, "signature": None, "device": "app:Maker Phone",
        "kind": "measured", "discarded_rounds": 0, "inputs": [], "rounds": [once],
        "runtime": {"name": "tensorflow-lite", "version": "2.16.1", "threads": 2, "nodes": 9,
                    "delegated_nodes": 8, "kernels": "XNNPACK"},
        "profile": {"pre_ms": 0.1, "invoke_ms": 1.0, "post_ms": 0.2, "ops": None},
    }  # fmt: skip
    device = {"url": "app:Maker Phone", "kind": "measured", "board": "Maker Phone", "cores": 8,
              "cpu": "4x part 0xd05", "machine": "aarch64", "governor": None}  # fmt: skip
    return {
        "schema": 2, "kind": "bench", "date": "2026-01-02T03:04:05+00:00",
        "devices": {device["url"]: device}, "rows": [row], "failures": [], **changes,
    }  # fmt: skip


def bench(artifact: Path, *options: str) -> int:
    return run(["bench", str(artifact), "--on", "adb:R58", "--app", *options])


def writes(phone: Path, raw: dict[str, Any]) -> str:
    """Return an `am` that writes the result a little later, as the app does."""
    (phone.parent / "made.json").write_text(json.dumps(raw))
    move = f"cp {phone}/../made.json {phone}/part; mv {phone}/part {phone}/{app.RESULT}"
    return f"(sleep 0.3; {move}) > {phone}/log 2>&1 & echo Status: ok"


def test_the_screen_is_started_and_its_result_read(
    artifact: Path, phone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (phone / app.RESULT).write_text("{}")  # of another day
    pretend(tmp_path, writes(phone, result()))
    out = tmp_path / "out.json"
    assert bench(artifact, "--threads", "2", "--max-seconds", "5", "-o", str(out), "--json") == 0
    words = (tmp_path / "am.txt").read_text().split("\n")
    assert shlex.join(words[:-1]) == (
        "start -W -n edgekit.demo/.BenchmarkActivity --ez run true --esa models my-model "
        "--esa schemes f32 --ei threads 2 --ei runs 100 --ei warmup_runs 3 "
        "--ef min_seconds 1.0 --ef max_seconds 5.0"
    )
    data = json.loads(capsys.readouterr().out)
    assert data == json.loads(out.read_text())
    (row,) = data["rows"]
    assert (row["artifact"], row["madds"], row["device"]) == ("my model", 7, "adb:R58")
    assert row["latency_ms"]["p50"] == pytest.approx(1.0495)  # the mean of runs 50 and 51
    assert row["runtime"]["delegated_nodes"] == 8
    assert data["devices"]["adb:R58"]["board"] == "Maker Phone"
    assert (data["options"]["rounds"], data["finished"]) == (1, True)
    (timing,) = read_results([out]).timings
    assert timing.conditions.runtime == "tensorflow-lite"


def test_a_table_is_shown(
    artifact: Path, phone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(tmp_path, writes(phone, result()))
    assert bench(artifact) == 0
    shown = capsys.readouterr().out
    assert "tensorflow-lite 2.16.1" in shown
    assert "measured" in shown


def other_file() -> dict[str, Any]:
    row = {**result()["rows"][0], "sha256": "0" * 64}
    return result(rows=[row])


@pytest.mark.parametrize(
    ("am", "code", "line"),
    [
        ("echo 'Error: Activity class {x} does not exist.'", 3,
         "adb:R58: the app is not installed: run: adb install android_demo/build/edgekit.apk"),
        (f"echo 'bench: no model x in the app' > $F/{app.FAILURE}", 2,
         "adb:R58: the app: got bench: no model x in the app"),
        (other_file(), 2, "adb:R58: m.f32.tflite: got another file in the app, run: edgekit depl"),
        (result(schema=1), 2, "the app's result: got schema 1, expected 2, install the app anew"),
        (result(rows=[{}]), 2, "the app's result: got KeyError("),
        (result(rows=[], failures=[{"file": "m", "line": "m: cannot be loaded"}]), 2,
         "adb:R58: m: cannot be loaded"),
    ],
)  # fmt: skip
def test_what_goes_wrong_there_is_a_line(
    am: str | dict[str, Any], code: int, line: str, artifact: Path, phone: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    pretend(tmp_path, am.replace("$F", str(phone)) if isinstance(am, str) else writes(phone, am))
    assert bench(artifact) == code
    assert line in capsys.readouterr().err


def test_an_app_that_crashes_is_not_waited_for(
    artifact: Path, phone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(tmp_path, "echo Status: ok", pidof="exit 1")
    assert bench(artifact) == 3
    assert "adb:R58: the app ended before its benchmark did" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--rounds", "3"], "--rounds: not with --app: leave it out"),
        (["--cool-down", "3"], "--cool-down: not with --app"),
        (["--on", "local"], "--app: got adb:R58, local, expected --on adb:[SERIAL]"),
    ],
)
def test_what_the_app_does_not_heed_is_refused(
    options: list[str], line: str, artifact: Path, phone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(artifact, *options) == 2
    assert line in capsys.readouterr().err


def test_a_file_that_is_no_artifact_is_refused(
    artifact: Path, phone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(artifact / "m.f32.tflite") == 2
    assert "--app: got m.f32.tflite, expected artifacts" in capsys.readouterr().err


def test_a_comma_divides_names_there() -> None:
    with pytest.raises(InputError, match="models: a,b: got a comma"):
        app.intent_extras({"models": ["a,b"]})
