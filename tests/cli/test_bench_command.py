"""edgekit bench as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_models import make_artifact, write_tflite

from edgekit.cli import run
from edgekit.report.results import read_results

QUICK = ["--rounds", "2", "--runs", "4", "--min-seconds", "0", "--warmup", "1", "--retries", "0"]


def test_table_fits_80_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    artifact = make_artifact(tmp_path / "art")
    output = tmp_path / "r e s.json"
    assert run(["bench", str(artifact.folder), *QUICK, "-o", str(output)]) == 0
    table = capsys.readouterr().out
    assert max(map(len, table.splitlines())) <= 80
    for word in ("p50", "95% interval", "p90", "p99", "first", "load", "MB", "w8a8", "measured on"):
        assert word in table
    timings = read_results([output]).timings
    assert [t.file for t in timings] == ["a.w8a8.tflite", "a.f32.onnx"]
    assert all(len(t.rounds_ms) == 2 for t in timings)


def test_json_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_tflite(tmp_path / "[bold] 'name'\n😀.tflite")
    assert run(["bench", str(path), *QUICK, "--json", "--no-samples"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["schema"], data["kind"], data["finished"]) == (2, "bench", True)
    assert data["rows"][0]["file"] == path.name
    assert data["devices"]["local"]["cores"] >= 1
    assert "samples_ms" not in data["rows"][0]["rounds"][0]


def test_names_are_no_markup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_tflite(tmp_path / "[red]m[green].tflite")
    assert run(["bench", str(path), *QUICK]) == 0
    assert "[red]m[green]" in capsys.readouterr().out.replace("\n", "")


def test_finished_rows_are_shown_before_the_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = write_tflite(tmp_path / "good.tflite"), tmp_path / "bad.tflite"
    bad.write_bytes(b"no model")
    assert run(["bench", str(bad), str(good), *QUICK]) == 2
    out, err = capsys.readouterr()
    assert "good.tflite" in out
    assert "bad.tflite: litert refuses the model" in err.replace("\n", "")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["missing.tflite"], 2), (["MODEL", "--on", "usb:1"], 2), (["MODEL", "--threads", "0"], 2),
        (["MODEL", "--cpus", "a"], 2), (["MODEL", "--max-spread", "wide"], 2), ([], 2),
        (["MODEL", "--inputs", "missing.npz"], 2), (["MODEL", "--runtime", "onnxruntime"], 2),
        (["MODEL", "-o", "/proc/nowhere/r.json"], 2), (["MODEL", "--signature", "s"], 2),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(
    arguments: list[str], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(write_tflite(tmp_path / "m.tflite"))
    quick = QUICK if arguments else []
    assert run(["bench", *(model if a == "MODEL" else a for a in arguments), *quick]) == code
    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if line.startswith("edgekit: ")]) == 1
    assert "Traceback" not in "".join(lines)
