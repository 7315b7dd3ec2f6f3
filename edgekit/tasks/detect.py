"""Detection: a picture to boxes with labels and scores, in its own pixels.

`params` of a manifest: "labels" by index; "fit", letterbox or stretch; "answer": boxes,
postprocess (boxes by TFLite's custom op) or raw; for the last "anchors", "max_boxes", "min_score"
and "max_overlap".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.signature import TensorSpec
from edgekit.tasks import Params, Score, classify
from edgekit.tasks.anchors import Layout, decode_boxes, make_anchors
from edgekit.tasks.average_precision import average_precision, coco, count_hits
from edgekit.tasks.boxes import CANDIDATES, best_pairs, suppress
from edgekit.tasks.pictures.boxed_images import BoxedImages, Truth, read_boxed_images
from edgekit.tasks.pictures.framing import Frame
from edgekit.tasks.pictures.images import Pixels, read_image, with_channels

SUFFIXES = ("boxes.png",)  # of drawn copies\' names
SHOWN = 0.3  # least score of a box that is listed or drawn
_GREY = 128  # behind a picture whose input has no mean
_RESAMPLES = 200  # of the bootstrap
OUTPUTS = ("boxes", "classes", "scores", "count")


@dataclass(frozen=True, eq=False)
class Boxes:
    """What was found in a picture, best first."""

    boxes: npt.NDArray[np.float64]  # [N, 4]: top, left, bottom, right, in pixels
    classes: npt.NDArray[np.int64]  # [N]
    scores: npt.NDArray[np.float64]  # [N], from 0 to 1
    labels: tuple[str, ...] = ()  # by class; empty where the model has none

    def name(self, index: int) -> str:
        """Return a class's label, or its index, which then says that it is one."""
        return self.labels[index] if index < len(self.labels) else f"index {index}"

    def above(self, least: float) -> Boxes:
        """Return those that score so much at least."""
        kept = self.scores >= least
        return Boxes(self.boxes[kept], self.classes[kept], self.scores[kept], self.labels)


def load(path: Path) -> Pixels:
    """Read a picture as `[H, W, 3]`."""
    return read_image(path)


def encode(thing: Pixels, spec: TensorSpec, params: Params) -> npt.NDArray[Any]:
    """Return the picture `[H, W, C]` as the tensor of batch 1 that `spec` describes.

    Raises:
        InputError: the spec is no picture's, or does not say how pixels become values.
    """
    height, width, channels = classify.picture_size(spec)
    pixels = with_channels(thing, channels)
    fill = np.rint(_GREY if spec.mean is None else spec.mean)
    framed = _frame(pixels, (height, width), params).fill(pixels, fill)
    return classify.encode(framed, spec, params)


def decode(outputs: Mapping[str, npt.NDArray[Any]], params: Params, thing: Pixels) -> Boxes:
    """Return the boxes in the pixels of `thing`, the picture `[H, W, C]`.

    Raises:
        InputError: other outputs than the answer that the params name, NaN or infinity.
    """
    expected = ("codes", "logits") if params["answer"] == "raw" else OUTPUTS
    if params.get("bare"):
        outputs = _by_place(outputs)
    if set(outputs) != set(expected):
        raise InputError("detect: outputs", got=", ".join(outputs), expected=", ".join(expected))
    for name, values in outputs.items():
        if wrong := int((~np.isfinite(values)).sum()):
            raise InputError(f"detect: NaN or infinity in {name}", got=f"{wrong} of {values.size}")
    if params["answer"] == "raw":
        boxes, classes, scores = choose(outputs["codes"][0], outputs["logits"][0], params)
    else:
        count = int(np.rint(outputs["count"].reshape(-1)[0]))
        boxes, classes, scores = (outputs[name][0][:count] for name in OUTPUTS[:3])
    frame = _frame(thing, None, params)
    found = frame.to_picture(boxes.astype(np.float64))
    there = (found[:, 2:] > found[:, :2]).all(axis=1)  # not those that lie beyond the picture
    labels = tuple(params.get("labels") or ())
    return Boxes(
        found[there], np.rint(classes[there]).astype(np.int64), scores[there].astype(np.float64),
        labels,
    )  # fmt: skip


def bare(labels: Sequence[str]) -> dict[str, Any]:
    """Return what params say of a file without a manifest: it ends in TFLite's custom op.

    That numbers no background, which files of labels call ??? and put first.
    """
    unnumbered = [*labels[:1]] if labels[:1] == ["???"] else []
    return {"answer": "postprocess", "fit": "stretch", "bare": True,
            "labels": list(labels[len(unnumbered) :]), "unnumbered": unnumbered}  # fmt: skip


def _by_place(outputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Return outputs by the names that they have in the custom op, whose order they keep.

    Raises:
        InputError: they have other shapes.
    """
    shapes = [values.shape for values in outputs.values()]
    n = shapes[0][1] if len(shapes) == 4 and len(shapes[0]) == 3 else 0
    if shapes != [(1, n, 4), (1, n), (1, n), (1,)]:
        raise InputError(
            "detect: outputs", got=" ".join(map(str, shapes)),
            expected="boxes [1, n, 4], classes and scores [1, n] and their count [1], as "
            "TFLite_Detection_PostProcess gives them",
        )  # fmt: skip
    return dict(zip(OUTPUTS, outputs.values(), strict=True))


def choose(codes: Any, logits: Any, params: Params) -> tuple[Any, Any, Any]:
    """Return boxes in shares of the input, classes and scores from codes and logits by anchor.

    As the files do that answer with boxes: the best CANDIDATES pairs of anchor and class are
    decoded, then each class's suppressed by itself.
    """
    least = float(np.log(params["min_score"] / (1 - params["min_score"])))
    places, classes = best_pairs(logits, CANDIDATES, least)
    anchors = _anchors(Layout.of(params["anchors"]))
    boxes = np.clip(decode_boxes(codes[places], anchors[places]), -1.0, 2.0)
    kept = suppress(boxes, classes, params["max_overlap"], params["max_boxes"])
    chosen = logits[places[kept], classes[kept]].astype(np.float64)
    return boxes[kept], classes[kept], 1 / (1 + np.exp(-chosen))


def describe(answer: Boxes) -> list[dict[str, Any]]:
    """Return index, label (null where there is none), score and box, best first."""
    return [
        {
            "index": int(index),
            "label": answer.labels[index] if index < len(answer.labels) else None,
            "score": float(score),
            "box": dict(zip(("top", "left", "bottom", "right"), map(float, box), strict=True)),
        }
        for box, index, score in _rows(answer)
    ]


def lines(answer: Boxes) -> list[str]:
    """Return one line a box: score, label, then its edges in pixels."""
    return [
        f"{score:6.1%}  {answer.name(int(index))}  "
        f"left {box[1]:.0f} top {box[0]:.0f} right {box[3]:.0f} bottom {box[2]:.0f}"
        for box, index, score in _rows(answer)
    ] or [f"nothing scores {SHOWN:.0%}"]


def remark(params: Params) -> str | None:
    """Return a warning where indices stand for names."""
    if params.get("unnumbered"):
        return "The first label, ???, is left out: the file does not number the background."
    if params.get("labels"):
        return None
    return "The model has no labels: the numbers are the indices of its classes."


def draw(thing: Pixels, answer: Boxes) -> tuple[Pixels]:
    """Return a copy with boxes, labels and scores."""
    from edgekit.tasks.pictures.drawing import write_boxes

    rows = [
        (box, int(index) + 1, f"{answer.name(int(index))} {score:.0%}")
        for box, index, score in reversed(_rows(answer))
    ]
    return (write_boxes(with_channels(thing, 3), rows),)


def read(source: str, params: Params) -> Examples:
    """Return the test split of `source`, its boxes by the model's classes.

    Raises:
        InputError: the data holds a class that the model does not know.
    """
    images = read_boxed_images(source, "test")
    indices = classify.class_indices(images.classes, params.get("labels"), source)
    return Examples(images, np.asarray(indices))


class Examples(Sequence[tuple[Pixels, Truth]]):
    """Pictures, and their boxes by the model's classes."""

    def __init__(self, images: BoxedImages, to_model: npt.NDArray[Any]) -> None:
        self._images, self._to_model = images, to_model

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, number: Any) -> Any:
        picture = self._images.pictures[number]
        truth = picture.truth
        classes = self._to_model[truth.classes]
        return picture.pixels(), Truth(truth.boxes, classes, truth.ignore, truth.size)


def score(answers: Sequence[Boxes], truths: Sequence[Truth]) -> list[Score]:
    """Return COCO's mAP by pycocotools, Pascal VOC's AP50, and what is right of what is shown.

    AP50 comes with 95% by the bootstrap. Precision is left out where nothing is shown.

    Raises:
        InputError: no examples, or no box in any.
        MissingExtraError: pycocotools is not installed.
    """
    boxes = np.array([(~truth.ignore).sum() for truth in truths])
    if not boxes.sum():
        raise InputError("detect: nothing to find in the examples", expected="a box at least")
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, len(answers), len(answers)) for _ in range(_RESAMPLES)]
    values = [
        average_precision([answers[i] for i in d], [truths[i] for i in d])
        for d in drawn if boxes[d].sum()  # where nothing is to be found there is no such figure
    ]  # fmt: skip
    low, high = np.quantile(values, (0.025, 0.975))
    return [
        Score("COCO mAP", coco(answers, truths)["mAP"], None, len(answers)),
        Score("VOC AP50", average_precision(answers, truths), (float(low), float(high)),
              len(answers)),
        *_of_shown(answers, truths),
    ]  # fmt: skip


def _of_shown(answers: Sequence[Boxes], truths: Sequence[Truth]) -> list[Score]:
    """Return precision and recall of the boxes that are listed and drawn."""
    right, shown, wanted = count_hits([answer.above(SHOWN) for answer in answers], truths)
    shares = {"precision": (right, shown), "recall": (right, wanted)}
    return [
        Score(f"{name} at {SHOWN:.0%}", part / whole, None, len(answers))
        for name, (part, whole) in shares.items() if whole
    ]  # fmt: skip


def _rows(answer: Boxes) -> list[tuple[Any, Any, Any]]:
    shown = answer.above(SHOWN)
    return list(zip(shown.boxes, shown.classes, shown.scores, strict=True))


def _frame(thing: Pixels, size: tuple[int, int] | None, params: Params) -> Frame:
    """Return how a picture lies in the input; shares of it need no size where it is square."""
    side = max(thing.shape[:2])
    return Frame(thing.shape[:2], size or (side, side), params.get("fit") == "stretch")


@lru_cache(maxsize=4)
def _anchors(layout: Layout) -> npt.NDArray[np.float32]:
    return make_anchors(layout)
