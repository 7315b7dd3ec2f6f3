"""Transforms by hand, applied by TensorFlow's own op."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import InputError
from edgekit.families.mobilenet_v2.augment import (
    AUGMENTATIONS,
    Augmentation,
    choose_augmentation,
    draw,
)


def test_none_is_the_identity():
    transforms, light = draw(Augmentation(), 3, 32, seed=0, epoch=0)
    assert transforms.tolist() == [[1, 0, 0, 0, 1, 0, 0, 0]] * 3
    assert light.tolist() == [[1, 0]] * 3


def test_draws_depend_on_seed_epoch_and_index_alone():
    photos = AUGMENTATIONS["photos"]
    a = draw(photos, 8, 32, seed=1, epoch=2)
    assert all((x == y).all() for x, y in zip(a, draw(photos, 8, 32, 1, 2), strict=True))
    # A row belongs to its picture: more pictures do not change those before.
    assert (draw(photos, 5, 32, 1, 2)[0] == a[0][:5]).all()
    assert (draw(photos, 8, 32, 1, 3)[0] != a[0]).any()
    assert (draw(photos, 8, 32, 2, 2)[0] != a[0]).any()


def test_flip_mirrors_about_the_middle_and_only_where_asked():
    transforms, _ = draw(Augmentation(flip=True), 200, 10, 0, 0)
    mirrored = transforms[:, 0] < 0
    assert 70 < mirrored.sum() < 130
    # Pixel 0 takes its value from pixel 9.
    np.testing.assert_allclose(transforms[mirrored][:, 2], 9, atol=1e-5)
    for name in ("none", "digits"):
        assert (draw(AUGMENTATIONS[name], 200, 10, 0, 0)[0][:, 0] > 0).all()


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_amounts_stay_in_their_range(name):
    kind = AUGMENTATIONS[name]
    transforms, light = draw(kind, 2000, 33, 0, 0)
    centre = np.array([16, 16, 1])
    moved = transforms[:, :6].reshape(-1, 2, 3) @ centre
    assert np.abs(moved - 16).max() <= kind.shift * 33 + 1e-4
    # The determinant of the linear part is 1 / zoom^2, whatever the rest.
    scale = np.abs(np.linalg.det(transforms[:, [0, 1, 3, 4]].reshape(-1, 2, 2))) ** -0.5
    assert scale.min() >= 1 - kind.zoom - 1e-5
    assert scale.max() <= 1 + kind.zoom + 1e-5
    assert np.abs(light[:, 0] - 1).max() <= kind.contrast
    if kind.zoom:
        assert scale.std() > kind.zoom / 3


def test_a_rotation_by_hand_through_tensorflow():
    tf = pytest.importorskip("tensorflow")
    transforms, _ = draw(Augmentation(rotation_degrees=90), 50, 3, 0, 0)
    first = transforms[0].reshape(-1)
    angle = np.arctan2(first[3], first[0])
    assert -np.pi / 2 <= angle <= np.pi / 2
    np.testing.assert_allclose(first[[0, 1, 3, 4]],
                               [np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)],
                               atol=1e-6)  # fmt: skip
    # Pictures bright on one side turn about the middle, whose pixel stays.
    pictures = np.zeros((50, 3, 3, 1), np.float32)
    pictures[:, 1, 1] = 1
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=pictures, transforms=transforms, output_shape=[3, 3], fill_value=0.0,
        interpolation="BILINEAR", fill_mode="NEAREST",
    )  # fmt: skip
    np.testing.assert_allclose(moved[:, 1, 1, 0], 1, atol=1e-5)


def test_the_choice_goes_by_the_data():
    assert choose_augmentation("auto", "digits") == AUGMENTATIONS["digits"]
    assert choose_augmentation("auto", "photos/") == AUGMENTATIONS["photos"]
    assert not choose_augmentation("auto", "mnist.npz").flip
    assert choose_augmentation("none", "digits") == Augmentation()
    with pytest.raises(InputError, match="augmentation twist: unknown"):
        choose_augmentation("twist", "digits")
