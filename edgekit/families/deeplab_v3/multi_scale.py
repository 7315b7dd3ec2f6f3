"""Inference at several scales and mirrored, averaged: what the papers' best rows report.

The weights know no size, so that each scale has a network of its own with the same ones. It needs
Keras: a file has one size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from edgekit.families.deeplab_v3.data import Pictures
from edgekit.families.deeplab_v3.network import build, resize
from edgekit.families.pictures import normalize
from edgekit.families.rebuild import rebuild
from edgekit.families.run import Run
from edgekit.tasks.framing import Frame
from edgekit.tasks.masks import VOID
from edgekit.tasks.segment import confusion, mean_iou, pixel_accuracy

_FEW = 30  # pictures at a time
SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)


def scaled_size(resolution: int, scale: float) -> int:
    """Return a resolution at another scale; 1 + 16k stays of that form where the steps do."""
    return int((resolution - 1) * scale + 1)


def networks(run: Run, scales: Sequence[float] = SCALES) -> Mapping[int, Any]:
    """Return the run's float network at each scale, by resolution."""
    weights = rebuild(run).get_weights()
    found = {}
    for scale in scales:
        size = scaled_size(run.config.resolution, scale)
        found[size] = build(replace(run.config, resolution=size))
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
    run: Run, pictures: Pictures, scales: Sequence[float] = SCALES, *, mirror: bool = True
) -> dict[str, float]:
    """Return mIOU and pixel accuracy, from 0 to 1, in the network's frame."""
    by_size = networks(run, scales)
    classes, size = len(run.classes), (run.config.resolution, run.config.resolution)
    counts = np.zeros((classes, classes), np.int64)
    for first in range(0, len(pictures), _FEW):
        some = [pictures.one(i) for i in range(first, min(first + _FEW, len(pictures)))]
        found = probabilities([pixels for pixels, _ in some], by_size, run, mirror=mirror)
        for (_, mask), answer in zip(some, found.argmax(axis=-1), strict=True):
            truth = Frame(mask.shape[:2], size).fill(mask, VOID, nearest=True)
            counts += confusion(truth, answer, classes)
    return {"mIOU": mean_iou(counts), "pixel_accuracy": pixel_accuracy(counts)}
