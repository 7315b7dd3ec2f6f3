"""Anchors, box codes, overlap and suppression, against hand arithmetic and plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.tasks.anchors import Layout, corners, decode_boxes, encode_boxes, make_anchors
from edgekit.tasks.boxes import best_pairs, overlap, suppress


@pytest.mark.parametrize(
    ("maps", "count"), [((19, 10, 5, 3, 2, 1), 1917), ((20, 10, 5, 3, 2, 1), 2034)]
)
def test_as_many_anchors_as_published(maps: tuple[int, ...], count: int) -> None:
    assert Layout(maps).count == count
    assert make_anchors(Layout(maps)).shape == (count, 4)


def test_shapes_of_the_published_configuration() -> None:
    """Scales 0.2, 0.35, 0.5, 0.65, 0.8, 0.95; height is scale / sqrt(ratio), width times it."""
    anchors = make_anchors(Layout((19, 10, 5, 3, 2, 1)))
    half = 0.5 / 19
    root = np.sqrt(2)
    expected = [
        (half, half, 0.1, 0.1),
        (half, half, 0.2 / root, 0.2 * root),
        (half, half, 0.2 * root, 0.2 / root),
    ]
    np.testing.assert_allclose(anchors[:3], expected, rtol=1e-6)
    np.testing.assert_allclose(anchors[3, :2], (half, 3 * half), rtol=1e-6)  # across first
    second = anchors[19 * 19 * 3 :][:6]
    np.testing.assert_allclose(second[0], (0.05, 0.05, 0.35, 0.35), rtol=1e-6)
    np.testing.assert_allclose(second[3, 2:], (0.35 / np.sqrt(3), 0.35 * np.sqrt(3)), rtol=1e-6)
    np.testing.assert_allclose(second[5, 2:], 2 * [np.sqrt(0.35 * 0.5)], rtol=1e-6)
    np.testing.assert_allclose(anchors[-1], (0.5, 0.5, *2 * [np.sqrt(0.95)]), rtol=1e-6)


def test_a_full_lowest_map_has_six_anchors_a_place_at_its_own_scale() -> None:
    """Of scales 0.2 and 0.6 the geometric mean is 0.3464; the manifest's words bring them back."""
    layout = Layout((2, 1), 0.2, 0.6, reduce_lowest=False)
    anchors = make_anchors(layout)
    assert layout.count == len(anchors) == 2 * 2 * 6 + 6
    root2, root3 = np.sqrt(2), np.sqrt(3)
    expected = [
        (0.2, 0.2), (0.2 / root2, 0.2 * root2), (0.2 * root2, 0.2 / root2),
        (0.2 / root3, 0.2 * root3), (0.2 * root3, 0.2 / root3), 2 * (np.sqrt(0.2 * 0.6),),
    ]  # fmt: skip
    np.testing.assert_allclose(anchors[:6, 2:], expected, rtol=1e-6)
    np.testing.assert_allclose(anchors[6, :2], (0.25, 0.75))
    np.testing.assert_allclose(anchors[24, 2:], (0.6, 0.6), rtol=1e-6)
    params = {"maps": [2, 1], "min_scale": 0.2, "max_scale": 0.6}
    assert Layout.of({**params, "reduce_lowest": False}) == layout
    assert Layout.of(params).reduce_lowest  # of a manifest that does not say


def test_codes_by_hand() -> None:
    anchor = np.array([[0.5, 0.5, 0.2, 0.4]], np.float32)
    box = np.array([[0.45, 0.5, 0.65, 0.7]])  # centre .55 .6, size .2 .2
    code = encode_boxes(box, anchor)
    np.testing.assert_allclose(code, [[2.5, 2.5, 0.0, 5 * np.log(0.5)]], atol=1e-6)
    np.testing.assert_allclose(decode_boxes(code, anchor), box, atol=1e-6)
    np.testing.assert_allclose(decode_boxes(np.zeros((1, 4)), anchor), corners(anchor))


def test_overlap_by_hand() -> None:
    boxes = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 5, 9]], float)
    np.testing.assert_allclose(overlap(boxes, boxes)[:2, :2], [[1, 1 / 7], [1 / 7, 1]])
    assert overlap(boxes, boxes)[2].max() == 0  # no area, not even with itself


def test_best_pairs_are_those_of_a_sort() -> None:
    scores = np.random.default_rng(0).integers(0, 40, (300, 7)).astype(np.float32)  # with ties
    anchors, classes = best_pairs(scores, 100, 5.0)
    order = np.argsort(-scores.reshape(-1), kind="stable")[:100]
    np.testing.assert_array_equal(anchors * 7 + classes, order)
    few, _ = best_pairs(scores, 5000, 38.5)
    assert len(few) == int((scores > 38.5).sum())


def test_suppression_is_that_of_a_plain_loop() -> None:
    rng = np.random.default_rng(1)
    for count in (0, 1, 5, 63, 64, 65, 300):
        first = rng.uniform(0, 1, (count, 2))
        boxes = np.concatenate([first, first + rng.uniform(0.05, 0.5, (count, 2))], axis=1)
        classes = rng.integers(0, 3, count)
        kept: list[int] = []
        for number in range(count):
            rivals = [k for k in kept if classes[k] == classes[number]]
            shared = overlap(boxes[number : number + 1], boxes[rivals])
            if len(kept) < 50 and (not rivals or shared.max() <= 0.5):
                kept.append(number)
        np.testing.assert_array_equal(suppress(boxes, classes, 0.5, 50), kept)
