"""What a network's output is worth beside the truth: the metric follows from the truth's kind.

| output        | truth                          | metrics                              |
|---------------|--------------------------------|--------------------------------------|
| `[N, C]`      | classes `[N]`, or one-hot      | top-1 accuracy, and top-5 of many    |
| `[N, H, W, C]`| classes `[N, H, W]`, one-hot   | mIOU and pixel accuracy, 255 is void |
| `[N, ..., C]` | classes `[N, ...]`, one-hot    | accuracy over all places             |
| any           | 0 and 1, of the output's shape | accuracy, AUC; of maps as above      |
| any           | other numbers, of its shape    | RMSE and MAE                         |
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.tasks import Score
from edgekit.tasks.intervals import (
    area_interval,
    area_under_curve,
    bootstrap_mean,
    wilson_interval,
)
from edgekit.tasks.pictures.masks import VOID
from edgekit.tasks.segment import score_maps

Array = npt.NDArray[Any]

TOP = 5
_UNIT = "target units"


def pair(where: str, answer: Array, truth: Array) -> tuple[Array, Array]:
    """Return output and truth of one example, `[1, ...]`, as `score` takes them.

    Of scores at many places the largest alone is kept: a map of the classes.

    Raises:
        InputError: their shapes do not go together, NaN or infinity, or a class out of range.
    """
    for what, values in (("the output", answer), ("what is true", truth)):
        if bad := int((~np.isfinite(values)).sum()):
            raise InputError(f"{where}: NaN or infinity", got=f"{bad} of {what}")
    if _without_last(truth).shape == _without_last(answer).shape:
        return answer, truth.reshape(answer.shape)
    classes = _without_last(truth)
    if answer.ndim < 2 or classes.shape != answer.shape[:-1] or truth.dtype.kind not in "biu":
        raise InputError(
            f"{where}: does not fit the output", got=f"{truth.dtype} {list(truth.shape)}",
            expected=f"numbers {list(answer.shape)} or integers {list(answer.shape[:-1])}",
        )  # fmt: skip
    known = classes[classes != VOID] if answer.ndim == 4 else classes
    if known.size and not 0 <= known.min() <= known.max() < answer.shape[-1]:
        raise InputError(f"{where}: a class is out of range",
                         got=int(known.min() if known.min() < 0 else known.max()),
                         expected=f"0 to {answer.shape[-1] - 1}")  # fmt: skip
    return (answer if answer.ndim == 2 else answer.argmax(axis=-1)), classes


def score(answers: Array, truths: Array) -> list[Score]:
    """Return the metrics of one output `[N, ...]` beside what is true, both from `pair`."""
    if truths.ndim < answers.ndim:
        return _top(answers, truths)
    if answers.dtype.kind in "biu":
        return _places(answers, truths)
    one, other = _without_last(answers), _without_last(truths)
    if not np.isin(other[other != VOID] if one.ndim == 3 else other, (0, 1)).all():
        return _errors(one, other)
    if one.ndim == answers.ndim > 1 and (truths.sum(axis=-1) == 1).all():  # one-hot
        classes = truths.argmax(axis=-1)
        return (_top(answers, classes) if answers.ndim == 2
                else _places(answers.argmax(axis=-1), classes))  # fmt: skip
    return _binary(one, other)


def _without_last(array: Array) -> Array:
    """Return `[N, ..., 1]` as `[N, ...]`."""
    return array[..., 0] if array.ndim > 1 and array.shape[-1] == 1 else array


def _top(scores: Array, classes: Array) -> list[Score]:
    """Return top-1 and, of more than five classes, top-5 accuracy; the lower of equal ones wins."""
    order = np.argsort(-scores, axis=-1, kind="stable")
    return [
        _share(f"top-{k} accuracy", (order[:, :k] == classes[:, np.newaxis]).any(axis=1))
        for k in ((1, TOP) if scores.shape[1] > TOP else (1,))
    ]


def _places(found: Array, classes: Array) -> list[Score]:
    """Return how many places of `[N, ...]` have the right class; of maps mIOU, too."""
    if found.ndim == 1:
        return [_share("accuracy", found == classes)]
    low, high = (min(found.min(), classes.min()), max(found.max() + 1, classes.max()))
    if found.ndim == 3 and 0 <= low <= high <= VOID:
        return score_maps(list(found.astype(np.uint8)), list(classes.astype(np.uint8)))
    right = (found == classes).reshape(len(found), -1).mean(axis=1)
    return [Score("accuracy", float(right.mean()), bootstrap_mean(right), len(right))]


def _binary(answers: Array, truths: Array) -> list[Score]:
    """Return the accuracy at a half, or of logits at 0, and the area under the ROC curve.

    What leaves 0 to 1 anywhere is taken for logits. Of several columns the area is their mean.
    """
    threshold = 0.5 if answers.min() >= 0 and answers.max() <= 1 else 0.0
    found = answers > threshold
    if answers.ndim > 2:
        return _places(found.astype(np.uint8), truths)
    name = f"accuracy at {threshold:g}"
    if answers.ndim == 1:
        accuracy = _share(name, found == truths)
    else:
        right = (found == truths).mean(axis=1)
        accuracy = Score(name, float(right.mean()), bootstrap_mean(right), len(right))
    return [accuracy, *_areas(answers, truths)]


def _areas(answers: Array, truths: Array) -> list[Score]:
    """Return AUC, of the columns that hold both classes; nothing where none does."""
    columns = [(a, t > 0) for a, t in zip(answers.reshape(len(answers), -1).T,
                                          truths.reshape(len(truths), -1).T, strict=True)
               if 0 < t.sum() < len(t)]  # fmt: skip
    if not columns:
        return []
    value = float(np.mean([area_under_curve(*column) for column in columns]))
    interval = area_interval(*columns[0]) if len(columns) == 1 else None
    return [Score("AUC", value, interval, len(answers))]


def _errors(answers: Array, truths: Array) -> list[Score]:
    """Return RMSE and MAE over all numbers; 95% by the bootstrap over examples."""
    off = (answers.astype(np.float64) - truths).reshape(len(answers), -1)
    squares, sizes = (off**2).mean(axis=1), np.abs(off).mean(axis=1)
    low, high = bootstrap_mean(squares)
    return [
        Score("RMSE", math.sqrt(squares.mean()), (math.sqrt(low), math.sqrt(high)), len(off),
              _UNIT, "lower"),
        Score("MAE", float(sizes.mean()), bootstrap_mean(sizes), len(off), _UNIT, "lower"),
    ]  # fmt: skip


def _share(metric: str, right: npt.NDArray[np.bool_]) -> Score:
    hits, n = int(right.sum()), len(right)
    told = "".join("01"[int(one)] for one in right)
    return Score(metric, hits / n, wilson_interval(hits, n), n, hits=told)
