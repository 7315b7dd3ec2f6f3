"""Training: the float network first, then its quantization-aware copy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgekit.families.deeplab_v3 import Config
from edgekit.families.deeplab_v3.data import Pictures, TrainingData, load
from edgekit.families.deeplab_v3.network import build, resize
from edgekit.families.deeplab_v3.pretrained import load_pretrained
from edgekit.families.picture_training import Recipe, train_on_pictures
from edgekit.families.run import Run
from edgekit.tasks.pictures.masks import VOID
from edgekit.tasks.segment import confusion, mean_iou, pixel_accuracy
from edgekit.train.loop import Loss, Predict


def fit(run: Run, *, sha256: str | None, resume: bool, distributed: bool) -> Run:
    """Train on pictures with masks; see `Family.fit`. Weights are for the body or for all of it."""
    return train_on_pictures(
        run, Recipe(load, build, load_pretrained, _loss, evaluate, "mIOU"),
        sha256=sha256, resume=resume, distributed=distributed,
    )  # fmt: skip


def _loss(run: Run, pictures: TrainingData) -> Loss:
    return segmentation_loss(run.config, class_weights(run.config, pictures.shares))


def segmentation_loss(config: Config, weights: npt.NDArray[np.float32]) -> Loss:
    """Return the cross-entropy of logits `[N, h, w, K]` against masks `[N, H, W]`, `[N]`.

    The logits grow to the masks' size, as in the papers. Each pixel counts by its class's weight,
    void not at all.
    """
    by_class = np.zeros(VOID + 1, np.float32)
    by_class[: len(weights)] = weights

    def loss(masks: Any, logits: Any) -> Any:
        grown = resize(logits, tf.shape(masks)[1:3], config.align_corners)
        indices = tf.cast(masks, tf.int32)
        counted = tf.gather(by_class, indices)
        labels = tf.where(indices == VOID, 0, indices)
        surprise = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, grown)
        total = tf.reduce_sum(counted, axis=(1, 2))
        return tf.reduce_sum(counted * surprise, axis=(1, 2)) / tf.maximum(total, 1.0)

    return loss


def class_weights(config: Config, shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Return each class's weight in the loss, on average 1 a pixel.

    Balanced ones go by 1 / sqrt of the share of the training pixels: between every pixel and every
    class alike. A class that never occurs weighs nothing.
    """
    if config.class_weights == "none":
        return np.ones(len(shares), np.float32)
    root = np.where(shares > 0, 1 / np.sqrt(np.maximum(shares, 1e-12)), 0)
    weights: npt.NDArray[np.float32] = (root / (root * shares).sum()).astype(np.float32)
    return weights


def evaluate(predict: Predict, pictures: Pictures) -> dict[str, float]:
    """Return mIOU and pixel accuracy, from 0 to 1, in the network's frame."""
    config = pictures.config
    classes = len(pictures.images.classes)
    counts = np.zeros((classes, classes), np.int64)
    for inputs, masks in pictures.batches():
        grown = resize(tf.constant(predict(inputs)), masks.shape[1:3], config.align_corners)
        counts += confusion(masks, np.asarray(tf.argmax(grown, axis=-1)), classes)
    return {"mIOU": mean_iou(counts), "pixel_accuracy": pixel_accuracy(counts)}
