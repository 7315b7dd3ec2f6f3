"""edgekit run --on: the answers of another machine, through the whole command."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import arm_board
import numpy as np
import pytest
from fake_clients import HERE, put_on_path, write_client
from PIL import Image
from test_evaluate import WEIGHTS, build
from tiny_tflite import dense

from edgekit.artifact import Artifact
from edgekit.cli import run

PIXELS = np.random.default_rng(3).integers(0, 256, (2, 4, 4), np.uint8)


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    """Sixteen grey pixels times known weights, and two pictures."""
    for i, pixels in enumerate(PIXELS):
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    return build(tmp_path / "model", {"f32": dense(WEIGHTS, [1, 4, 4, 1])})


def best(answers: list[dict[str, Any]]) -> list[int]:
    return [one["answer"][0]["index"] for one in answers]


def by_hand() -> list[int]:
    real = (PIXELS.reshape(2, 16).astype(np.float64) - 127.5) / 127.5
    return [int(i) for i in (real @ WEIGHTS.T.astype(np.float64)).argmax(1)]


@pytest.fixture
def pi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A board that ssh://pi reaches, and the file where its Python writes what it is asked."""
    put_on_path(monkeypatch, tmp_path / "bin", {"ssh": HERE})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "edgekit/venv").mkdir(parents=True)
    asked = tmp_path / "asked"
    python = f'#!/bin/sh\necho "$@" >> {asked}\nexec {sys.executable} "$@"\n'
    write_client(tmp_path / "edgekit/venv/bin", "python", python)
    return asked


def test_rows_of_an_array_are_one_call(
    artifact: Artifact, pi: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bytes are pixels, as the manifest says; each row is an inference of a batch of 1."""
    np.save(tmp_path / "both.npy", PIXELS[..., np.newaxis])
    command = ["run", str(artifact.folder), str(tmp_path / "both.npy"), "--json"]
    assert run([*command, "--on", "ssh://pi"]) == 0
    (there,) = json.loads(capsys.readouterr().out)["answers"]
    (output,) = there["answer"]
    real = (PIXELS.reshape(2, 16).astype(np.float64) - 127.5) / 127.5
    np.testing.assert_allclose(output["values"], real @ WEIGHTS.T.astype(np.float64), rtol=1e-5)
    calls = [line for line in pi.read_text().splitlines() if line == "worker.py config.json"]
    assert len(calls) == 1
    assert run(command) == 0
    (here,) = json.loads(capsys.readouterr().out)["answers"]
    assert here["answer"] == there["answer"]


def test_an_evaluation_there(
    artifact: Artifact, pi: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hundred pictures are two calls, and score as here and as by hand."""
    rng = np.random.default_rng(4)
    pixels, truths = rng.integers(0, 256, (100, 4, 4, 1), np.uint8), rng.integers(0, 3, 100)
    names = ["dark", "middle", "bright"]
    data = str(tmp_path / "data.npz")
    few = {"x_train": pixels[:3], "y_train": np.arange(3)}
    np.savez(data, x_test=pixels, y_test=truths, classes=names, **few)
    command = ["evaluate", str(artifact.folder), "--data", data, "--json"]
    rows = []
    for place in (["--on", "ssh://pi"], []):
        assert run([*command, *place]) == 0
        (row,) = json.loads(capsys.readouterr().out)["rows"]
        rows.append(row)
    real = (pixels.reshape(100, 16).astype(np.float64) - 127.5) / 127.5
    hits = (real @ WEIGHTS.T.astype(np.float64)).argmax(1) == truths
    assert rows[0]["hits"] == "".join("01"[hit] for hit in hits.astype(int))
    assert [row.pop("device") for row in rows] == ["ssh://pi", "local"]
    assert rows[0] == rows[1]
    calls = [line for line in pi.read_text().splitlines() if line == "worker.py config.json"]
    assert len(calls) == 2


def test_through_ssh(
    artifact: Artifact, pi: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = [str(tmp_path / f"{i}.png") for i in range(2)]
    assert run(["run", str(artifact.folder), *pictures, "--on", "ssh://pi", "--json"]) == 0
    there = json.loads(capsys.readouterr().out)
    assert (there["device"], there["runtime"]) == ("ssh://pi", "litert")
    assert best(there["answers"]) == by_hand()
    assert run(["run", str(artifact.folder), *pictures, "--json"]) == 0
    here = json.loads(capsys.readouterr().out)
    assert here["device"] == "local"
    assert here["answers"] == there["answers"]


def test_a_bare_file_is_refused(
    artifact: Artifact, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (model,) = artifact.folder.glob("*.tflite")
    command = ["run", str(model), str(tmp_path / "0.png"), "--on", "ssh://pi"]
    assert run(command) == 2
    assert "got a bare file, expected an artifact" in capsys.readouterr().err


@pytest.mark.emulator
def test_on_an_emulated_core(
    emulator: Path, artifact: Artifact, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["run", str(artifact.folder), str(tmp_path / "0.png"), "--on", "qemu:cortex-a76"]
    assert run([*command, "--json"]) == 0
    assert best(json.loads(capsys.readouterr().out)["answers"]) == by_hand()[:1]


@pytest.mark.emulator
def test_without_an_environment(
    artifact: Artifact, reach: arm_board.Board, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["run", str(artifact.folder), str(tmp_path / "0.png"), "--on", reach.ssh]
    reach.run(f"mkdir -p {reach.root}/root/.cache/edgekit/venv")  # of whatever test was first
    reach.run(f"mv {reach.root}/root/.cache/edgekit/venv {reach.root}/root/hidden")
    try:
        assert run(command) == 3
    finally:
        reach.run(f"mv {reach.root}/root/hidden {reach.root}/root/.cache/edgekit/venv")
    assert f"run: edgekit deploy --setup --on {reach.ssh}" in capsys.readouterr().err
