"""Whole runs, small: float, QAT, what the folder holds, a kill and a resume, two workers."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow_model_optimization")
import tf_keras as keras

from edgekit.errors import InputError
from edgekit.families.mobilenet_v2 import FAMILY, Config, data
from edgekit.families.mobilenet_v2.fit import evaluate
from edgekit.families.mobilenet_v2.network import build
from edgekit.families.rebuild import rebuild
from edgekit.families.run import Run, open_run
from edgekit.quantize.qat import quantize_aware
from edgekit.train import Options
from edgekit.train.history import read_history
from edgekit.train.loop import seed_everything

ROOT = Path(__file__).parents[3]

# A program of its own, so that it can be killed and so that workers are processes.
PROGRAM = """
import sys
from pathlib import Path
from edgekit.families.mobilenet_v2 import FAMILY, Config
from edgekit.families.run import Run
from edgekit.train import Options
folder, source, flags = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
dropout = 0.2 if "dropout" in flags else 0.0
config = Config(0.35, 32, dropout=dropout, bn_momentum=0.9)
epochs, batch_size = (1, 48) if "one_step" in flags else (2, 16)
options = Options(epochs=epochs, batch_size=batch_size, checkpoint_steps=2, seed=4, warmup_epochs=0,
                  optimizer="sgd" if "sgd" in flags else "adamw")
run = Run(folder, FAMILY.name, config, options, source)
FAMILY.fit(run, resume="resume" in flags, distributed="distributed" in flags)
"""


@pytest.fixture(scope="module")
def npz(tmp_path_factory) -> str:
    """200 of scikit-learn's digits, four kinds."""
    from sklearn.datasets import load_digits

    digits = load_digits(n_class=4)
    path = tmp_path_factory.mktemp("data") / "four.npz"
    np.savez(path, x=np.rint(digits.images[:200] * 255 / 16).astype(np.uint8),
             y=digits.target[:200])  # fmt: skip
    return str(path)


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), *arguments],
        cwd=ROOT, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip


def finish(process: subprocess.Popen) -> None:
    _, log = process.communicate(timeout=300)
    assert process.returncode == 0, log[-2000:]


def fit(folder: Path, config: Config, options: Options, data: str) -> Run:
    return FAMILY.fit(Run(folder, FAMILY.name, config, options, data))


def weights(folder: Path) -> list:
    return rebuild(open_run(folder)).get_weights()


@pytest.fixture(scope="module")
def done(tmp_path_factory, npz):
    """A run of two float epochs and one of QAT."""
    folder = tmp_path_factory.mktemp("runs") / "a 'run'\n🐕"
    options = Options(epochs=2, batch_size=16, qat_epochs=1, learning_rate=2e-3)
    return fit(folder, Config(0.35, 32, bn_momentum=0.9), options, npz)


def test_the_folder_holds_what_a_conversion_needs(done):
    names = {p.name for p in done.folder.iterdir()}
    assert {"run.json", "weights.h5", "qat_weights.h5", "checkpoints", "history.jsonl",
            "tensorboard"} == names  # fmt: skip
    raw = json.loads((done.folder / "run.json").read_text())
    assert raw["schema"] == 1
    assert raw["input"] == {"mean": [127.5], "std": [127.5], "layout": "NHWC"}
    assert raw["qat"] is True
    assert raw["classes"] == ["0", "1", "2", "3"]
    assert raw["packages"]["tf_keras"] == keras.__version__
    run = open_run(done.folder)
    assert run == done or (run.config, run.options, run.test) == (
        done.config, done.options, done.test)  # fmt: skip
    assert run.config.classes == 4
    assert run.done


@pytest.mark.parametrize("phase", ["float", "qat"])
def test_the_network_comes_back_from_its_run(done, npz, phase):
    network = rebuild(open_run(done.folder), phase)
    loaded = data.load(npz, done.config, done.options)
    assert evaluate(network.predict_on_batch, loaded.test) == pytest.approx(done.test[phase])
    assert evaluate(network.predict_on_batch, loaded.validation)["accuracy"] == pytest.approx(
        done.best[phase]
    )
    quantized = any("quant" in w.name for w in network.weights)
    assert quantized == (phase == "qat")


def test_quantization_starts_from_the_float_weights_with_a_scale_a_channel(done):
    network = rebuild(open_run(done.folder))
    aware = quantize_aware(network)
    kernels = {w.name: w.numpy() for w in network.weights if "kernel" in w.name}
    copied = {w.name: w.numpy() for w in aware.weights}
    assert len(kernels) == 53  # 1 + 17 x 3 - 1 + 1 convolutions and the classifier
    assert all((copied[name] == kernel).all() for name, kernel in kernels.items())
    (scales,) = [w for w in aware.get_layer("quant_block_3_expand").weights if "max" in w.name]
    assert scales.shape == (48,)


def test_the_quantized_answer_is_near_the_float_one_but_not_it(done, npz):
    loaded = data.load(npz, done.config, done.options)
    inputs, _ = next(loaded.test.batches())
    network = rebuild(open_run(done.folder), "qat")
    answers = network.predict_on_batch(inputs)
    # The last activation is quantized too: probabilities lie on a grid of at most 256 levels.
    assert 2 < len(np.unique(answers)) <= 256
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=0.02)


def test_a_run_is_not_overwritten(done, npz):
    with pytest.raises(InputError, match=r"already there.*--resume"):
        fit(done.folder, Config(), Options(), npz)


def test_a_run_without_qat_has_no_qat_network(tmp_path, done):
    from dataclasses import replace

    run = replace(done, options=replace(done.options, qat_epochs=0))
    with pytest.raises(InputError, match="not trained quantization-aware"):
        rebuild(run, "qat")
    with pytest.raises(InputError, match=r"weights\.h5: not found"):
        rebuild(replace(done, folder=tmp_path))
    (tmp_path / "weights.h5").write_bytes(b"no")
    with pytest.raises(InputError, match="does not fit the network"):
        rebuild(replace(done, folder=tmp_path))


def test_malformed_runs(tmp_path, done):
    good = json.loads((done.folder / "run.json").read_text())
    for broken, says in [
        ({**good, "schema": 9}, "unknown schema: got 9"),
        ([1], "unknown schema: got list"),
        ({k: v for k, v in good.items() if k != "classes"}, "malformed: got KeyError"),
        ({**good, "training": {"epochs": "many"}}, "malformed"),
        ({**good, "family": "resnet"}, "no such family"),
    ]:
        (tmp_path / "run.json").write_text(json.dumps(broken))
        with pytest.raises(InputError, match=says):
            open_run(tmp_path)
    with pytest.raises(InputError, match="not a training run"):
        open_run(tmp_path / "none")


def test_the_number_of_classes_is_the_data_s(tmp_path, npz):
    with pytest.raises(InputError, match="classes: got 7, expected the data's 4, give --classes 4"):
        fit(tmp_path / "r", Config(0.35, 32, classes=7), Options(), npz)
    with pytest.raises(InputError, match="without the classifier"):
        fit(tmp_path / "r", Config(0.35, 32, include_top=False), Options(), npz)
    assert not (tmp_path / "r").exists()


def test_a_damaged_picture_ends_the_run_in_one_line(tmp_path):
    from PIL import Image

    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for i in range(12):
            noise = np.random.default_rng(i).integers(0, 255, (40, 40, 3), np.uint8)
            Image.fromarray(noise).save(tmp_path / "set" / name / f"{i}.jpg")
    for path in (tmp_path / "set" / "a").iterdir():
        path.write_bytes(path.read_bytes()[:700])
    options = Options(epochs=1, batch_size=4)
    with pytest.raises(InputError, match=r"\d\.jpg: cannot be read as a picture.*truncated"):
        fit(tmp_path / "run", Config(0.35, 32), options, str(tmp_path / "set"))


@pytest.mark.slow
def test_killed_at_a_random_moment_and_resumed_it_is_the_same_run(tmp_path, npz):
    finish(start(tmp_path / "whole", npz, "dropout"))
    killed = start(tmp_path / "killed", npz, "dropout")
    place = tmp_path / "killed" / "checkpoints" / "float"
    first = random.Random().choice(["00000-00000002", "00000-00000006", "00001-00000002"])
    deadline = time.monotonic() + 200
    while not any(p.name >= first for p in place.glob("0*")) and killed.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(random.Random().uniform(0, 0.1))
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL, "it ended before it could be killed"
    finish(start(tmp_path / "killed", npz, "dropout", "resume"))
    for a, b in zip(weights(tmp_path / "whole"), weights(tmp_path / "killed"), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    a, b = (open_run(tmp_path / name) for name in ("whole", "killed"))
    assert a.test["float"] == pytest.approx(b.test["float"])


@pytest.mark.slow
def test_two_workers_take_the_step_of_one(tmp_path, npz):
    """One step of the whole of `fit`; more would be chaos, not arithmetic.

    On one device a change of 1e-6 in the inputs of this untrained network moves a weight by 3e-4
    in one step and by 0.1 in three. Many steps are compared to 1e-4 where that is not so, in
    tests/train.
    """
    with np.load(npz) as whole:
        np.savez(tmp_path / "few.npz", x=whole["x"][:72], y=whole["y"][:72])
    arguments = (str(tmp_path / "few.npz"), "sgd", "one_step", "distributed")
    folders = start_workers(tmp_path, 2, *arguments), start_workers(tmp_path, 1, *arguments)
    two, one = (read_history(folder)[0] for folder in folders)
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-4)
    pairs = list(zip(*map(weights, folders), untrained(), strict=True))
    moved = max(np.abs(b - c).max() for _, b, c in pairs)
    assert moved > 0.01
    assert max(np.abs(a - b).max() for a, b, _ in pairs) < 0.05 * moved


def start_workers(folder: Path, count: int, *arguments: str) -> Path:
    """Train with so many workers on the loopback interface; return the run's folder."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    workers = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    for s in sockets:
        s.close()
    processes = []
    for index in range(count):
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        processes.append(start(folder / str(count), *arguments, TF_CONFIG=json.dumps(task)))
    for process in processes:
        finish(process)
    return folder / str(count)


def untrained() -> list:
    seed_everything(4)
    return build(Config(0.35, 32, classes=4, bn_momentum=0.9)).get_weights()
