"""`edgekit train` as a user calls it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgekit.cli import run as edgekit

ROOT = Path(__file__).parents[2]
SMALL = ["--set", "alpha=0.35", "--set", "resolution=32", "--set", "bn_momentum=0.9",
         "--epochs", "1", "--batch-size", "16"]  # fmt: skip


@pytest.fixture(autouse=True)
def _level():
    """A -q or -v lasts as long as its process; here there are several in one."""
    yield
    logging.getLogger("edgekit").setLevel(logging.NOTSET)


@pytest.fixture
def npz(tmp_path) -> str:
    from sklearn.datasets import load_digits

    digits = load_digits(n_class=3)
    path = tmp_path / "three.npz"
    np.savez(path, x=digits.images[:90].astype(np.uint8) * 15, y=digits.target[:90])
    return str(path)


def test_help_imports_nothing_heavy():
    program = (
        "import sys; from edgekit.cli import run; run(['train', '--help']); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "--qat-epochs" in done.stdout
    modules = {name.split(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert not modules & {"tensorflow", "tf_keras", "numpy", "PIL", "sklearn", "rich"}


def test_train_then_resume(tmp_path, npz, capfd):
    pytest.importorskip("tensorflow_model_optimization")
    folder = tmp_path / "run"
    arguments = ["train", "mobilenet_v2", "--data", npz, *SMALL, "-o", str(folder), "--json"]
    assert edgekit(arguments) == 0
    captured = capfd.readouterr()
    data = json.loads(captured.out)  # data alone on stdout
    assert data["classes"] == ["0", "1", "2"]
    assert data["config"]["resolution"] == 32
    assert data["config"]["classes"] == 3
    assert data["training"]["epochs"] == 1
    assert set(data["test"]) == {"float"}
    assert 0 <= data["test"]["float"]["accuracy"] <= 1
    assert "float 1/1" in captured.err
    assert edgekit(arguments) == 2
    assert "already there" in capfd.readouterr().err
    # A finished run resumed says again what came out, from run.json alone.
    assert edgekit(["train", "--resume", "-o", str(folder), "-q"]) == 0
    captured = capfd.readouterr()
    assert f"{100 * data['test']['float']['accuracy']:.2f}%" in captured.out
    assert "float 1/1" not in captured.err
    for wrong, says in [
        (["--epochs", "9"], "another epochs: got 9, expected 1"),
        (["--set", "alpha=0.5"], "another configuration"),
        (["--data", "digits"], "another data"),
        (["--qat"], "another qat"),
    ]:
        assert edgekit(["train", "--resume", "-o", str(folder), *wrong]) == 2
        assert says in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "no FAMILY given"),
        (["resnet"], "resnet: no such family"),
        (["mobilenet_v2:9"], "no such preset"),
        (["mobilenet_v2", "--set", "colour=red"], "got colour, expected one of alpha"),
        (["mobilenet_v2", "--set", "alpha=wide"], "got wide, expected float"),
        (["mobilenet_v2", "--set", "alpha=-1"], "alpha: got -1"),
        (["mobilenet_v2", "--epochs", "0"], "epochs: got 0"),
        (["mobilenet_v2", "--epochs", "x"], "not a valid integer"),
        (["mobilenet_v2", "--augment", "twist"], "augmentation twist"),
        (["mobilenet_v2", "--data", "no\nwhere"], "not found"),
        (["mobilenet_v2", "--weights", "none.h5", "--set", "resolution=32"], "none.h5: not found"),
        (["--resume"], "not a training run"),
    ],
)
def test_wrong_input_is_one_line_and_exit_2(tmp_path, capfd, arguments, says):
    assert edgekit(["train", *arguments, "-o", str(tmp_path / "run")]) == 2
    lines = [x for x in capfd.readouterr().err.splitlines() if x.startswith("edgekit: ")]
    assert len(lines) == 1
    assert says in lines[0]
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_written(tmp_path, npz, capfd):
    (tmp_path / "file").write_text("")
    arguments = ["train", "mobilenet_v2", "--data", npz, *SMALL]
    assert edgekit([*arguments, "-o", str(tmp_path / "file" / "run")]) == 2
    assert "cannot be written" in capfd.readouterr().err


def test_the_preset_s_recipe_and_what_overrides_it():
    from edgekit.cli.train import _configure

    name, config, options = _configure("mobilenet_v2:digits", (), {"epochs": 3}, qat=True)
    assert (name, config.resolution, options.epochs) == ("mobilenet_v2", 48, 3)
    assert options.qat_epochs > 0
    assert _configure("mobilenet_v2:digits", (), {}, qat=False)[2].qat_epochs == 0
    assert _configure("mobilenet_v2", (), {"qat_epochs": 2}, qat=False)[2].qat_epochs == 2


def test_a_network_teaches_its_quantized_copy(tmp_path, npz, capfd):
    """On pictures without labels, from the command line to an integer file that agrees."""
    pytest.importorskip("tensorflow_model_optimization")
    from PIL import Image

    float_run, taught, artifact = (str(tmp_path / name) for name in ("run", "taught", "artifact"))
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for index, pixels in enumerate(np.load(npz)["x"][:40]):
        Image.fromarray(pixels).convert("RGB").save(photographs / f"{index}.png")
    train = ["train", "mobilenet_v2", "--data", npz, *SMALL, "--channels", "3", "-o", float_run]
    assert edgekit([*train, "-q"]) == 0
    capfd.readouterr()
    teach = ["train", "--teacher", float_run, "--data", str(photographs), "--qat-epochs", "2",
             "--batch-size", "8", "--qat-learning-rate", "1e-4", "-o", taught]  # fmt: skip
    assert edgekit([*teach, "--json", "-q"]) == 0
    data = json.loads(capfd.readouterr().out)
    assert set(data["test"]["qat"]) == {"agreement", "likeness", "loss"}
    assert data["best"]["qat"] > 0.9
    before, after = (statistics(taught, phase) for phase in ("float", "qat"))
    for kept, expected in zip(after, before, strict=True):  # frozen from the start
        np.testing.assert_array_equal(kept, expected)
    assert edgekit(["train", "--resume", "-o", taught, "-q"]) == 0
    assert "agreement on test" in capfd.readouterr().out
    convert = ["convert", taught, "--scheme", "qat-w8a8", "-o", artifact, "--json", "-q"]
    assert edgekit(convert) == 0
    (file,) = json.loads(capfd.readouterr().out)["files"]
    assert file["parity"]["passed"]
    assert set(file["types"]) == {"integer"}
    for wrong, says in [
        (["mobilenet_v2", "--teacher", float_run], "got another network besides"),
        (["--teacher", str(tmp_path)], "not a training run"),
    ]:
        assert edgekit(["train", *wrong, "--data", npz, "-o", str(tmp_path / "x")]) == 2
        assert says in capfd.readouterr().err


def statistics(folder: str, phase: str) -> list[np.ndarray]:
    """Return the moving means of a run's batch norms."""
    from edgekit.families.rebuild import rebuild
    from edgekit.families.run import open_run
    from edgekit.train.batch_norm import batch_norms

    norms = batch_norms(rebuild(open_run(folder), phase))
    return [norm.moving_mean.numpy() for norm in sorted(norms, key=lambda norm: norm.name)]
