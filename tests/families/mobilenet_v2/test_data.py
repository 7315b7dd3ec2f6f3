"""The pipeline: every picture in its place, shards that add up, errors that name the file."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

tf = pytest.importorskip("tensorflow")

from edgekit.errors import InputError  # noqa: E402
from edgekit.families.mobilenet_v2 import Config, data  # noqa: E402
from edgekit.tasks.pictures.images import read_labelled_images  # noqa: E402
from edgekit.train import Options, Shard  # noqa: E402

CONFIG = Config(0.35, 32, classes=3)


@pytest.fixture(scope="module")
def npz(tmp_path_factory):
    """Pictures whose every pixel is their number, so that each can be known again."""
    x = np.broadcast_to(np.arange(100, dtype=np.uint8)[:, None, None], (100, 6, 6))
    path = tmp_path_factory.mktemp("npz") / "numbers.npz"
    np.savez(path, x=x, y=np.arange(100) % 3)
    return str(path)


def load(npz, **options):
    return data.load(npz, CONFIG, Options(**{"batch_size": 8, "augment": "none", **options}))


def numbers(inputs):
    pixels = inputs.numpy() * 127.5 + 127.5
    assert (pixels == pixels[:, :1, :1, :1]).all()
    return np.rint(pixels[:, 0, 0, 0]).astype(int)


def test_train_validation_and_test_do_not_overlap(npz):
    loaded = load(npz)
    parts = [set(p.images.items[:, 0, 0, 0]) for p in (loaded.train, loaded.validation)]
    test = set(read_labelled_images(npz, "test").items[:, 0, 0, 0])
    assert not parts[0] & parts[1]
    assert not (parts[0] | parts[1]) & test
    assert len(parts[0] | parts[1] | test) == 100
    assert len(parts[1]) == 9  # round(0.1 x 27), and so for each class
    assert set(loaded.test.images.items[:, 0, 0, 0]) == test


def test_an_epoch_shows_every_picture_once_with_its_label(npz):
    loaded = load(npz)
    seen = []
    for inputs, labels in loaded.batches(0, 0, Shard()):
        assert inputs.shape == (8, 32, 32, 3)
        assert (numbers(inputs) % 3 == labels.numpy()).all()
        seen += list(numbers(inputs))
    assert loaded.steps == 70 // 8
    assert len(seen) == len(set(seen)) == 64
    assert set(seen) <= set(loaded.train.images.items[:, 0, 0, 0])


def test_order_is_a_function_of_seed_and_epoch_from_any_step(npz):
    def epoch(number, first=0, **options):
        batches = load(npz, **options).batches(number, first, Shard())
        return [tuple(numbers(x)) for x, _ in batches]

    assert epoch(3) == epoch(3)
    assert epoch(3, first=4) == epoch(3)[4:]
    assert epoch(3) != epoch(4)


def test_augmented_pictures_are_the_same_from_any_step():
    loaded = data.load("digits", Config(0.35, 32, classes=10), Options(batch_size=64))
    whole = [x.numpy() for x, _ in loaded.batches(1, 0, Shard())]
    later = [x.numpy() for x, _ in loaded.batches(1, 17, Shard())]
    assert len(whole) == loaded.steps == (1437 - 144 + 1) // 64 == 20
    assert all((a == b).all() for a, b in zip(whole[17:], later, strict=True))
    assert min(x.min() for x in whole) >= -1
    assert max(x.max() for x in whole) <= 1
    plain, _ = next(loaded.train.batches(64))
    chosen = loaded.train.framed(loaded.order(1)[0])
    assert np.abs(whole[0] - data.normalize(chosen)).mean() > 0.02  # they did move
    assert np.abs(whole[0] - data.normalize(chosen)).mean() < 0.5  # but are the same pictures
    assert plain.dtype == np.float32


def test_shards_of_a_batch_are_that_batch(npz):
    loaded = load(npz)
    whole = [numbers(x) for x, _ in loaded.batches(2, 1, Shard())]
    workers = [
        [numbers(x) for x, _ in loaded.batches(2, 1, Shard(index, count=2, replicas=2))]
        for index in range(2)
    ]
    for step, batch in enumerate(whole):
        parts = [workers[w][2 * step + r] for w in range(2) for r in range(2)]
        assert (np.concatenate(parts) == batch).all()
    with pytest.raises(InputError, match="multiple of 3 replicas"):
        loaded.batches(0, 0, Shard(0, 3, 1))


def test_a_picture_damaged_inside_is_named(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(6):
            Image.fromarray(noise).save(tmp_path / name / f"{i}.jpg")
            content = (tmp_path / name / f"{i}.jpg").read_bytes()
            (tmp_path / name / f"{i}.jpg").write_bytes(content[: len(content) // 2])
    loaded = data.load(str(tmp_path), CONFIG, Options(batch_size=2))
    with pytest.raises(tf.errors.OpError):
        list(loaded.batches(0, 0, Shard()))
    assert "cannot be read as a picture" in str(loaded.failure)
    assert ".jpg" in str(loaded.failure)


def test_pictures_beyond_the_cache_are_the_same(npz, monkeypatch):
    cached = [x for x, _ in load(npz).validation.batches()]
    monkeypatch.setattr(data, "CACHE_BYTES", 10)
    read = [x for x, _ in load(npz).validation.batches(3)]
    assert (np.concatenate(cached) == np.concatenate(read)).all()


def test_fewer_pictures_than_a_batch(npz):
    with pytest.raises(InputError, match=r"too few pictures.*got 70.*lower --batch-size"):
        load(npz, batch_size=100)
