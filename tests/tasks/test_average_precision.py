"""Average precision by hand, and against pycocotools."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.tasks.average_precision import area_under, average_precision, coco, count_hits, judge
from edgekit.tasks.detect import Boxes, score
from edgekit.tasks.pictures.boxed_images import Truth

A, B, C = (0, 0, 10, 10), (20, 20, 40, 40), (60, 0, 90, 30)


def truth(*rows: tuple[tuple[int, ...], int, bool]) -> Truth:
    boxes, classes, ignore = zip(*rows, strict=True) if rows else ((), (), ())
    return Truth(np.array(boxes, float).reshape(-1, 4), np.array(classes, int),
                 np.array(ignore, bool), (100, 100))  # fmt: skip


def answer(*rows: tuple[tuple[float, ...], int, float]) -> Boxes:
    boxes, classes, scores = zip(*rows, strict=True) if rows else ((), (), ())
    return Boxes(np.array(boxes, float).reshape(-1, 4), np.array(classes, int),
                 np.array(scores, float))  # fmt: skip


def test_area_by_hand() -> None:
    """Hit, miss, hit of 3: precision 1, then 2/3; recall 1/3 each."""
    assert area_under(np.array([1, 0, 1]), 3) == pytest.approx(1 / 3 + (2 / 3) / 3)
    assert area_under(np.array([0, 1, 1]), 2) == pytest.approx(2 / 3)  # precision from behind
    assert area_under(np.array([]), 3) == 0


def test_a_box_is_found_once_and_ignored_ones_count_neither_way() -> None:
    boxes = np.array([A, B], float)
    found = np.array([A, A, B, C], float)
    np.testing.assert_array_equal(judge(found, boxes, np.array([False, True])), [1, 0, -1, 0])


def test_mean_over_classes_that_occur() -> None:
    truths = [truth((A, 0, False), (B, 1, False)), truth()]
    answers = [answer((A, 0, 0.9)), answer((C, 1, 0.8))]  # class 1: a miss, and never found
    assert average_precision(answers, truths) == pytest.approx(0.5)


def test_ours_is_pycocotools_at_one_overlap() -> None:
    """On random boxes of three classes, crowds among them; COCO samples 101 recalls, ours all."""
    pytest.importorskip("pycocotools")
    rng = np.random.default_rng(0)
    truths, answers = [], []
    for _ in range(60):
        count = int(rng.integers(0, 7))
        first = rng.integers(0, 60, (count, 2))
        boxes = np.concatenate([first, first + rng.integers(8, 40, (count, 2))], axis=1)
        classes = rng.integers(0, 3, count)
        truths.append(Truth(boxes.astype(float), classes, np.zeros(count, bool), (100, 100)))
        kept = rng.random(count) < 0.8
        moved = boxes[kept] + rng.normal(0, 3, (kept.sum(), 4))
        order = np.argsort(-rng.random(len(moved)))
        answers.append(
            Boxes(moved[order], classes[kept][order], np.sort(rng.random(len(moved)))[::-1])
        )
    ours = average_precision(answers, truths)
    theirs = coco(answers, truths)
    assert ours == pytest.approx(theirs["AP50"], abs=0.01)
    assert 0.3 < ours < 0.9
    assert theirs["mAP"] < theirs["AP50"]


def test_scores_are_told_with_an_interval() -> None:
    pytest.importorskip("pycocotools")
    truths = [truth((A, 0, False)), truth((B, 0, False)), truth()]
    answers = [answer((A, 0, 0.9)), answer((B, 0, 0.7)), answer()]
    by = {found.metric: found for found in score(answers, truths)}
    assert by["VOC AP50"].value == by["COCO mAP"].value == pytest.approx(1.0)
    assert by["VOC AP50"].interval == (1.0, 1.0)
    assert by["precision at 30%"].value == by["recall at 30%"].value == 1.0


def test_what_is_right_of_what_is_shown() -> None:
    """Of class 0 one is hit, once; B is of another class, C ignored, and what is left is low."""
    pytest.importorskip("pycocotools")
    truths = [truth((A, 0, False), (B, 1, False), (C, 2, True)), truth((A, 1, False))]
    answers = [
        answer((A, 0, 0.9), (A, 0, 0.8), (C, 2, 0.7), (B, 0, 0.4)),
        answer((A, 1, 0.2)),
    ]
    assert count_hits(answers, truths) == (2, 4, 3)
    by = {found.metric: found.value for found in score(answers, truths)}
    assert by["precision at 30%"] == pytest.approx(1 / 3)
    assert by["recall at 30%"] == pytest.approx(1 / 3)


def test_where_nothing_is_shown_there_is_no_precision() -> None:
    pytest.importorskip("pycocotools")
    found = score([answer((A, 0, 0.2))], [truth((A, 0, False))])
    assert [(one.metric, one.value) for one in found[2:]] == [("recall at 30%", 0.0)]
