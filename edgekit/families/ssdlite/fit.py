"""Training: the float network first, then its quantization-aware copy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgekit.families import ssdlite
from edgekit.families.phases import train_phases
from edgekit.families.pictures import begin_run
from edgekit.families.run import Run, claim
from edgekit.families.ssdlite import Config
from edgekit.families.ssdlite.data import Pictures, load
from edgekit.families.ssdlite.loss import detection_loss
from edgekit.families.ssdlite.network import build
from edgekit.families.ssdlite.pretrained import load_pretrained
from edgekit.tasks.average_precision import average_precision
from edgekit.tasks.detect import decode
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
    """Train into `folder` and return the run, with its AP50 on the test split.

    Args:
        folder: of the run.
        config: of the network; the number of classes is taken from the data.
        options: of the training.
        data: what `read_boxed_images` reads.
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
    run = begin_run(folder, ssdlite.FAMILY.name, config, options, data, pictures.classes, weights)
    config = run.config
    seed_everything(options.seed)
    network = build(config)
    if weights and not resume:
        load_pretrained(network, config, weights, sha256=sha256)

    def judge(predict: Predict, part: str) -> dict[str, float]:
        return evaluate(predict, getattr(pictures, part), config)

    return train_phases(
        run, network, detection_loss(config.loss), pictures, judge, strategy=strategy,
        watch="AP50", resume=resume,
    )  # fmt: skip


def evaluate(predict: Predict, pictures: Pictures, config: Config) -> dict[str, float]:
    """Return Pascal VOC's mean AP at an overlap of 0.5, in the pictures' pixels."""
    params = {**ssdlite.FAMILY.describe(config), "answer": "raw"}
    answers, truths = [], []
    for inputs, examples in pictures.batches():
        codes, logits = predict(inputs)
        for number, (truth, _) in enumerate(examples):
            one = slice(number, number + 1)
            outputs = {"codes": codes[one], "logits": logits[one]}
            answers.append(decode(outputs, params, np.empty((*truth.size, 0), np.uint8)))
            truths.append(truth)
    return {"AP50": average_precision(answers, truths)}
