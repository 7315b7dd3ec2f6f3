"""Classification: a picture to labels with scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.signature import TensorSpec
from edgekit.tasks import Params, Score
from edgekit.tasks.intervals import wilson_interval
from edgekit.tasks.pictures.images import (
    LabelledImages,
    Pixels,
    read_image,
    read_labelled_images,
    resize,
    with_channels,
)

SUFFIXES = ("labelled.png",)  # of drawn copies\' names
TOP = 5
# How far the sum of quantized probabilities may lie above 1: some of them were rounded up.
_SUM_SLACK = 0.1


@dataclass(frozen=True)
class Guess:
    """One class and its probability."""

    index: int  # of the network's output
    score: float
    label: str | None  # None where the model has no labels

    @property
    def name(self) -> str:
        """The label, or the index, which then says that it is one."""
        return self.label if self.label is not None else f"index {self.index}"


Answer = tuple[Guess, ...]  # best first


def load(path: Path) -> Pixels:
    """Read a picture as `[H, W, 3]`."""
    return read_image(path)


def encode(thing: Pixels, spec: TensorSpec, params: Params) -> npt.NDArray[Any]:
    """Return the picture `[H, W, C]` as the tensor of batch 1 that `spec` describes.

    It is resized, taken to (pixel - mean) / std and quantized. A uint8 input without mean and std
    takes the pixels as they are; for any other that would be a guess.

    Raises:
        InputError: the spec is no picture's, or does not say how pixels become values.
    """
    height, width, channels = picture_size(spec)
    pixels = with_channels(thing, channels)
    pixels = resize(
        pixels,
        (height if height > 0 else pixels.shape[0], width if width > 0 else pixels.shape[1]),
    )
    if spec.mean is None or spec.std is None:
        if spec.dtype != "uint8":
            raise InputError(
                f"input {spec.name}: how pixels become {spec.dtype} is not known",
                expected="mean and std, (pixel - mean) / std",
                do="give --mean and --std as the network was trained, to convert or to run",
            )
        tensor: npt.NDArray[Any] = pixels
    else:
        mean, std = (np.asarray(values, np.float32) for values in (spec.mean, spec.std))
        if mean.size not in (1, channels) or std.size not in (1, channels) or not std.all():
            raise InputError(
                f"input {spec.name}: mean and std",
                got=f"{list(spec.mean)} and {list(spec.std)}",
                expected=f"one number or {channels}, std not 0",
            )
        tensor = spec.quantize((pixels.astype(np.float32) - mean) / std)
    return (tensor.transpose(2, 0, 1) if spec.layout == "NCHW" else tensor)[np.newaxis]


def decode(outputs: Mapping[str, npt.NDArray[Any]], params: Params, thing: object = None) -> Answer:
    """Return the `params["top"]` best classes (5 if not given), best first.

    Scores that are probabilities, within what quantization does to them, are taken as they are;
    others are logits and go through the softmax. `params["scores"]`, "probabilities" or "logits",
    says so beforehand. Of equal scores the lower index comes first.

    Raises:
        InputError: not one vector of scores, NaN or infinity among them, or other labels than
            scores.
    """
    if len(outputs) != 1:
        raise InputError("classify: outputs", got=", ".join(outputs), expected="one, the scores")
    (raw,) = outputs.values()
    scores = np.asarray(raw, np.float64).reshape(-1)
    if raw.ndim and raw.shape[0] != 1 and raw.ndim != 1:
        raise InputError("classify: scores", got=list(raw.shape), expected="[1, classes]")
    if not np.isfinite(scores).all():
        count = int((~np.isfinite(scores)).sum())
        raise InputError("classify: NaN or infinity", got=f"{count} of {scores.size} scores")
    labels = params.get("labels")
    if labels and len(labels) != scores.size:
        raise InputError(
            "classify: labels do not fit",
            got=f"{len(labels)} labels",
            expected=f"{scores.size}, one a score",
        )
    probabilities = _probabilities(scores, params.get("scores"))
    best = np.argsort(-probabilities, kind="stable")[: params.get("top", TOP)]
    return tuple(
        Guess(int(i), float(probabilities[i]), labels[i] if labels else None) for i in best
    )


def describe(answer: Answer) -> list[dict[str, Any]]:
    """Return index, label (null where there is none) and score, best first."""
    return [{"index": g.index, "label": g.label, "score": g.score} for g in answer]


def lines(answer: Answer) -> list[str]:
    """Return one line a guess, its probability first."""
    return [f"{guess.score:6.1%}  {guess.name}" for guess in answer]


def remark(params: Params) -> str | None:
    """Return a warning where indices stand for names."""
    if params.get("labels"):
        return None
    return "The model has no labels: the numbers are the indices of its outputs."


def draw(thing: Pixels, answer: Answer) -> tuple[Pixels]:
    """Return a copy with the guesses written on it."""
    from edgekit.tasks.pictures.drawing import write_lines

    lines = [f"{guess.score:.1%}  {guess.name}" for guess in answer]
    return (write_lines(with_channels(thing, 3), lines),)


def read(source: str, params: Params) -> Examples:
    """Return the test split of `source` with the index of each picture's class.

    Raises:
        InputError: the data holds a class that the model does not know.
    """
    images = read_labelled_images(source, "test")
    return Examples(images, class_indices(images.classes, params.get("labels"), source))


def score(answers: Sequence[Answer], truths: Sequence[int]) -> list[Score]:
    """Return top-1 and, where the answers hold five guesses, top-5 accuracy."""
    if not answers:
        raise InputError("classify: no examples", expected="at least one")
    depth = min(len(answer) for answer in answers)
    scores = []
    for k in (1, TOP) if depth >= TOP else (1,):
        hits = [
            any(guess.index == truth for guess in answer[:k])
            for answer, truth in zip(answers, truths, strict=True)
        ]
        share, interval = sum(hits) / len(hits), wilson_interval(sum(hits), len(hits))
        told = "".join("01"[hit] for hit in hits)
        scores.append(Score(f"top-{k} accuracy", share, interval, len(hits), hits=told))
    return scores


class Examples(Sequence[tuple[Pixels, int]]):
    """Pictures, read when they are asked for, and the index of the class of each."""

    def __init__(self, images: LabelledImages, indices: Sequence[int]) -> None:
        self._images = images
        self._indices = indices

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, number: Any) -> Any:
        truth = self._indices[int(self._images.labels[number])]
        return self._images.pixels(number), truth


def picture_size(spec: TensorSpec) -> tuple[int, int, int]:
    """Return height, width and channels; -1 where they are free."""
    if len(spec.shape) == 4 and spec.shape[0] in (1, -1):
        if spec.layout == "NHWC":
            return spec.shape[1], spec.shape[2], spec.shape[3]
        if spec.layout == "NCHW":
            return spec.shape[2], spec.shape[3], spec.shape[1]
    raise InputError(
        f"input {spec.name}: not one picture",
        got=f"{list(spec.shape)}, layout {spec.layout or 'unknown'}",
        expected="[1, H, W, C] with layout NHWC or [1, C, H, W] with NCHW",
    )


def _probabilities(scores: npt.NDArray[np.float64], kind: str | None) -> npt.NDArray[np.float64]:
    if kind not in (None, "probabilities", "logits"):
        raise InputError("classify: scores", got=kind, expected="probabilities or logits")
    likely = scores.min() >= 0 and scores.max() <= 1 and scores.sum() <= 1 + _SUM_SLACK
    if kind == "probabilities" or (kind is None and likely):
        return scores
    powers = np.exp(scores - scores.max())
    softmax: npt.NDArray[np.float64] = powers / powers.sum()
    return softmax


def class_indices(classes: Sequence[str], labels: Sequence[str] | None, where: str) -> list[int]:
    """Return which output each class of the data means; names decide, never the order.

    Without labels a class must be called by its index.
    """
    if not labels:
        for name in classes:
            if not (name.isascii() and name.isdigit()):
                raise InputError(
                    f"{where}: class {name}",
                    expected="an index, as the model has no labels",
                    do="give --labels",
                )
        return [int(name) for name in classes]
    count = Counter(labels)
    for name in classes:
        if count[name] != 1:
            raise InputError(
                f"{where}: class {name} is "
                + ("not a label of the model" if not count[name] else "a label of several outputs"),
                expected="one of "
                + ", ".join(sorted(count)[:10])
                + ("..." if len(count) > 10 else ""),
            )
    return [labels.index(name) for name in classes]
