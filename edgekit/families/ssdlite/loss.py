"""The loss: a sigmoid for each class, and smooth L1 for the boxes."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from edgekit.families.ssdlite.matching import BACKGROUND
from edgekit.train.loop import Loss

NEGATIVES = 3  # for each positive anchor
ALPHA, GAMMA = 0.25, 2.0  # of the focal loss
FEWEST = 3  # negatives of a picture without boxes, lest it teach nothing


def detection_loss(kind: str) -> Loss:
    """Return the loss of (classes `[N, A]`, codes `[N, A, 4]`) against codes and logits, `[N]`.

    Both parts are sums over anchors divided by the picture's positive ones, or by 1.

    Args:
        kind: "mined": of the negative anchors only the worst count, NEGATIVES for each positive
            (Liu et al., arXiv:1512.02325, section 2.2), and the sum over those is what is divided.
            "focal": all count, by how wrong they are (Lin et al., arXiv:1708.02002, equation 5).
    """
    by_class = _focal if kind == "focal" else _mined

    def loss(targets: Any, outputs: Any) -> Any:
        classes, wanted = targets
        codes, logits = outputs
        positive = tf.cast(classes >= 0, tf.float32)
        negative = tf.cast(classes == BACKGROUND, tf.float32)
        count = tf.maximum(tf.reduce_sum(positive, axis=1), 1.0)
        truth = tf.one_hot(classes, logits.shape[-1])  # of a negative number no class is on
        place = tf.reduce_sum(smooth_l1(codes - wanted), axis=2) * positive
        surprise = by_class(truth, logits, positive, negative)
        return (tf.reduce_sum(place, axis=1) + tf.reduce_sum(surprise, axis=1)) / count

    return loss


def smooth_l1(error: Any) -> Any:
    """Return half the square below 1, and from there the line that goes on from it."""
    size = tf.abs(error)
    return tf.where(size < 1, 0.5 * tf.square(error), size - 0.5)


def _mined(truth: Any, logits: Any, positive: Any, negative: Any) -> Any:
    """Return the cross-entropy of positives and of the worst negatives, `[N, A]`."""
    surprise = tf.reduce_sum(
        tf.nn.sigmoid_cross_entropy_with_logits(labels=truth, logits=logits), axis=2
    )
    count = tf.maximum(NEGATIVES * tf.reduce_sum(positive, axis=1), FEWEST)
    rivals = tf.where(negative > 0, tf.stop_gradient(surprise), -1.0)
    order = tf.argsort(rivals, axis=1, direction="DESCENDING")
    rank = tf.cast(tf.argsort(order, axis=1), tf.float32)
    mined = negative * tf.cast(rank < count[:, tf.newaxis], tf.float32)
    return surprise * (positive + mined)


def _focal(truth: Any, logits: Any, positive: Any, negative: Any) -> Any:
    """Return the focal loss of all anchors that are not ignored, `[N, A]`."""
    surprise = tf.nn.sigmoid_cross_entropy_with_logits(labels=truth, logits=logits)
    chance = tf.sigmoid(logits)
    wrong = truth * (1 - chance) + (1 - truth) * chance
    weight = truth * ALPHA + (1 - truth) * (1 - ALPHA)
    return tf.reduce_sum(weight * wrong**GAMMA * surprise, axis=2) * (positive + negative)
