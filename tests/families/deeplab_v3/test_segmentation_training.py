"""Augmentation, loss and a whole small run, against hand arithmetic and tf.image."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("tensorflow_model_optimization")
import tensorflow as tf

from edgekit.errors import InputError
from edgekit.families.deeplab_v3 import FAMILY, Config
from edgekit.families.deeplab_v3.augment import box_of, draw, transform
from edgekit.families.deeplab_v3.data import load
from edgekit.families.deeplab_v3.fit import class_weights, segmentation_loss
from edgekit.families.deeplab_v3.multi_scale import SCALES, probabilities, scaled_size
from edgekit.families.run import Run
from edgekit.tasks.pictures.scenes import CLASSES, Scenes
from edgekit.train import Options, Shard

TINY = Config(0.35, 33, bn_momentum=0.9)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> str:
    """Forty drawn scenes as files, the way that people keep them."""
    folder = tmp_path_factory.mktemp("data") / "a 'set'\n🦝"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number, (pixels, mask) in enumerate(Scenes(40, seed=3)):
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
    (folder / "labels.txt").write_text("\n".join(CLASSES))
    return str(folder)


def test_loss_by_hand():
    """Two classes of logits 0 and log 3: a pixel's surprise is log 4 - log 3, or log 4."""
    logits = tf.constant([[[[0.0, math.log(3)]]]])
    masks = tf.constant([[[1, 0], [255, 255]]], tf.uint8)
    likely, unlikely = math.log(4) - math.log(3), math.log(4)
    plain = segmentation_loss(TINY, np.ones(2, np.float32))(masks, logits)
    assert plain.numpy() == pytest.approx([(likely + unlikely) / 2])
    weighted = segmentation_loss(TINY, np.array([3, 1], np.float32))(masks, logits)
    assert weighted.numpy() == pytest.approx([(likely + 3 * unlikely) / 4])
    void = segmentation_loss(TINY, np.ones(2, np.float32))(tf.fill([1, 2, 2], 255), logits)
    assert void.numpy() == pytest.approx([0])


def test_class_weights_by_hand():
    shares = np.array([0.64, 0.36, 0.0])
    assert (class_weights(TINY, shares) == 1).all()
    # 1 / sqrt: 1.25 and 5 / 3; their mean over pixels is 0.8 + 0.6
    found = class_weights(replace(TINY, class_weights="balanced"), shares)
    assert found == pytest.approx([1.25 / 1.4, 5 / 3 / 1.4, 0], rel=1e-6)


def test_crops_by_hand():
    half = np.array([0.0, 0.5, 0.5, 1.0], np.float32)  # scale 0.5
    assert box_of((40, 80), 40, half) == pytest.approx((20 - 80, 40 - 80, 160, 160))
    twice = np.array([1.0, 0.0, 1.0, 1.0], np.float32)  # scale 2: a corner of 20 pixels of 40 x 40
    assert box_of((40, 40), 40, twice) == pytest.approx((0, 20, 20, 20))


def test_a_picture_and_its_mask_stay_together():
    """Where the picture is red the mask says 1, at any scale, crop and mirror; beyond lies void."""
    picture, mask = np.zeros((60, 80, 3), np.uint8), np.zeros((60, 80), np.uint8)
    picture[20:45, 30:70, 0] = 255
    mask[20:45, 30:70] = 1
    for numbers in draw(30, seed=1, epoch=2):
        pixels, labels = transform(picture, mask, 64, numbers, fill=128)
        beyond = labels == 255
        assert (pixels[beyond] == 128).all()
        red = pixels[..., 0] > 127
        assert (red == (labels == 1))[~beyond].mean() > 0.93
        assert (pixels[..., 1] == 0)[~beyond].all()


def test_draws_are_functions_of_seed_and_epoch():
    np.testing.assert_array_equal(draw(8, 1, 2), draw(8, 1, 2))
    assert not np.array_equal(draw(8, 1, 2), draw(8, 1, 3))
    assert not np.array_equal(draw(8, 1, 2), draw(8, 2, 2))


def test_a_resumed_epoch_goes_on_where_it_stopped(pairs):
    """From step 2 on comes what a whole epoch has there; two workers share a batch."""
    loaded = load(pairs, TINY, Options(batch_size=8))

    def batches(epoch, first, part=Shard()):  # noqa: B008
        return [(x.numpy(), y.numpy()) for x, y in loaded.batches(epoch, first, part)]

    whole = batches(1, 0)
    assert len(whole) == loaded.steps == 3
    for expected, found in zip(whole[2:], batches(1, 2), strict=True):
        for one, other in zip(expected, found, strict=True):
            np.testing.assert_array_equal(one, other)
    assert not np.array_equal(whole[0][0], batches(2, 0)[0][0])
    halves = [batches(1, 0, Shard(index, 2)) for index in (0, 1)]
    both = np.concatenate([halves[0][0][0], halves[1][0][0]])
    np.testing.assert_array_equal(both, whole[0][0])


def test_scales_keep_the_form_of_the_size():
    assert [scaled_size(513, s) for s in SCALES] == [257, 385, 513, 641, 769, 897]


def test_bad_training_data_is_named_at_once(pairs, tmp_path):
    with pytest.raises(InputError, match="too few pictures"):
        load(pairs, TINY, Options(batch_size=64))
    with pytest.raises(InputError, match="augmentation digits: unknown for segmentation"):
        load(pairs, TINY, Options(batch_size=8, augment="digits"))
    run = Run(tmp_path / "run", FAMILY.name, TINY, Options(batch_size=8), pairs)
    with pytest.raises(InputError, match="classes: got 4"):
        FAMILY.fit(replace(run, config=replace(TINY, classes=4)))
    broken = Path(pairs) / "masks" / "0.png"
    kept = broken.read_bytes()
    try:
        Image.fromarray(np.full((128, 128), 6, np.uint8)).save(broken)
        with pytest.raises(InputError, match=r"0.png: unknown palette index: got 6"):
            FAMILY.fit(run)
    finally:
        broken.write_bytes(kept)


class _ByColumn:
    """A network of two classes; the second's logit grows by 1/16 from column to column."""

    def predict_on_batch(self, inputs: np.ndarray) -> np.ndarray:
        n, height, width, _ = inputs.shape
        logits = np.zeros((n, height, width, 2), np.float32)
        logits[..., 1] = np.arange(width) / 16
        return logits


def test_the_mean_over_scales_and_mirrored_by_hand(tmp_path: Path) -> None:
    """Twice as large, every second column remains; mirrored, the columns come from behind."""
    run = Run(tmp_path, FAMILY.name, TINY, Options(), "scenes", input={"mean": (127.5,)})
    picture = np.zeros((33, 33, 3), np.uint8)
    column = np.arange(33)
    logistic = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    sizes = {33: _ByColumn(), 65: _ByColumn()}
    once = (logistic(column / 16) + logistic(column / 8)) / 2
    found = probabilities([picture], sizes, run, mirror=False)
    assert found.shape == (1, 33, 33, 2)
    np.testing.assert_allclose(found[0, :, :, 1], np.tile(once, (33, 1)), atol=1e-6)
    both = probabilities([picture], sizes, run, mirror=True)
    np.testing.assert_allclose(both[0, 5, :, 1], (once + once[::-1]) / 2, atol=1e-6)
    np.testing.assert_allclose(both.sum(axis=-1), 1, atol=1e-6)
