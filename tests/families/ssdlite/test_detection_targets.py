"""Matching and loss against hand arithmetic."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgekit.families import family
from edgekit.families.ssdlite.loss import detection_loss, smooth_l1
from edgekit.families.ssdlite.matching import BACKGROUND, IGNORED, MATCHED, match
from edgekit.tasks.anchors import corners, make_anchors
from edgekit.tasks.boxes import overlap
from edgekit.tasks.pictures.scattered import draw_picture

# As boxes: [0, 0, .4, .4], [0, .4, .4, .8], [.5, .5, 1, 1], [.6, .6, .7, .7].
ANCHORS = np.array(
    [[0.2, 0.2, 0.4, 0.4], [0.2, 0.6, 0.4, 0.4], [0.75, 0.75, 0.5, 0.5], [0.65, 0.65, 0.1, 0.1]],
    np.float32,
)


def matched(boxes, classes, ignore=None):
    ignore = np.zeros(len(boxes), bool) if ignore is None else np.array(ignore)
    return match(np.array(boxes, float).reshape(-1, 4), np.array(classes), ignore, ANCHORS)


def test_an_anchor_learns_what_it_overlaps_and_each_box_has_one() -> None:
    exact, small = [0, 0, 0.4, 0.4], [0.62, 0.62, 0.65, 0.65]  # the second: 9% of any anchor
    found = matched([exact, small], [7, 3])
    np.testing.assert_array_equal(found.classes, [7, BACKGROUND, BACKGROUND, 3])
    np.testing.assert_allclose(found.codes[0], 0, atol=1e-6)
    np.testing.assert_allclose(
        found.codes[3],
        [10 * -0.15, 10 * -0.15, 5 * np.log(0.3), 5 * np.log(0.3)], atol=1e-5,
    )  # fmt: skip


def test_of_two_boxes_the_nearer_takes_the_anchor_and_the_other_the_next() -> None:
    near, far = [0.5, 0.5, 1, 1], [0.55, 0.55, 1, 1]  # overlaps 1 and .81 with anchor 2
    found = matched([far, near], [1, 2])
    assert found.classes[2] == 2
    assert found.classes[3] == 1  # overlap .05, but the best that is left


def test_ignored_boxes_neither_teach_nor_count() -> None:
    crowd = [0.5, 0.5, 1, 1]
    found = matched([crowd], [1], [True])
    np.testing.assert_array_equal(found.classes, [BACKGROUND, BACKGROUND, IGNORED, IGNORED])
    assert (matched([], []).classes == BACKGROUND).all()
    assert not found.codes.any()


def test_smooth_l1_by_hand() -> None:
    np.testing.assert_allclose(smooth_l1(np.array([0.0, 0.5, -1.0, 3.0])), [0, 0.125, 0.5, 2.5])


def cross_entropy(logit: float, truth: int) -> float:
    chance = 1 / (1 + np.exp(-logit))
    return -np.log(chance if truth else 1 - chance)


def test_mined_loss_by_hand() -> None:
    """One positive, so three negatives of the five: the worst. The ignored one never counts."""
    classes = np.array([[0, -1, -1, -1, -1, -1, -2]], np.int32)
    logits = np.array([[1.0, -3.0, 0.5, 2.0, -1.0, -2.0, 9.0]], np.float32)[..., np.newaxis]
    codes = np.zeros((1, 7, 4), np.float32)
    wanted = codes.copy()
    wanted[0, 0] = (0.5, 0, 0, 2)  # .125 + 1.5
    wanted[0, 1] = 50  # of a negative: no matter
    value = detection_loss("mined")((classes, wanted), (codes, logits))
    expected = 1.625 + cross_entropy(1, 1) + sum(cross_entropy(x, 0) for x in (2.0, 0.5, -1.0))
    np.testing.assert_allclose(value, [expected], rtol=1e-5)


def test_focal_loss_by_hand() -> None:
    classes = np.array([[1, -1, -2]], np.int32)
    logits = np.array([[[0.3, 1.0], [-2.0, 0.5], [4.0, 4.0]]], np.float32)
    codes = np.zeros((1, 3, 4), np.float32)
    value = detection_loss("focal")((classes, codes), (codes, logits))

    def focal(logit: float, truth: int) -> float:
        chance = 1 / (1 + np.exp(-logit))
        right, weight = (chance, 0.25) if truth else (1 - chance, 0.75)
        return -weight * (1 - right) ** 2 * np.log(right)

    expected = focal(0.3, 0) + focal(1.0, 1) + focal(-2.0, 0) + focal(0.5, 0)
    np.testing.assert_allclose(value, [expected], rtol=1e-5)


def test_the_sum_is_divided_by_the_positives() -> None:
    classes = np.array([[0, 0, -2]], np.int32)
    logits, codes = np.zeros((1, 3, 1), np.float32), np.zeros((1, 3, 4), np.float32)
    value = detection_loss("mined")((classes, codes), (codes, logits))
    np.testing.assert_allclose(value, [np.log(2)], rtol=1e-6)


def test_a_picture_without_boxes_still_teaches() -> None:
    classes = np.full((1, 5), -1, np.int32)
    logits, codes = np.zeros((1, 5, 1), np.float32), np.zeros((1, 5, 4), np.float32)
    value = float(detection_loss("mined")((classes, codes), (codes, logits))[0])
    assert value == pytest.approx(3 * np.log(2))


def test_most_drawn_digits_have_anchors_that_fit() -> None:
    """By half or more, as what is learned must; with six a place on the first map more of them."""
    preset = family("ssdlite").preset("scattered").config
    truths = [draw_picture("train", number)[1] for number in range(100)]
    best, number = {}, {}
    for reduced in (False, True):
        anchors = corners(make_anchors(replace(preset, reduce_lowest=reduced).anchors))
        shared = np.concatenate(
            [overlap(anchors, t.boxes / np.tile(t.size, 2)) for t in truths], axis=1
        )
        best[reduced], number[reduced] = shared.max(axis=0), (shared >= MATCHED).sum(axis=0)
    assert (best[False] >= MATCHED).mean() > 0.85
    assert number[False].mean() / number[True].mean() > 1.5
