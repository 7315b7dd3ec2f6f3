"""Training: the float network first, then its quantization-aware copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgekit.families.deeplab_v3 import FAMILY, Config
from edgekit.families.deeplab_v3.data import Pictures, load
from edgekit.families.deeplab_v3.network import build, resize
from edgekit.families.deeplab_v3.pretrained import load_pretrained
from edgekit.families.phases import train_phases
from edgekit.families.pictures import begin_run
from edgekit.families.run import Run, claim
from edgekit.tasks.masks import VOID
from edgekit.tasks.segment import confusion, mean_iou, pixel_accuracy
from edgekit.train import Options
from edgekit.train.distribute import choose_strategy, shard
from edgekit.train.loop import Loss, Predict, seed_everything


def fit(
    folder: Path,
    config: Config,
    options: Options,
    data: str,
    *,
    weights: str | None = None,
    sha256: str | None = None,
    resume: bool = False,
    distributed: bool = False,
) -> Run:
    """Train into `folder` and return the run, with its mIOU on the test split.

    Args:
        folder: of the run.
        config: of the network; the number of classes is taken from the data.
        options: of the training.
        data: what `read_masked_images` reads.
        weights: to start from: "imagenet" or a file, for the body or for all of it.
        sha256: what those weights must hash to.
        resume: go on from the newest checkpoint.
        distributed: over TF_CONFIG's workers or this machine's GPUs.

    Raises:
        InputError: the data, the options or the weights do not fit.
        CheckFailedError: training diverged.
    """
    strategy = choose_strategy(distributed)
    if not resume and shard(strategy).index == 0:
        claim(folder)
    pictures = load(data, config, options)
    run = begin_run(folder, FAMILY.name, config, options, data, pictures.classes, weights)
    config = run.config
    seed_everything(options.seed)
    network = build(config)
    if weights and not resume:
        load_pretrained(network, config, weights, sha256=sha256)
    loss = segmentation_loss(config, class_weights(config, pictures.shares))

    def judge(predict: Predict, part: str) -> dict[str, float]:
        return evaluate(predict, getattr(pictures, part))

    return train_phases(
        run, network, loss, pictures, judge, strategy=strategy, watch="mIOU", resume=resume
    )


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
