"""Training: the float network first, then its quantization-aware copy."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from edgekit.errors import InputError
from edgekit.families.mobilenet_v2.data import Pictures, TrainingData, load
from edgekit.families.mobilenet_v2.network import build
from edgekit.families.mobilenet_v2.pretrained import load_pretrained
from edgekit.families.picture_training import Recipe, train_on_pictures
from edgekit.families.run import Run
from edgekit.train.loop import Loss, Predict


def fit(run: Run, *, sha256: str | None, resume: bool, distributed: bool) -> Run:
    """Train on labelled pictures; see `Family.fit`. Classes other than ImageNet's start afresh.

    Raises:
        InputError: there is no classifier to train.
    """
    if not run.config.include_top:
        raise InputError("mobilenet_v2: nothing to train without the classifier", got="no top")
    return train_on_pictures(
        run, Recipe(load, build, load_pretrained, classification_loss, evaluate, "accuracy"),
        sha256=sha256, resume=resume, distributed=distributed,
    )  # fmt: skip


def classification_loss(run: Run, pictures: TrainingData) -> Loss:
    """Return the cross-entropy of probabilities against labels, `[N]`."""

    def loss(labels: Any, probabilities: Any) -> Any:
        targets = tf.one_hot(labels, len(run.classes))
        return keras.losses.categorical_crossentropy(
            targets, probabilities, label_smoothing=run.options.label_smoothing
        )

    return loss


def evaluate(predict: Predict, pictures: Pictures) -> dict[str, float]:
    """Return top-1 accuracy, from 0 to 1, and the mean cross-entropy in nats."""
    right, loss = 0, 0.0
    for inputs, labels in pictures.batches():
        probabilities = predict(inputs)
        right += int((probabilities.argmax(axis=1) == labels).sum())
        chosen = probabilities[np.arange(len(labels)), labels]
        loss -= float(np.log(np.maximum(chosen, 1e-7)).sum())
    return {"accuracy": right / len(pictures), "loss": loss / len(pictures)}
