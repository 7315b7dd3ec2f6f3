"""Training: the float network first, then its quantization-aware copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from edgekit.errors import InputError
from edgekit.families.mobilenet_v2 import FAMILY, Config
from edgekit.families.mobilenet_v2.data import Pictures, load
from edgekit.families.mobilenet_v2.network import build
from edgekit.families.mobilenet_v2.pretrained import load_pretrained
from edgekit.families.phases import train_phases
from edgekit.families.pictures import begin_run
from edgekit.families.run import Run, claim
from edgekit.train import Options
from edgekit.train.distribute import choose_strategy, shard
from edgekit.train.loop import Predict, seed_everything


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
    """Train into `folder` and return the run, with its accuracy on the test split.

    Args:
        folder: of the run.
        config: of the network; the number of classes is taken from the data.
        options: of the training.
        data: what `read_labelled_images` reads.
        weights: "imagenet" or a file to start from; the classifier starts afresh unless the
            classes are ImageNet's 1000.
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
    if not config.include_top:
        raise InputError("mobilenet_v2: nothing to train without the classifier", got="no top")
    run = begin_run(folder, FAMILY.name, config, options, data, pictures.classes, weights)
    config = run.config
    seed_everything(options.seed)
    network = build(config)
    if weights and not resume:
        load_pretrained(network, config, weights, sha256=sha256)

    def loss(labels: Any, probabilities: Any) -> Any:
        targets = tf.one_hot(labels, len(run.classes))
        return keras.losses.categorical_crossentropy(
            targets, probabilities, label_smoothing=options.label_smoothing
        )

    def judge(predict: Predict, part: str) -> dict[str, float]:
        return evaluate(predict, getattr(pictures, part))

    return train_phases(run, network, loss, pictures, judge, strategy=strategy, resume=resume)


def evaluate(predict: Predict, pictures: Pictures) -> dict[str, float]:
    """Return top-1 accuracy, from 0 to 1, and the mean cross-entropy in nats."""
    right, loss = 0, 0.0
    for inputs, labels in pictures.batches():
        probabilities = predict(inputs)
        right += int((probabilities.argmax(axis=1) == labels).sum())
        chosen = probabilities[np.arange(len(labels)), labels]
        loss -= float(np.log(np.maximum(chosen, 1e-7)).sum())
    return {"accuracy": right / len(pictures), "loss": loss / len(pictures)}
