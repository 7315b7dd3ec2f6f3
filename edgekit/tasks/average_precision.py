"""Average precision of boxes: Pascal VOC's by our own arithmetic, COCO's by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import MissingExtraError
from edgekit.tasks.boxes import overlap

if TYPE_CHECKING:
    from edgekit.tasks.detect import Boxes
    from edgekit.tasks.pictures.boxed_images import Truth

Array = npt.NDArray[Any]

OVERLAP = 0.5  # of a box with the one that it finds


def average_precision(answers: Sequence[Boxes], truths: Sequence[Truth]) -> float:
    """Return Pascal VOC's mean AP: the mean, over classes that occur, of the area under the curve.

    Precision at a recall is the best at that recall or a higher one (VOC2010 and later). Each box
    is found once, by the best answer that overlaps it most and by at least OVERLAP; an answer that
    finds an ignored one counts neither way.
    """
    classes = np.unique(np.concatenate([t.classes[~t.ignore] for t in truths]))
    areas = [_of_class(answers, truths, int(index)) for index in classes]
    return float(np.mean(areas)) if areas else 0.0


def count_hits(answers: Sequence[Boxes], truths: Sequence[Truth]) -> tuple[int, int, int]:
    """Return answers that are right, those that are judged at all, and boxes to be found.

    An answer is right that `judge` calls a hit among those of its class.
    """
    hits, wanted = [], 0
    for answer, truth in zip(answers, truths, strict=True):
        wanted += int((~truth.ignore).sum())
        for index in np.unique(answer.classes):
            mine, there = answer.classes == index, truth.classes == index
            hits.append(judge(answer.boxes[mine], truth.boxes[there], truth.ignore[there]))
    judged = np.concatenate(hits) if hits else np.zeros(0, np.int64)
    return int((judged == 1).sum()), int((judged >= 0).sum()), wanted


def _of_class(answers: Sequence[Boxes], truths: Sequence[Truth], index: int) -> float:
    scores, hits = [], []
    for answer, truth in zip(answers, truths, strict=True):
        mine, there = answer.classes == index, truth.classes == index
        hit = judge(answer.boxes[mine], truth.boxes[there], truth.ignore[there])
        scores.append(answer.scores[mine][hit >= 0])
        hits.append(hit[hit >= 0])
    wanted = sum(int((~t.ignore[t.classes == index]).sum()) for t in truths)
    order = np.argsort(-np.concatenate(scores), kind="stable")
    return area_under(np.concatenate(hits)[order], wanted)


def judge(found: Array, boxes: Array, ignore: Array) -> npt.NDArray[np.int64]:
    """Return for each answer `[N, 4]`, best first: 1 a hit, 0 a miss, -1 of an ignored box."""
    hits = np.zeros(len(found), np.int64)
    if not len(boxes):
        return hits
    shared = overlap(found, boxes)
    taken = np.zeros(len(boxes), bool)
    for number, row in enumerate(shared):
        box = int(row.argmax())
        if row[box] < OVERLAP:
            continue
        if ignore[box]:
            hits[number] = -1
        elif not taken[box]:
            hits[number], taken[box] = 1, True
    return hits


def area_under(hits: Array, wanted: int) -> float:
    """Return the area under precision by recall, of answers best first."""
    if not len(hits):
        return 0.0
    right = np.cumsum(hits)
    precision = right / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.diff(right / wanted, prepend=0.0)
    return float((best * steps).sum())


def coco(answers: Sequence[Boxes], truths: Sequence[Truth]) -> dict[str, float]:
    """Return COCO's mAP (overlaps 0.50 to 0.95) and its AP50, by pycocotools.

    Ignored boxes go in as crowds.

    Raises:
        MissingExtraError: pycocotools is not installed.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ModuleNotFoundError:
        raise MissingExtraError("pycocotools", "coco") from None
    there = COCO()
    there.dataset = _dataset(truths)
    found = _results(answers)
    if not len(found):
        return {"mAP": 0.0, "AP50": 0.0}
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        there.createIndex()
        judged = COCOeval(there, there.loadRes(found), "bbox")
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    return {"mAP": float(judged.stats[0]), "AP50": float(judged.stats[1])}


def _dataset(truths: Sequence[Truth]) -> dict[str, Any]:
    annotations = [
        {"id": 0, "image_id": number, "category_id": int(index), "iscrowd": int(ignore),
         "bbox": [left, top, right - left, bottom - top],
         "area": (right - left) * (bottom - top)}
        for number, truth in enumerate(truths)
        for (top, left, bottom, right), index, ignore in zip(
            truth.boxes.tolist(), truth.classes, truth.ignore, strict=True
        )
    ]  # fmt: skip
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    classes = {a["category_id"] for a in annotations}
    images = [{"id": number, "height": truth.size[0], "width": truth.size[1]}
              for number, truth in enumerate(truths)]  # fmt: skip
    return {"images": images, "annotations": annotations,
            "categories": [{"id": index} for index in sorted(classes)]}  # fmt: skip


def _results(answers: Sequence[Boxes]) -> Array:
    """Return `[N, 7]`: picture, left, top, width, height, score, class."""
    rows = [
        (number, left, top, right - left, bottom - top, score, index)
        for number, answer in enumerate(answers)
        for (top, left, bottom, right), score, index in zip(
            answer.boxes.tolist(), answer.scores, answer.classes, strict=True
        )
    ]
    return np.array(rows, np.float64).reshape(-1, 7)
