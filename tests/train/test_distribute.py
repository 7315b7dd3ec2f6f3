"""Many steps of two worker processes against one's, on a network small enough to stay calm."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from edgekit.errors import InputError
from edgekit.train.distribute import choose_strategy

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from edgekit.train import Options
from edgekit.train.distribute import choose_strategy, replicate, shard
strategy = choose_strategy(True)
import tensorflow as tf
import tf_keras as keras
from edgekit.train.loop import Phase, seed_everything, train

folder = Path(sys.argv[1])
generator = np.random.default_rng(0)
y = np.arange(64) % 2
x = (generator.normal(size=(64, 8, 8, 1)) + y[:, None, None, None] * 0.5).astype(np.float32)


class Pictures:
    steps = 4

    def batches(self, epoch, first_step, part):
        order = np.random.default_rng(epoch).permutation(64).reshape(4, 16)[first_step:]
        size = 16 // part.count
        chosen = order[:, part.index * size : (part.index + 1) * size].reshape(-1)
        data = tf.data.Dataset.from_tensor_slices((x[chosen], y[chosen]))
        return data.batch(size // part.replicas)


def accuracy(predict):
    return {"accuracy": float((predict(x).argmax(axis=1) == y).mean())}


seed_everything(3)
layers = keras.layers
network = replicate(keras.Sequential([
    layers.Input((8, 8, 1)), layers.Conv2D(6, 3, use_bias=False), layers.BatchNormalization(),
    layers.ReLU(6.0), layers.GlobalAveragePooling2D(), layers.Dense(2, activation="softmax"),
]), strategy)
options = Options(epochs=3, batch_size=16, learning_rate=0.1, optimizer="sgd", checkpoint_steps=3)
chief = shard(strategy).index == 0
loss = keras.losses.sparse_categorical_crossentropy
before = network.get_weights()
best = train(network, loss, Pictures(), accuracy, options,
             Phase("float", folder, folder / "weights.h5"), strategy=strategy)
values = network.get_weights()
if chief:
    np.savez(folder / "end.npz", best=best, *values,
             moved=max(abs(a - b).max() for a, b in zip(before, values)))
"""


def train_with(folder: Path, count: int) -> dict:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    workers = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    for s in sockets:
        s.close()
    processes = []
    for index in range(count):
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CONFIG": json.dumps(task)}
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(folder / str(count))],
                env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True,
            )
        )  # fmt: skip
    for process in processes:
        _, log = process.communicate(timeout=300)
        assert process.returncode == 0, log[-2000:]
    return dict(np.load(folder / str(count) / "end.npz"))


@pytest.mark.slow
def test_two_workers_end_with_the_weights_of_one(tmp_path):
    one, two = train_with(tmp_path, 1), train_with(tmp_path, 2)
    assert one["moved"] > 0.05
    for name in one:
        np.testing.assert_allclose(two[name], one[name], atol=1e-4)
    # Only the chief wrote.
    assert len((tmp_path / "2" / "history.jsonl").read_text().splitlines()) == 3
    places = sorted(p.name for p in (tmp_path / "2" / "checkpoints" / "float").iterdir())
    assert places == ["00002-00000003", "00003-00000000"]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"cluster": {}}', '{"cluster": {"worker": ["a:1"]}, "task": {"index": 3}}']
)
def test_a_wrong_tf_config_is_one_line(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match="TF_CONFIG: got"):
        choose_strategy(True)
