"""Segmentation: a picture to a class for each of its pixels.

`params` of a manifest: "labels" by index; "resolution", the network's height and width in pixels;
"align_corners", how its answer lies over them; "fit": whether a picture is stretched to the input
("stretch") or laid in undistorted; "answer": labels, logits or probabilities. Two classes may be
one channel, the score of the second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.signature import TensorSpec
from edgekit.tasks import Params, Score, classify
from edgekit.tasks.intervals import RESAMPLES, percentiles
from edgekit.tasks.pictures.framing import Frame
from edgekit.tasks.pictures.images import Pixels, read_image, with_channels
from edgekit.tasks.pictures.masks import VOID, read_masked_images

SUFFIXES = ("overlay.png", "mask.png")  # of drawn copies' names
_SHADE = 0.55  # of a class's colour over the picture
_ROWS = 64  # of the picture at a time: every pixel has a score a class
_GREY = 128  # behind a picture whose input has no mean

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Mask:
    """The class of each pixel of the picture, `[H, W]`."""

    classes: Pixels
    labels: tuple[str, ...] = ()  # by index; empty where the model has none

    def name(self, index: int) -> str:
        """Return a class's label, or its index, which then says that it is one."""
        return self.labels[index] if index < len(self.labels) else f"index {index}"


def load(path: Path) -> Pixels:
    """Read a picture as `[H, W, 3]`."""
    return read_image(path)


def encode(thing: Pixels, spec: TensorSpec, params: Params) -> npt.NDArray[Any]:
    """Return the picture `[H, W, C]` as the tensor of batch 1 that `spec` describes.

    It is stretched, or scaled to fit with its mean behind it; then as for classification.

    Raises:
        InputError: the spec is no picture's, or does not say how pixels become values.
    """
    height, width, channels = classify.picture_size(spec)
    pixels = with_channels(thing, channels)
    if height > 0 and width > 0 and not _stretched(params):
        fill = np.rint(_GREY if spec.mean is None else spec.mean)
        pixels = Frame(pixels.shape[:2], (height, width)).fill(pixels, fill)
    return classify.encode(pixels, spec, params)


def decode(outputs: Mapping[str, npt.NDArray[Any]], params: Params, thing: Pixels) -> Mask:
    """Return the mask in the pixels of `thing`, the picture `[H, W, C]`.

    Scores are interpolated bilinearly and the largest wins, of equal ones the lowest index; a lone
    channel must be above a half if it holds probabilities, above 0 if logits. Labels are taken
    from the nearest place.

    Raises:
        InputError: not one map, labels that the model does not name, NaN or infinity.
    """
    if len(outputs) != 1:
        raise InputError("segment: outputs", got=", ".join(outputs), expected="one map")
    (raw,) = outputs.values()
    scores = raw.ndim == 4
    if raw.ndim not in (3, 4) or raw.shape[0] != 1:
        raise InputError(
            "segment: output", got=list(raw.shape), expected="[1, H, W] or [1, H, W, classes]"
        )
    labels = tuple(params.get("labels") or ())
    _check_labels(raw, scores, labels)
    if raw.shape[3:] == (1,):
        raw = np.concatenate([np.full_like(raw, _least(params)), raw], axis=3)
    side = params.get("resolution") or max(raw.shape[1:3])
    frame = Frame(thing.shape[:2], (side, side), _stretched(params))
    rows, columns = frame.places(raw.shape[1:3], align_corners=params.get("align_corners", True))
    if scores:
        return Mask(_largest(raw[0], rows, columns), labels)
    nearest = raw[0][np.rint(rows).astype(int)][:, np.rint(columns).astype(int)]
    return Mask(nearest.astype(np.uint8), labels)


def describe(answer: Mask) -> list[dict[str, Any]]:
    """Return index, label (null where there is none) and share of the pixels, largest first."""
    return [
        {
            "index": index,
            "label": answer.labels[index] if index < len(answer.labels) else None,
            "share": share,
        }
        for index, share in _shares(answer)
    ]


def lines(answer: Mask) -> list[str]:
    """Return one line a class, its share of the pixels first."""
    return [f"{share:6.1%}  {answer.name(index)}" for index, share in _shares(answer)]


def remark(params: Params) -> str | None:
    """Return a warning where indices stand for names."""
    if params.get("labels"):
        return None
    return "The model has no labels: the numbers are the indices of its classes."


def draw(thing: Pixels, answer: Mask) -> tuple[Pixels, Pixels]:
    """Return a copy in the classes' colours with a key, and the mask `[H, W]` itself.

    Class 0, the background, leaves the picture as it is.
    """
    from edgekit.tasks.pictures.drawing import PALETTE, write_key

    picture = with_channels(thing, 3).astype(np.float32)
    colours = PALETTE[answer.classes].astype(np.float32)
    shade = np.where(answer.classes == 0, 0, _SHADE)[..., np.newaxis].astype(np.float32)
    overlay = np.rint(picture * (1 - shade) + colours * shade).astype(np.uint8)
    key = [(index, answer.name(index)) for index, _ in _shares(answer) if index]
    return write_key(overlay, key), answer.classes


def read(source: str, params: Params) -> Examples:
    """Return the test split of `source`, its masks by the model's indices.

    Raises:
        InputError: the data holds a class that the model does not know.
    """
    images = read_masked_images(source, "test")
    indices = classify.class_indices(images.classes, params.get("labels"), source)
    to_model = np.full(VOID + 1, VOID, np.uint8)
    to_model[: len(indices)] = indices
    return Examples(images.examples, to_model)


class Examples(Sequence[tuple[Pixels, Pixels]]):
    """Pictures, and their masks by the model's indices."""

    def __init__(self, examples: Sequence[tuple[Pixels, Pixels]], to_model: Pixels) -> None:
        self._examples = examples
        self._to_model = to_model

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, number: Any) -> Any:
        pixels, mask = self._examples[number]
        return pixels, self._to_model[mask]


def score(answers: Sequence[Mask], truths: Sequence[Pixels]) -> list[Score]:
    """Return mIOU and pixel accuracy, both without void; 95% by the bootstrap over pictures.

    Raises:
        InputError: no examples.
    """
    if not answers:
        raise InputError("segment: no examples", expected="at least one")
    return score_maps([answer.classes for answer in answers], truths)


def score_maps(found: Sequence[Pixels], truths: Sequence[Pixels]) -> list[Score]:
    """Return `score`'s figures of maps `[H, W]`, the classes found and the true ones."""
    pairs = list(zip(found, truths, strict=True))
    classes = 1 + max(max(int(a.max()), int(t[t != VOID].max(initial=0))) for a, t in pairs)
    counts = np.stack([confusion(t, a, classes) for a, t in pairs])
    rng = np.random.default_rng(0)
    drawn = [
        counts[rng.integers(0, len(counts), len(counts))].sum(axis=0) for _ in range(RESAMPLES)
    ]
    return [
        Score(name, of(counts.sum(axis=0)), percentiles([of(c) for c in drawn]), len(counts))
        for name, of in (("mIOU", mean_iou), ("pixel accuracy", pixel_accuracy))
    ]


def confusion(truth: Pixels, found: Pixels, classes: int) -> Counts:
    """Return the pixels by class in truth (rows) and answer `[classes, classes]`, void left out."""
    known = truth != VOID
    pairs = truth[known].astype(np.int64) * classes + found[known]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def mean_iou(counts: Counts) -> float:
    """Return the mean, over classes that truth or answer holds, of intersection over union."""
    both = np.diag(counts)
    union = counts.sum(axis=0) + counts.sum(axis=1) - both
    return float((both[union > 0] / union[union > 0]).mean()) if union.any() else 0.0


def pixel_accuracy(counts: Counts) -> float:
    """Return the share of pixels whose class is right."""
    return float(np.trace(counts) / counts.sum()) if counts.any() else 0.0


def _stretched(params: Params) -> bool:
    return params.get("fit") == "stretch"


def _least(params: Params) -> float:
    """Return what the score of the second of two classes must exceed."""
    return 0.5 if params.get("answer") == "probabilities" else 0.0


def _shares(answer: Mask) -> list[tuple[int, float]]:
    counts = np.bincount(answer.classes.reshape(-1))
    order = np.argsort(-counts, kind="stable")
    return [(int(i), float(counts[i] / answer.classes.size)) for i in order if counts[i]]


def _check_labels(raw: npt.NDArray[Any], scores: bool, labels: Sequence[str]) -> None:
    if scores and not np.isfinite(raw).all():
        count = int((~np.isfinite(raw)).sum())
        raise InputError("segment: NaN or infinity", got=f"{count} of {raw.size} scores")
    classes = max(raw.shape[3], 2) if scores else 0
    if scores and labels and len(labels) != classes:
        raise InputError("segment: labels do not fit", got=f"{len(labels)} labels",
                         expected=f"{classes}, one a class")  # fmt: skip
    limit = len(labels) or VOID
    if not scores and not 0 <= raw.min() <= raw.max() < limit:
        raise InputError(
            "segment: labels do not fit", got=f"a map of {raw.min()} to {raw.max()}",
            expected=f"0 to {limit - 1}",
        )  # fmt: skip


def _largest(scores: npt.NDArray[Any], rows: npt.NDArray[Any], columns: npt.NDArray[Any]) -> Pixels:
    """Return the index of the largest of scores `[h, w, C]` at each row and column, bilinear."""
    scores = scores.astype(np.float32)
    left, right, part = _neighbours(columns, scores.shape[1])
    found = np.empty((len(rows), len(columns)), np.uint8)
    for first in range(0, len(rows), _ROWS):
        above, below, share = _neighbours(rows[first : first + _ROWS], scores.shape[0])
        share = share[:, np.newaxis, np.newaxis]
        lines = scores[above] * (1 - share) + scores[below] * share
        values = lines[:, left] * (1 - part[:, np.newaxis]) + lines[:, right] * part[:, np.newaxis]
        found[first : first + _ROWS] = values.argmax(axis=2)
    return found


def _neighbours(places: npt.NDArray[Any], size: int) -> tuple[Any, Any, Any]:
    """Return the cells before and behind each place, and how far it is from the first."""
    before = np.floor(places).astype(int)
    return before, np.minimum(before + 1, size - 1), (places - before).astype(np.float32)
