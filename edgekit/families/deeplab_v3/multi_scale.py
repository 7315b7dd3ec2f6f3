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

from edgekit.families.deeplab_v3.data import Pictures, normalize
from edgekit.families.deeplab_v3.network import build, resize
from edgekit.families.rebuild import rebuild
from edgekit.families.run import Run
from edgekit.tasks.framing import Frame
from edgekit.tasks.masks import VOID
from edgekit.tasks.segment import confusion, mean_iou, pixel_accuracy

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


def probabilities(pixels: Any, by_size: Mapping[int, Any], run: Run, *, mirror: bool = True) -> Any:
    """Return the mean probabilities `[size, size, K]` of a picture `[H, W, C]`, in the run's frame.

    Args:
        pixels: of the picture.
        by_size: from `networks`.
        run: whose frame it is.
        mirror: whether the mirrored picture is asked as well, as in the papers.
    """
    side = run.config.resolution
    fill = np.rint(run.input["mean"])
    total: Any = 0.0
    for size, network in by_size.items():
        picture = Frame(pixels.shape[:2], (size, size)).fill(pixels, fill)
        inputs = normalize(picture)[np.newaxis]
        if mirror:
            inputs = np.concatenate([inputs, inputs[:, :, ::-1]])
        grown = resize(network(inputs, training=False), (side, side), run.config.align_corners)
        found = np.asarray(tf.nn.softmax(grown))
        total = total + found[0] + (found[1, :, ::-1] if mirror else 0.0)
    return total / (len(by_size) * (1 + mirror))


def evaluate(
    run: Run, pictures: Pictures, scales: Sequence[float] = SCALES, *, mirror: bool = True
) -> dict[str, float]:
    """Return mIOU and pixel accuracy, from 0 to 1, in the network's frame."""
    by_size = networks(run, scales)
    classes, size = len(run.classes), (run.config.resolution, run.config.resolution)
    counts = np.zeros((classes, classes), np.int64)
    for index in range(len(pictures)):
        pixels, mask = pictures.one(index)
        answer = probabilities(pixels, by_size, run, mirror=mirror).argmax(axis=-1)
        truth = Frame(mask.shape[:2], size).fill(mask, VOID, nearest=True)
        counts += confusion(truth, answer, classes)
    return {"mIOU": mean_iou(counts), "pixel_accuracy": pixel_accuracy(counts)}
