"""From `edgekit train phylogeny:...` to an answer about a CSV, and what is refused."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import numpy as np
import pytest

from edgekit.cli import run as edgekit
from edgekit.families.phylogeny.simulation import add_noise, coalescent
from edgekit.tasks.matrices.perfect import conflict_free

SIZE = ["--rows", "8", "--columns", "6", "--channels", "8", "--blocks", "1", "--matrices", "64",
        "--epochs", "1", "--batch-size", "32"]  # fmt: skip


@pytest.fixture(autouse=True)
def _level():
    """A -q or -v lasts as long as its process; here there are several in one."""
    yield
    logging.getLogger("edgekit").setLevel(logging.NOTSET)


@pytest.fixture(scope="module", params=["branching-10x10", "noise", "noise-exact", "elimination"])
def artifact(request, tmp_path_factory) -> tuple[str, Path]:
    pytest.importorskip("tf_keras")
    folder = tmp_path_factory.mktemp("phylogeny")
    trained = ["train", f"phylogeny:{request.param}", *SIZE, "-o", str(folder / "run")]
    assert edgekit(trained) == 0
    converted = ["convert", str(folder / "run"), "--to", "tflite,onnx", "--scheme", "f32,w8a8",
                 "-o", str(folder / "artifact")]  # fmt: skip
    assert edgekit(converted) in (0, 1)  # of a network that learned nothing int8 may be out of gate
    return request.param, folder / "artifact"


def table(path: Path, values: np.ndarray) -> str:
    lines = [",".join(["cell", *(f"M{j}" for j in range(values.shape[1]))])]
    lines += [f"c{i}," + ",".join(map(str, row)) for i, row in enumerate(values)]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def noisy(path: Path) -> str:
    rng = np.random.default_rng(0)
    values = add_noise(coalescent(1, 8, 6, rng), 0.1, 0.2, 0.0, rng)[0]
    values[:3, :2] = [[1, 1], [1, 0], [0, 1]]
    return table(path, values)


@pytest.mark.parametrize("runtime", ["litert", "tflite-runtime", "onnxruntime"])
def test_answers_in_every_runtime(artifact, tmp_path, capfd, runtime) -> None:
    pytest.importorskip(runtime.replace("-", "_").replace("litert", "ai_edge_litert"))
    preset, folder = artifact
    matrix = noisy(tmp_path / "m.csv")
    assert edgekit(["run", str(folder), matrix, "--runtime", runtime, "--json"]) == 0
    (row,) = json.loads(capfd.readouterr().out)["answers"][0]["answer"]
    if preset.startswith("branching"):
        assert row["topology"] in ("branching", "linear")
        assert 0 <= row["branching"] <= 1
    elif preset == "noise-exact":
        assert row["conflict"] is True
        assert ["M0", "M1"] in [pair["columns"] for pair in row["pairs"]]
    elif preset == "elimination":
        assert conflict_free(np.array(row["matrix"]))
        assert row["flips"]
        assert row["newick"].endswith(";")


@pytest.mark.parametrize("scheme", ["f32", "w8a8"])
def test_answers_in_words(artifact, tmp_path, capfd, scheme) -> None:
    preset, folder = artifact
    assert edgekit(["run", str(folder), noisy(tmp_path / "m.csv"), "--file", scheme]) == 0
    text = capfd.readouterr().out
    expected = {"branching-10x10": r"(branching|linear): the tree .*\(probability 0\.\d{3}\)",
                "noise": r"conflict", "noise-exact": r"M0 and M1: 11, 10 and 01 all occur",
                "elimination": r"M\d: [01] -> [01][\s\S]*tree:\n\s*\("}  # fmt: skip
    assert re.search(expected[preset], text), text


def test_a_corrected_matrix_is_drawn(artifact, tmp_path, capfd) -> None:
    preset, folder = artifact
    pytest.importorskip("PIL")
    given = ["run", str(folder), noisy(tmp_path / "m.csv"), "--save", str(tmp_path)]
    drawn = preset == "elimination"
    assert edgekit(given) == (0 if drawn else 2)
    assert (tmp_path / "m-corrected.png").exists() == drawn


def test_evaluate_on_what_training_kept_for_testing(artifact, capfd) -> None:
    preset, folder = artifact
    test = str(folder.parent / "run" / "test.npz")
    assert edgekit(["evaluate", str(folder), "--data", test, "--file", "f32", "--json"]) == 0
    rows = json.loads(capfd.readouterr().out)["rows"]
    metrics = {"elimination": {"conflict-free", "NLL", "changes"}}
    assert {row["metric"] for row in rows} == metrics.get(preset, {"accuracy", "AUC"})
    for row in rows:
        if row["metric"] == "conflict-free" or (preset, row["metric"]) == (
            "noise-exact",
            "accuracy",
        ):
            assert row["value"] == 1.0


BAD = {
    "a two": ("cell,A,B\nc1,1,0\nc2,2,1\n", "line 3, column A"),
    "too many rows": ("A,B\n" + "1,0\n" * 9, "row 9 is beyond"),
    "too many columns": ("A,B,C,D,E,F,G\n" + "1,0,0,0,0,0,0\n" * 3, "column G is beyond"),
    "one row": ("A,B\n1,0\n", "too few rows"),
    "nothing": ("", "empty"),
    "ragged": ("A,B\n1,0\n1\n", "line 3"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_matrices_are_one_line(artifact, case, tmp_path, capfd) -> None:
    text, named = BAD[case]
    (tmp_path / "m.csv").write_text(text)
    assert edgekit(["run", str(artifact[1]), str(tmp_path / "m.csv")]) == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert named in line


@pytest.mark.parametrize(
    "arguments",
    [["--problem", "sorting"], ["--network", "exact"], ["--alpha", "0"], ["--rows", "1"], ["--qat"],
     ["--augment", "none"], ["--data", "digits"], ["--weights", "x"], ["--matrices", "2"]],
)  # fmt: skip
def test_options_that_mean_nothing_are_refused(arguments, tmp_path, capfd) -> None:
    given = ["train", "phylogeny:branching-10x10", *arguments, "-o", str(tmp_path / "run")]
    assert edgekit(given) == 2
    assert len(capfd.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()
