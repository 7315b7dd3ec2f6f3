"""The loop on a small network: it learns, it keeps the best, and a resumed run is the same run."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
import tf_keras as keras  # noqa: E402

from edgekit.errors import CheckFailedError, InputError  # noqa: E402
from edgekit.train import Options  # noqa: E402
from edgekit.train.history import read_history  # noqa: E402
from edgekit.train.loop import Phase, seed_everything, train  # noqa: E402

X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
Y = (X @ [1.0, -2.0, 0.5, 0.0] > 0).astype(np.int64)
OPTIONS = Options(epochs=4, batch_size=8, learning_rate=0.05, checkpoint_steps=2, seed=7)


class Rows:
    """Batches of X and Y; `stop_after` steps in all, as a power cut would."""

    steps = 5

    def __init__(self, stop_after: int | None = None, poison: float = 0.0) -> None:
        self.left = itertools.count() if stop_after is None else iter(range(stop_after))
        self.poison = poison

    def batches(self, epoch, first_step, part):
        order = np.random.default_rng([3, epoch]).permutation(40).reshape(5, 8)[first_step:]

        def rows():
            for chosen in order:
                if next(self.left, None) is None:
                    raise KeyboardInterrupt
                yield X[chosen] + np.float32(self.poison), Y[chosen]

        spec = (tf.TensorSpec((8, 4), tf.float32), tf.TensorSpec((8,), tf.int64))
        if part.count == 1 and self.left.__class__ is itertools.count:
            return tf.data.Dataset.from_generator(rows, output_signature=spec)
        return Interrupted(rows)


class Interrupted:
    """A dataset whose iteration may be cut."""

    def __init__(self, rows):
        self.rows = rows

    def __iter__(self):
        return ((tf.constant(x), tf.constant(y)) for x, y in self.rows())


def network():
    seed_everything(1)
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((4,)),
            layers.Dense(8, activation="relu"),
            layers.BatchNormalization(momentum=0.8),
            layers.Dropout(0.3),
            layers.Dense(2, activation="softmax"),
        ]
    )


def accuracy(predict):
    return {"accuracy": float((predict(X).argmax(axis=1) == Y).mean())}


def run(folder, data=None, *, resume=False, options=OPTIONS, evaluate=accuracy, **of_phase):
    model = network()
    phase = Phase("float", folder, folder / "weights.h5", **of_phase)
    loss = keras.losses.sparse_categorical_crossentropy
    best = train(model, loss, data or Rows(), evaluate, options, phase, resume=resume)
    return model, best


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    model, best = run(folder)
    return folder, model.get_weights(), best


def test_it_learns(whole):
    folder, weights, best = whole
    rows = read_history(folder)
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert rows[-1]["loss"] < 0.7 * rows[0]["loss"]
    assert best == max(row["val_accuracy"] for row in rows) > 0.8
    assert not all((a == b).all() for a, b in zip(weights, network().get_weights(), strict=True))


def test_the_first_steps_are_those_of_keras_itself(tmp_path):
    """Without dropout's chance, against Model.fit with the same optimizer on the same batches."""
    options = Options(epochs=1, batch_size=8, learning_rate=0.05, warmup_epochs=0, weight_decay=0,
                      schedule="constant", optimizer="sgd")  # fmt: skip

    def plain():
        kept = [layer for layer in network().layers if not layer.name.startswith("dropout")]
        return keras.Sequential([keras.layers.Input((4,)), *kept])

    ours, theirs = plain(), plain()
    theirs.set_weights(ours.get_weights())
    phase = Phase("float", tmp_path, tmp_path / "w.h5")
    loss = keras.losses.sparse_categorical_crossentropy
    train(ours, loss, Rows(), accuracy, options, phase)
    theirs.compile(keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True), loss)
    order = np.random.default_rng([3, 0]).permutation(40)
    theirs.fit(X[order], Y[order], batch_size=8, shuffle=False, verbose=0)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("steps", [0, 4, 5, 13])
def test_cut_after_any_step_and_resumed_it_is_the_same_run(tmp_path, whole, monkeypatch, steps):
    strategy = tf.distribute.get_strategy()
    monkeypatch.setattr(
        type(strategy.extended), "_distribute_datasets_from_function",
        lambda self, make, options: make(None),
    )  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Rows(stop_after=steps))
    monkeypatch.undo()
    model, best = run(tmp_path, resume=True)
    folder, weights, expected = whole
    assert best == expected
    for a, b in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    keep = lambda rows: [{k: v for k, v in r.items() if k != "seconds"} for r in rows]  # noqa: E731
    for a, b in zip(keep(read_history(tmp_path)), keep(read_history(folder)), strict=True):
        assert a == pytest.approx(b, abs=1e-6)


def test_another_seed_of_dropout_is_another_run(tmp_path, whole):
    """The comparison above can fail: chance does play in it."""
    model = network()
    model.layers[2]._random_generator._generator.reset_from_seed(99)
    phase = Phase("float", tmp_path, tmp_path / "w.h5")
    loss = keras.losses.sparse_categorical_crossentropy
    train(model, loss, Rows(), accuracy, OPTIONS, phase)
    worst = max(np.abs(a - b).max() for a, b in zip(model.get_weights(), whole[1], strict=True))
    assert worst > 1e-3


def test_a_finished_run_resumed_trains_no_further(tmp_path, whole):
    run(tmp_path)
    before = (tmp_path / "weights.h5").stat().st_mtime_ns
    _, best = run(tmp_path, Rows(stop_after=0), resume=True)
    assert (tmp_path / "weights.h5").stat().st_mtime_ns == before
    assert best == whole[2]


def test_the_best_epoch_is_kept_and_a_tie_goes_to_the_later(tmp_path):
    figures = iter([0.2, 0.9, 0.9, 0.5])
    seen = []

    def scores(predict):
        seen.append(predict(X))
        return {"accuracy": next(figures)}

    model, best = run(tmp_path, evaluate=scores)
    assert best == 0.9
    np.testing.assert_allclose(model(X, training=False), seen[2], atol=1e-6)
    assert np.abs(seen[3] - seen[2]).max() > 1e-4


def test_what_it_begins_with_is_kept_where_no_epoch_is_better(tmp_path):
    figures = iter([0.9, 0.2, 0.8, 0.7, 0.5])
    model, best = run(tmp_path, evaluate=lambda _: {"accuracy": next(figures)}, start_counts=True)
    assert best == 0.9
    for kept, begun in zip(model.get_weights(), network().get_weights(), strict=True):
        np.testing.assert_array_equal(kept, begun)
    assert [row["val_accuracy"] for row in read_history(tmp_path)] == [0.2, 0.8, 0.7, 0.5]


def test_two_checkpoints_are_kept_and_drafts_are_swept(tmp_path):
    (tmp_path / "checkpoints" / "float" / ".00001-draft").mkdir(parents=True)
    run(tmp_path)
    names = sorted(p.name for p in (tmp_path / "checkpoints" / "float").iterdir())
    assert names == ["00003-00000004", "00004-00000000"]


def test_a_loss_that_is_not_finite_stops_the_run_before_a_checkpoint(tmp_path):
    with pytest.raises(CheckFailedError, match=r"diverged in epoch 1.*NaN"):
        run(tmp_path, Rows(poison=float("nan")))
    assert not list((tmp_path / "checkpoints" / "float").glob("*"))


def test_a_damaged_checkpoint_is_named(tmp_path):
    run(tmp_path)
    newest = tmp_path / "checkpoints" / "float" / "00004-00000000"
    (newest / "state.index").write_bytes(b"nothing")
    with pytest.raises(InputError, match="00004-00000000: cannot be restored"):
        run(tmp_path, resume=True)


def test_hostile_folder_name_and_tensorboard(tmp_path):
    folder = tmp_path / "a 'b'\n[c]*é🐕"
    run(folder)
    run(folder, resume=True)
    assert json.loads((folder / "history.jsonl").read_text().splitlines()[0])["epoch"] == 1
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    files = sorted((folder / "tensorboard" / "float").iterdir())
    tags = {v.tag for event in EventFileLoader(str(files[0])).Load() for v in event.summary.value}
    assert {"loss", "val_accuracy", "learning_rate"} <= tags


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises((InputError, tf.errors.OpError)) as caught:
        run(tmp_path / "file" / "run")
    assert isinstance(caught.value, InputError)
