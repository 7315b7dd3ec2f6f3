"""From `edgekit train bear:...` to episodes played through the artifact, and what is refused."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from commands import refused, told

from edgekit.cli import run as edgekit

pytest.importorskip("gymnasium")
SMALL = ["--algorithm", "bc", "--data", "random", "--transitions", "400", "--epochs", "1",
         "--updates", "20", "--batch-size", "16", "--hidden-units", "8,8", "--student-units", "8",
         "--rounds", "1"]  # fmt: skip


@pytest.fixture(autouse=True)
def _level():
    """A -q or -v lasts as long as its process; here there are several in one."""
    yield
    logging.getLogger("edgekit").setLevel(logging.NOTSET)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    pytest.importorskip("tf_keras")
    folder = tmp_path_factory.mktemp("bear") / "run"
    assert edgekit(["train", "bear:pendulum", *SMALL, "-o", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def artifact(run: Path) -> Path:
    folder = run.parent / "artifact"
    converted = ["convert", str(run), "--to", "tflite,onnx", "--scheme", "f32,w8a8"]
    assert edgekit([*converted, "-o", str(folder)]) in (0, 1)  # 20 updates teach next to nothing
    return folder


def test_a_run_says_what_it_learned_from(run: Path) -> None:
    kept = json.loads((run / "run.json").read_text())
    assert kept["task"]["environment"] == "Pendulum-v1"
    assert kept["task"]["batch"]["behaviour"] == "random"
    assert kept["task"]["batch"]["transitions"] == 400
    assert set(kept["test"]["float"]) == {"return", "chance", "student", "retention"}
    assert -1700 < kept["test"]["float"]["chance"] < -900  # uniform torque never stands up
    assert (run / "batch.npz").is_file()


@pytest.mark.parametrize("runtime", ["litert", "tflite-runtime", "onnxruntime"])
def test_episodes_are_the_same_in_every_runtime(artifact, capfd, runtime) -> None:
    pytest.importorskip(runtime.replace("-", "_").replace("litert", "ai_edge_litert"))
    given = ["run", str(artifact), "--env", "Pendulum-v1", "--episodes", "2", "--seed", "4"]
    found = told(capfd, *given, "--file", "f32", "--runtime", runtime)
    assert found["runtime"] == runtime
    assert found["lengths"] == [200, 200]
    assert found["median_step_us"] > 0
    if runtime != "litert":
        other = told(capfd, *given, "--file", "f32", "--runtime", "litert")
        np.testing.assert_allclose(found["returns"], other["returns"], rtol=1e-3)


def test_the_picture_of_episodes(artifact, tmp_path, capfd) -> None:
    pytest.importorskip("matplotlib")
    given = ["run", str(artifact), "--env", "Pendulum-v1", "--episodes", "2", "--file", "w8a8"]
    assert edgekit([*given, "--save", str(tmp_path)]) == 0
    text = capfd.readouterr().out
    assert "microseconds a step" in text
    assert (tmp_path / "artifact-trajectories.png").stat().st_size > 2_000


def test_rows_of_observations_get_actions(artifact, tmp_path, capfd) -> None:
    (tmp_path / "o.csv").write_text("cos,sin,speed\n1,0,0\n-1,0,3\n")
    found = told(capfd, "run", str(artifact), str(tmp_path / "o.csv"))
    rows = found["answers"][0]["answer"]
    assert len(rows) == 2
    assert all(-2 <= row["action"][0] <= 2 for row in rows)
    (tmp_path / "o.csv").write_text("cos,sin\n1,0\n")
    line = refused(capfd, 2, "run", str(artifact), str(tmp_path / "o.csv"))
    assert "columns: got 2, expected 3" in line


def test_the_sampling_form_takes_noise(run, tmp_path, capfd) -> None:
    """A cloned policy has none; asking for a form that bear has not is refused."""
    line = refused(capfd, 2, "convert", str(run), "--form", "eigen", "-o", str(tmp_path / "a"))
    assert "bear: form: got eigen" in line


def test_another_environment_is_refused(artifact, capfd) -> None:
    line = refused(capfd, 2, "run", str(artifact), "--env", "point-robot")
    assert "policy: observation: got [1, 3], expected [1, 2] in this environment" in line
    assert "unknown" in refused(capfd, 2, "run", str(artifact), "--env", "NoSuch-v0")
    assert "--env" in refused(capfd, 2, "run", str(artifact), "x.csv", "--env", "Pendulum-v1")
    assert "no INPUT" in refused(capfd, 2, "run", str(artifact))
    assert "--env" in refused(capfd, 2, "evaluate", str(artifact), "--data", "digits")


BAD = [
    (2, ["bear:cartpole"], "bear:cartpole: no such preset"),
    (2, ["bear:pendulum", "--environment", "NoSuch-v0"], "environment NoSuch-v0: unknown"),
    (2, ["bear:pendulum", "--data", "excellent"], "--data excellent: no batch"),
    (2, ["bear:pendulum", "--hidden-units", "64,x"], "expected tuple"),
    (2, ["bear:pendulum", "--kernel", "linear"], "bear: kernel"),
    (2, ["bear:pendulum", "--qat"], "--qat"),
    (2, ["bear:pendulum", "--learning-rate", "1e-3"], "--learning-rate"),
]


@pytest.mark.parametrize(("code", "given", "line"), BAD)
def test_training_refuses_in_one_line(code, given, line, tmp_path, capfd) -> None:
    folder = tmp_path / "run"
    assert line in refused(capfd, code, "train", *given, "-o", str(folder))
    assert not folder.exists()


def test_a_simulator_that_is_missing_is_exit_3(tmp_path, capfd) -> None:
    try:
        import mujoco  # noqa: F401
    except ModuleNotFoundError:
        line = refused(capfd, 3, "train", "bear:hopper", "-o", str(tmp_path / "run"))
        assert "pip install 'edgekit[mujoco]'" in line
    else:
        pytest.skip("mujoco is installed")


@pytest.mark.parametrize(
    ("damage", "line"),
    [("nan", "NaN or infinity in 1 of"), ("wide", "actions: got [400, 2], expected [400, 1]"),
     ("truncated", "damaged, or not HDF5"), ("cut", "cannot be read as a batch")],
)  # fmt: skip
def test_bad_batches_are_one_line(run, damage, line, tmp_path, capfd) -> None:
    from edgekit.agents.batch import Batch, read_batch, write_batch
    from edgekit.agents.replay import Transitions

    arrays = dict(vars(read_batch(run / "batch.npz").steps))
    path = tmp_path / "b.npz"
    if damage == "nan":
        arrays["s"][7, 1] = np.nan
    if damage == "wide":
        arrays["a"] = np.repeat(arrays["a"], 2, axis=1)
    write_batch(path, Batch(Transitions(**arrays), "Pendulum-v1"))
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:900])
    if damage == "truncated":
        h5py = pytest.importorskip("h5py")
        path = tmp_path / "b.hdf5"
        with h5py.File(path, "w") as file:
            file["observations"] = arrays["s"]
        path.write_bytes(path.read_bytes()[:2_000])
    given = ["train", "bear:pendulum", "--data", str(path), "-o", str(tmp_path / "run")]
    assert line in refused(capfd, 2, *given)


def test_a_batch_of_another_environment_is_refused(run, tmp_path, capfd) -> None:
    from edgekit.agents.batch import Batch, read_batch, write_batch

    write_batch(tmp_path / "b.npz", Batch(read_batch(run / "batch.npz").steps, "Other-v0"))
    given = ["train", "bear:pendulum", "--data", str(tmp_path / "b.npz")]
    line = refused(capfd, 2, *given, "-o", str(tmp_path / "run"))
    assert "environment: got Other-v0, expected Pendulum-v1" in line
