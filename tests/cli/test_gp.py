"""A table from `edgekit train gp` to a mean and a band in every runtime, and what is refused."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from edgekit.cli import run as edgekit


@pytest.fixture(autouse=True)
def _level():
    """A -q or -v lasts as long as its process; here there are several in one."""
    yield
    logging.getLogger("edgekit").setLevel(logging.NOTSET)


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def sine(path: Path, rows: int = 40) -> str:
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(0, 6, rows))
    y = np.sin(x) + 0.05 * rng.standard_normal(rows)
    lines = [f"{a:.6f},{b:.6f}" for a, b in zip(x, y, strict=True)]
    return write(path, "\n".join(["time,level", *lines]) + "\n")


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("tf_keras")
    folder = tmp_path_factory.mktemp("gp")
    table = sine(folder / "table.csv")
    trained = ["train", "gp", "--data", table, "--target", "level", "--kernel", "se + white",
               "--restarts", "0", "--unit", "m", "-o", str(folder / "run")]  # fmt: skip
    assert edgekit(trained) == 0
    # The batch is free here, and fixed at 1 in the contract tests.
    converted = ["convert", str(folder / "run"), "--to", "tflite,onnx", "--max-bytes", "20000",
                 "--shape", "x=-1,1", "-o", str(folder / "artifact")]  # fmt: skip
    assert edgekit(converted) == 0
    return folder / "artifact"


@pytest.mark.parametrize("runtime", ["litert", "tflite-runtime", "onnxruntime"])
def test_mean_and_band_in_every_runtime(artifact: Path, tmp_path, capfd, runtime: str) -> None:
    pytest.importorskip(runtime.replace("-", "_").replace("litert", "ai_edge_litert"))
    new = write(tmp_path / "x.csv", "time\n1.5\n3.0\n40\n")
    assert edgekit(["run", str(artifact), new, "--runtime", runtime, "--json"]) == 0
    rows = json.loads(capfd.readouterr().out)["answers"][0]["answer"]
    assert [round(row["mean"], 0) for row in rows[:2]] == [1, 0]
    assert all(row["low"] < row["mean"] < row["high"] for row in rows)
    assert all(row["std_y"] > row["std_f"] > 0 for row in rows)
    assert rows[2]["std_f"] > 5 * rows[0]["std_f"]  # far from the data it knows that it does not


def test_band_is_drawn_over_one_input(artifact: Path, tmp_path, capfd) -> None:
    pytest.importorskip("matplotlib")
    from PIL import Image

    new = sine(tmp_path / "x.csv", 60)
    assert edgekit(["run", str(artifact), new, "--save", str(tmp_path)]) == 0
    assert "95% band" in capfd.readouterr().out
    picture = np.asarray(Image.open(tmp_path / "x-band.png"))
    assert picture.std() > 10


def test_evaluate_scores_the_rows_held_out(artifact: Path, capfd) -> None:
    table = str(artifact.parent / "table.csv")
    assert edgekit(["evaluate", str(artifact), "--data", table, "--json"]) == 0
    rows = json.loads(capfd.readouterr().out)["rows"]
    assert {row["n"] for row in rows} == {8}  # a fifth
    rmse = [row["value"] for row in rows if row["metric"] == "RMSE"]
    assert max(rmse) < 0.1
    assert {row["metric"] for row in rows} == {"RMSE", "NLPD", "95% coverage"}


def test_verify_and_inspect(artifact: Path, capfd) -> None:
    (file,) = artifact.glob("*.tflite")
    assert file.stat().st_size <= 20_000  # as --max-bytes asked
    assert edgekit(["verify", str(artifact)]) == 0
    assert edgekit(["inspect", str(artifact)]) == 0


BAD = {
    "NaN": ("a,b\n1,2\n2,nan\n3,4\n", "column b, row 2"),
    "empty cell": ("a,b\n1,2\n,3\n3,4\n", "column a, row 2"),
    "text column": ("a,city,b\n1,Ulm,2\n2,Bonn,3\n", "column city, row 1"),
    "constant column": ("a,c,b\n1,7,2\n2,7,3\n3,7,5\n4,7,6\n", "column c is constant"),
    "duplicate rows": ("a,b\n1,2\n1,2\n3,4\n", "duplicate rows"),
    "one row": ("a,b\n1,2\n", "column b"),
    "no target": ("a,c\n1,2\n2,3\n", "no column b"),
    "one column": ("b\n1\n2\n", "no column beside the target b"),
    "ragged": ("a,b\n1,2\n1,2,3\n", "row 2"),
    "nothing": ("", "empty"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tables_are_one_line(case: str, tmp_path, capfd) -> None:
    pytest.importorskip("scipy")
    text, named = BAD[case]
    table = write(tmp_path / "t.csv", text)
    arguments = ["train", "gp", "--data", table, "--target", "b", "-o", str(tmp_path / "run")]
    assert edgekit(arguments) == 2
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert named in lines[0]
    assert not (tmp_path / "run").exists()


def test_a_column_too_many_is_named(artifact: Path, tmp_path, capfd) -> None:
    new = write(tmp_path / "x.csv", "time,wind\n1,2\n")
    assert edgekit(["run", str(artifact), new]) == 2
    assert "column wind" in capfd.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--kernel", "sse"],
        ["--mean", "cubic"],
        ["--qat"],
        ["--augment", "none"],
        ["--weights", "x"],
    ],
)
def test_options_that_mean_nothing_are_refused(arguments, tmp_path, capfd) -> None:
    table = sine(tmp_path / "t.csv")
    given = ["train", "gp", "--data", table, *arguments, "-o", str(tmp_path / "run")]
    assert edgekit(given) == 2
    assert len(capfd.readouterr().err.strip().splitlines()) == 1


def test_only_a_process_has_a_dial(tmp_path, capfd) -> None:
    pytest.importorskip("tf_keras")
    given = ["convert", "mobilenet_v2:0.35-96", "--max-bytes", "9000", "-o", str(tmp_path / "a")]
    assert edgekit(given) == 2
    assert "--max-bytes" in capfd.readouterr().err


def test_a_target_as_a_logarithm_has_a_band_that_is_not_symmetric(tmp_path, capfd) -> None:
    pytest.importorskip("tf_keras")
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 6, 60)
    y = 5 + np.exp(1 + np.sin(x) + 0.2 * rng.standard_normal(60))
    lines = [f"{a:.6f},{b:.6f}" for a, b in zip(x, y, strict=True)]
    table = write(tmp_path / "t.csv", "\n".join(["time,level", *lines]) + "\n")
    run, artifact = str(tmp_path / "run"), str(tmp_path / "artifact")
    given = ["train", "gp", "--data", table, "--target", "level", "--kernel", "se + white"]
    assert edgekit([*given, "--warp", "log", "--restarts", "0", "-o", run]) == 0
    assert edgekit(["convert", run, "--max-bytes", "20000", "-o", artifact]) == 0
    new = write(tmp_path / "x.csv", "time\n1.5\n")
    capfd.readouterr()
    assert edgekit(["run", artifact, new, "--json"]) == 0
    (row,) = json.loads(capfd.readouterr().out)["answers"][0]["answer"]
    assert 5 < row["low"] < row["mean"] < row["high"]
    assert row["high"] - row["mean"] > 1.1 * (row["mean"] - row["low"])
    assert edgekit(["evaluate", artifact, "--data", table, "--json"]) == 0
    rows = json.loads(capfd.readouterr().out)["rows"]
    assert {row["n"] for row in rows} == {12}
    assert edgekit([*given, "--warp", "root", "-o", run + "2"]) == 2
    assert "warp" in capfd.readouterr().err


def test_what_bends_answers_back_counts_among_the_bytes(tmp_path) -> None:
    pytest.importorskip("tf_keras")
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (60, 5))
    y = 5 + np.exp(np.sin(2 * x[:, 0]) + x[:, 1] + 0.1 * rng.standard_normal(60))
    lines = [",".join(f"{value:.6f}" for value in row) for row in np.column_stack([x, y])]
    table = write(tmp_path / "t.csv", "\n".join(["a,b,c,d,e,y", *lines]) + "\n")
    run, artifact = str(tmp_path / "run"), tmp_path / "artifact"
    given = ["train", "gp", "--data", table, "--kernel", "rq + white", "--restarts", "0"]
    assert edgekit([*given, "--warp", "log", "-o", run]) == 0
    assert edgekit(["convert", run, "--max-bytes", "20000", "-o", str(artifact)]) == 0
    (file,) = artifact.glob("*.tflite")
    assert 17_000 < file.stat().st_size <= 20_000
