"""Training: the float network first, then its quantization-aware copy."""

from __future__ import annotations

import numpy as np

from edgekit.families.picture_training import Recipe, train_on_pictures
from edgekit.families.run import Run
from edgekit.families.ssdlite import FAMILY
from edgekit.families.ssdlite.data import Pictures, TrainingData, load
from edgekit.families.ssdlite.loss import detection_loss
from edgekit.families.ssdlite.network import build
from edgekit.families.ssdlite.pretrained import load_pretrained
from edgekit.tasks.average_precision import average_precision
from edgekit.tasks.detect import decode
from edgekit.train.loop import Loss, Predict


def fit(run: Run, *, sha256: str | None, resume: bool, distributed: bool) -> Run:
    """Train on pictures with boxes; see `Family.fit`. Weights are for the body or for all of it."""
    return train_on_pictures(
        run, Recipe(load, build, load_pretrained, _loss, evaluate, "AP50"),
        sha256=sha256, resume=resume, distributed=distributed,
    )  # fmt: skip


def _loss(run: Run, pictures: TrainingData) -> Loss:
    return detection_loss(run.config.loss)


def evaluate(predict: Predict, pictures: Pictures) -> dict[str, float]:
    """Return Pascal VOC's mean AP at an overlap of 0.5, in the pictures' pixels."""
    params = {**FAMILY.describe(pictures.config), "answer": "raw"}
    answers, truths = [], []
    for inputs, examples in pictures.batches():
        codes, logits = predict(inputs)
        for number, (truth, _) in enumerate(examples):
            one = slice(number, number + 1)
            outputs = {"codes": codes[one], "logits": logits[one]}
            answers.append(decode(outputs, params, np.empty((*truth.size, 0), np.uint8)))
            truths.append(truth)
    return {"AP50": average_precision(answers, truths)}
