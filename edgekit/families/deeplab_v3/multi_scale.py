"""Inference at several scales and mirrored, averaged: what the papers' best rows report.

The weights know no size, so that each scale has a network of its own with the same ones. It needs
Keras: a file has one size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from edgekit.errors import InputError
from edgekit.families.deeplab_v3.network import build, resize
from edgekit.families.pictures import normalize
from edgekit.families.rebuild import rebuild
from edgekit.families.run import Run, task_parameters
from edgekit.tasks import Score, segment
from edgekit.tasks.pictures.framing import Frame
from edgekit.tasks.pictures.images import with_channels

_FEW = 8  # pictures at a time: each has a probability a class in each pixel of the input
SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)


def scaled_size(resolution: int, scale: float) -> int:
    """Return a resolution at another scale; 1 + 16k stays of that form where the steps do."""
    return int((resolution - 1) * scale + 1)


def networks(run: Run, scales: Sequence[float] = SCALES) -> Mapping[int, Any]:
    """Return the run's float network at each scale, by resolution.

    Raises:
        InputError: a scale that leaves too few pixels, or as many as another.
    """
    weights = rebuild(run).get_weights()
    found = {}
    for scale in scales:
        size = scaled_size(run.config.resolution, scale)
        if size in found:
            raise InputError(f"scale {scale:g}", got=f"{size} pixels, as another",
                             expected="each once")  # fmt: skip
        try:
            found[size] = build(replace(run.config, resolution=size))
        except InputError as error:
            raise InputError(
                f"scale {scale:g} of {run.config.resolution} pixels: {error}"
            ) from None
        found[size].set_weights(weights)
    return found


def probabilities(
    pictures: Sequence[Any], by_size: Mapping[int, Any], run: Run, *, mirror: bool = True
) -> Any:
    """Return the mean probabilities `[N, size, size, K]` of pictures, in the run's frame.

    Args:
        pictures: `[H, W, C]`, each of its own size.
        by_size: from `networks`.
        run: whose frame it is.
        mirror: whether the mirrored pictures are asked as well, as in the papers.
    """
    side = run.config.resolution
    fill = np.rint(run.input["mean"])
    total: Any = 0.0
    for size, network in by_size.items():
        framed = [Frame(pixels.shape[:2], (size, size)).fill(pixels, fill) for pixels in pictures]
        inputs = normalize(np.stack(framed))
        for turn in (1, -1) if mirror else (1,):
            logits = network.predict_on_batch(inputs[:, :, ::turn])
            grown = resize(tf.constant(logits), (side, side), run.config.align_corners)
            total = total + np.asarray(tf.nn.softmax(grown))[:, :, ::turn]
    return total / (len(by_size) * (1 + mirror))


def evaluate(
    run: Run,
    source: str,
    scales: Sequence[float] = SCALES,
    *,
    mirror: bool = True,
    on_done: Callable[[int, int], None] | None = None,
) -> list[Score]:
    """Return mIOU and pixel accuracy on the test split of `source`, as of a file of the run.

    Masks are compared in the pixels of their pictures; see `Family.evaluate_at_scales`.
    """
    params = task_parameters(run)
    examples = segment.read(source, params)
    by_size = networks(run, scales)
    answers, truths = [], []
    for first in range(0, len(examples), _FEW):
        some = [examples[i] for i in range(first, min(first + _FEW, len(examples)))]
        pictures = [with_channels(pixels, run.config.channels) for pixels, _ in some]
        found = probabilities(pictures, by_size, run, mirror=mirror)
        answers += [segment.decode({"probabilities": one[np.newaxis]}, params, pixels)
                    for one, pixels in zip(found, pictures, strict=True)]  # fmt: skip
        truths += [mask for _, mask in some]
        if on_done:
            on_done(len(answers), len(examples))
    return segment.score(answers, truths)
