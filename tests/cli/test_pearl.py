"""From `edgekit train pearl:...` to tasks played through the artifact, and what is refused."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import refused, told

from edgekit.cli import run as edgekit
from edgekit.profile.timing.targets import find_targets

SMALL = ["--iterations", "2", "--updates", "2", "--initial-steps", "20", "--posterior-steps", "0",
         "--train-tasks", "4", "--tasks-collected", "2",
         "--test-tasks", "3", "--meta-batch", "2", "--batch", "4", "--hidden-units", "8",
         "--encoder-units", "8", "--student-units", "8", "--rounds", "1", "--lesson", "4",
         "--trajectories", "2", "--replay", "400"]  # fmt: skip
SOME = ["--env", "point-robot", "--episodes", "2", "--seed", "4"]


@pytest.fixture(autouse=True)
def _level():
    """A -q or -v lasts as long as its process; here there are several in one."""
    yield
    logging.getLogger("edgekit").setLevel(logging.NOTSET)


@pytest.fixture(scope="module")
def eagerly():
    """Compile nothing: a dozen updates are done before the first would be compiled."""
    tf = pytest.importorskip("tensorflow")
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def run(eagerly, tmp_path_factory) -> Path:
    """Return a run that was killed in its second iteration, with a checkpoint of the first."""
    from edgekit.train.history import History

    folder = tmp_path_factory.mktemp("pearl") / "run"
    given = ["train", "pearl:point-robot-small", *SMALL, "--checkpoint-seconds", "1e-6"]
    add = History.add

    def add_or_die(self, row):
        add(self, row)
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    History.add = add_or_die
    try:
        assert edgekit([*given, "-o", str(folder)]) == 130
    finally:
        History.add = add
    assert edgekit(["train", "--resume", "-o", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def artifact(run: Path) -> Path:
    folder = run.parent / "artifact"
    converted = ["convert", str(run), "--to", "tflite,onnx", "--scheme", "f32,w8a8"]
    assert edgekit([*converted, "-o", str(folder)]) in (0, 1)  # four updates teach next to nothing
    return folder


def curve(folder: Path) -> list[dict]:
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if "seconds" not in k} for row in rows]


def test_a_resumed_run_has_the_same_curve(run: Path, eagerly, tmp_path) -> None:
    again = ["train", "pearl:point-robot-small", *SMALL, "--rounds", "0", "-o", str(tmp_path / "r")]
    assert edgekit(again) == 0
    assert len(curve(run)) == 2
    assert curve(run) == curve(tmp_path / "r")
    assert list((run / "tensorboard").rglob("events*"))


def test_a_run_says_what_it_is_worth(run: Path) -> None:
    kept = json.loads((run / "run.json").read_text())
    assert kept["task"] == {"environment": "point-robot", "rewards": "dense", "trajectories": 2,
                            "spread": False, "widen": 1.0}  # fmt: skip
    assert set(kept["test"]["float"]) == {"return", "success", "chance", "student", "retention"}
    assert -30 < kept["test"]["float"]["chance"] < -15  # a random walk stays about 1 away


def test_the_agent_itself_is_a_form(run: Path, tmp_path, capfd) -> None:
    from edgekit.families.pearl.source import source
    from edgekit.families.run import open_run

    agent, student = (source(open_run(run), form) for form in ("teacher", "student"))
    assert list(agent.entries) == ["encode", "fuse", "act"]
    kernels = [s.model.get_layer("act").get_weights()[0] for s in (agent, student)]
    assert [k.shape for k in kernels] == [(7, 8), (7, 8)]
    assert np.abs(kernels[0] - kernels[1]).max() > 0.01
    line = refused(capfd, 2, "convert", str(run), "--form", "eigen", "-o", str(tmp_path / "b"))
    assert "pearl: form: got eigen, expected student or teacher" in line


@pytest.mark.parametrize("runtime", ["litert", "tflite-runtime", "onnxruntime"])
def test_tasks_are_the_same_in_every_runtime(artifact, capfd, runtime) -> None:
    pytest.importorskip(runtime.replace("-", "_").replace("litert", "ai_edge_litert"))
    found = told(capfd, "run", str(artifact), *SOME, "--file", "f32", "--runtime", runtime)
    assert (found["runtime"], np.shape(found["returns"])) == (runtime, (2, 2))
    assert min(found[f"median_{name}_us"] for name in ("act", "encode", "fuse")) > 0
    if runtime != "litert":
        other = told(capfd, "run", str(artifact), *SOME, "--file", "f32", "--runtime", "litert")
        np.testing.assert_allclose(found["latents"], other["latents"], rtol=0, atol=1e-5)


def test_the_picture_of_tasks(artifact, tmp_path, capfd) -> None:
    pytest.importorskip("matplotlib")
    given = ["run", str(artifact), *SOME, "--file", "w8a8", "--trajectories", "3"]
    assert edgekit([*given, "--save", str(tmp_path)]) == 0
    text = capfd.readouterr().out
    assert "trajectory 3: return" in text
    assert "microseconds" in text
    assert (tmp_path / "artifact-trajectories.png").stat().st_size > 2_000


def test_verify_inspect_and_bench_know_three_entry_points(artifact, capfd) -> None:
    found = told(capfd, "inspect", str(artifact))["files"]
    sums = {}
    for entry in found:
        key = entry["scheme"], entry["format"]
        sums[key] = sums.get(key, 0) + entry["madds"]
    assert len(set(sums.values())) == 1
    (whole,) = (f for f in found if f["file"] == "pearl-run.f32.tflite")
    assert {t["name"] for t in whole["inputs"]} == {
        "observation", "action", "reward", "precision", "precision_mean", "noise", "z",
    }  # fmt: skip
    told_apart = told(capfd, "inspect", str(artifact / whole["file"]))["entries"]
    assert [entry["name"] for entry in told_apart] == ["encode", "fuse", "act"]
    assert sum(entry["madds"] for entry in told_apart) == whole["madds"]
    assert sum(entry["arena_bytes"] for entry in told_apart) == whole["arena_bytes"]
    assert edgekit(["verify", str(artifact), "--file", "f32"]) == 0
    assert {"precision", "action", "z"} <= set(capfd.readouterr().out.split())
    targets = find_targets([artifact], schemes=["f32"], runtime="litert")
    assert [t.signature for t in targets] == ["encode", "fuse", "act"]
    assert [t.madds for t in targets] == [entry["madds"] for entry in told_apart]
    (one,) = find_targets([artifact], schemes=["f32"], runtime="litert", signature="act")
    assert one.name == "pearl-run.f32.tflite act"


def test_what_does_not_fit_is_one_line(artifact, tmp_path, capfd) -> None:
    given = ["run", str(artifact)]
    assert "tasks lunar: unknown" in refused(capfd, 2, *given, "--env", "lunar")
    (tmp_path / "o.csv").write_text("x,y\n0,0\n")
    assert "--env" in refused(capfd, 2, *given, str(tmp_path / "o.csv"))
    assert "--env" in refused(capfd, 2, "evaluate", str(artifact), "--data", "digits")
    manifest = json.loads((artifact / "manifest.json").read_text())
    manifest["files"] = [f for f in manifest["files"] if "fuse" not in f["path"]]
    for file in artifact.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    line = refused(capfd, 2, "run", str(tmp_path), *SOME, "--runtime", "onnxruntime")
    assert "policy: signatures: got encode, act, expected serving_default or act" in line


def test_an_artifact_for_another_robot_is_refused(artifact, capfd) -> None:
    pytest.importorskip("gymnasium")
    pytest.importorskip("mujoco")
    line = refused(capfd, 2, "run", str(artifact), "--env", "cheetah-vel", "--episodes", "1")
    assert "policy: observation: got [1, 2], expected [1, 17] in this environment" in line


BAD = [
    ["pearl:lunar"], "pearl:lunar: no such preset",
    ["pearl:point-robot", "--factors", "mean"], "pearl: factors",
    ["pearl:point-robot", "--form", "tiny"], "pearl: form",
    ["pearl:point-robot", "--tasks", "lunar"], "tasks lunar: unknown",
    ["pearl:point-robot", "--clip", "much"], "--set clip=much",
    ["pearl:point-robot", "--hidden-units", "64,x"], "expected tuple",
    ["pearl:point-robot", "--data", "digits"], "--data",
    ["pearl:point-robot", "--qat"], "--qat",
    ["pearl:point-robot", "--epochs", "3"], "--epochs: not an option of pearl",
    ["pearl:cheetah-vel", "--sparse", "true"], "sparse rewards of cheetah-vel",
]  # fmt: skip


@pytest.mark.parametrize(("given", "line"), list(zip(BAD[::2], BAD[1::2], strict=True)))
def test_training_refuses_in_one_line(given, line, tmp_path, capfd) -> None:
    if "cheetah" in given[0]:
        pytest.importorskip("mujoco")
    folder = tmp_path / "run"
    assert line in refused(capfd, 2, "train", *given, "-o", str(folder))
    assert not folder.exists()


def test_gymnasium_that_is_missing_is_exit_3(tmp_path, capfd, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    line = refused(capfd, 3, "train", "pearl:cheetah-dir", "-o", str(tmp_path / "run"))
    assert "pip install 'edgekit[rl]'" in line
    assert not (tmp_path / "run").exists()


def test_a_simulator_that_is_missing_is_exit_3(tmp_path, capfd, monkeypatch) -> None:
    gymnasium = pytest.importorskip("gymnasium")

    def make(*_, **__):  # as gymnasium says it
        raise gymnasium.error.DependencyNotInstalled(
            'MuJoCo is not installed, run `pip install "gymnasium[mujoco]"`'
        )

    monkeypatch.setattr(gymnasium, "make", make)
    line = refused(capfd, 3, "train", "pearl:ant-goal", "-o", str(tmp_path / "run"))
    assert "pip install 'edgekit[mujoco]'" in line
    assert not (tmp_path / "run").exists()
