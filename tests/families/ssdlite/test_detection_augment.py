"""Augmentation of pictures with boxes, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import InputError
from edgekit.families.ssdlite.augment import (
    AUGMENTATIONS,
    OVERLAPS,
    augment,
    choose_augmentation,
    coloured,
    crop_of,
    cropped,
    fits,
    mirrored,
)
from edgekit.tasks.pictures.boxed_images import make_truth

SIZE = (40, 60)
TRUTH = make_truth([((10, 10, 30, 20), 7, False), ((0, 40, 8, 60), 2, True)], SIZE)


def test_a_box_is_clipped_to_the_crop_that_holds_its_centre() -> None:
    """Rows 15 to 35 and columns 5 to 45: of the first box three quarters, of the second none."""
    found = cropped(TRUTH, (15, 5, 20, 40), 80)
    np.testing.assert_allclose(found.boxes, [[0, 10, 60, 30]])  # 4 pixels a row, 2 a column
    assert found.classes.tolist() == [7]
    assert found.size == (80, 80)
    assert cropped(TRUTH, (0, 30, 20, 30), 80).ignore.tolist() == [True]


def test_a_crop_fits_by_the_share_that_it_shows_of_a_box_whose_centre_it_holds() -> None:
    assert fits(TRUTH, (15, 5, 20, 40), 0.75)
    assert not fits(TRUTH, (15, 5, 20, 40), 0.76)
    assert not fits(TRUTH, (21, 5, 19, 30), 0.0)  # shows 45%, but not the centre
    assert fits(make_truth([], SIZE), (0, 0, 5, 5), 0.9)  # a picture without boxes: any


@pytest.mark.parametrize("least", [value for value in OVERLAPS if value])
def test_a_crop_shows_as_much_as_was_drawn(least: float, monkeypatch) -> None:
    monkeypatch.setattr("edgekit.families.ssdlite.augment.OVERLAPS", (least,))
    rng = np.random.default_rng(0)
    for _ in range(50):
        top, left, high, wide = box = crop_of(TRUTH, rng)
        assert min(top, left) >= 0
        assert top + high <= SIZE[0]
        assert left + wide <= SIZE[1]
        assert fits(TRUTH, box, least)


def test_the_mirror_exchanges_left_and_right() -> None:
    pixels = np.arange(40 * 60 * 3).reshape(40, 60, 3).astype(np.uint8)
    picture, found = mirrored(pixels, TRUTH)
    np.testing.assert_array_equal(picture[:, 0], pixels[:, 59])
    np.testing.assert_allclose(found.boxes, [[10, 40, 30, 50], [0, 0, 8, 20]])


def test_colours_leave_grey_grey_and_depend_on_the_draw() -> None:
    grey = np.full((4, 4, 3), 100, np.uint8)
    found = [coloured(grey, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert (found[0] == found[0][..., :1]).all()
    assert (found[0] == found[1]).all()
    assert (found[0] != found[2]).any()


def shown(name: str) -> tuple[int, float]:
    """Return how often the left half went right, and the least height of the box in 200 draws."""
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[:, :20] = 200
    truth = make_truth([((0, 0, 40, 40), 1, False)], (40, 40))
    swaps, least = 0, 1.0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        picture, found = augment(pixels, truth, 40, AUGMENTATIONS[name], rng, 128)
        (box,) = found.boxes
        row = picture[int((box[0] + box[2]) / 2)].mean(axis=1)
        swaps += row[int(box[1])] < row[int(box[3]) - 1]
        least = min(least, (box[2] - box[0]) / 40)
    return swaps, least


def test_digits_are_never_mirrored_and_never_laid_small() -> None:
    """The box is the picture: whatever is shown of it fills the frame unless it is laid small."""
    swaps, least = shown("digits")
    assert swaps == 0
    assert least == 1
    swaps, least = shown("photos")
    assert 60 < swaps < 140
    assert 0.5 <= least < 0.6


def test_auto_goes_by_the_data() -> None:
    assert choose_augmentation("auto", "scattered") is None
    assert choose_augmentation("auto", "folder") == AUGMENTATIONS["photos"]
    assert choose_augmentation("digits", "scattered") == AUGMENTATIONS["digits"]
    with pytest.raises(InputError, match="augmentation twist: unknown for detection"):
        choose_augmentation("twist", "scattered")
