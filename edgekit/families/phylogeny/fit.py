"""Training: on matrices that are simulated as it goes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from edgekit.errors import InputError
from edgekit.families.phases import train_phases
from edgekit.families.phylogeny import FAMILY
from edgekit.families.phylogeny.data import Simulated, TrainingData, load
from edgekit.families.phylogeny.network import build
from edgekit.families.phylogeny.policy import train_policy
from edgekit.families.run import CALIBRATION, Run, claim, write_run
from edgekit.files import write_file
from edgekit.tasks.intervals import area_under_curve
from edgekit.train.checkpoint import save_weights
from edgekit.train.distribute import choose_strategy, shard
from edgekit.train.loop import Predict, seed_everything

TEST = "test.npz"
_CHUNK = 200  # matrices of an evaluation at a time
_LEAST = 1e-6  # of a probability, under a logarithm


def fit(run: Run, *, sha256: str | None, resume: bool, distributed: bool) -> Run:
    """Train on simulated matrices; see `Family.fit`. A network without weights is only scored."""
    folder, config, options = run.folder, run.config, run.options
    load(run.data, config)
    if config.matrices < options.batch_size:
        raise InputError("phylogeny: matrices", got=config.matrices,
                         expected=f"at least one batch of {options.batch_size}")  # fmt: skip
    strategy = choose_strategy(distributed)
    chief = shard(strategy).index == 0
    if not resume and chief:
        claim(folder)
    drawn = TrainingData(config.for_training, options.batch_size, options.seed)
    run = replace(run, task=FAMILY.describe(config))
    seed_everything(options.seed)
    network = build(config.for_training)
    parts = {name: drawn.part(name) for name in ("validation", "test")}
    if chief:
        full = replace(drawn, config=config).glance()
        write_file(folder / CALIBRATION, _packed(matrix=np.concatenate(list(full))))
        write_file(folder / TEST, _packed(matrices=parts["test"].seen, truth=parts["test"].targets))

    def judge(predict: Predict, part: str) -> Mapping[str, float]:
        return evaluate(predict, parts[part], config.problem)

    if not network.trainable_variables:
        save_weights(network, run.weights_path("float"))
        scores = judge(lambda x: network.predict_on_batch(x), "test")
        run = replace(run, best={"float": scores["accuracy"]}, test={"float": scores})
        write_run(run)
        return run
    if config.network == "pointer":
        return train_policy(run, network, drawn, parts, strategy=strategy, resume=resume)
    return train_phases(run, network, LOSSES[config.problem], drawn, judge, strategy=strategy,
                        resume=resume)  # fmt: skip


def _cross_entropy_of(output: str) -> Any:
    def loss(targets: Any, outputs: Any) -> Any:
        return keras.losses.binary_crossentropy(targets[:, None], outputs[output])

    return loss


def _of_any_pair(targets: Any, outputs: Any) -> Any:
    """Return the cross-entropy of a conflict in at least one pair, taken as independent, `[N]`.

    Every pair learns from it, where the largest alone would.
    """
    if "pairs" not in outputs:
        return _cross_entropy_of("conflict")(targets, outputs)
    spared = tf.math.log(1.0 - tf.clip_by_value(outputs["pairs"], 0.0, 1.0 - _LEAST))
    none = -tf.reduce_sum(spared, axis=(1, 2))
    return targets * -tf.math.log(-tf.math.expm1(-none) + _LEAST) + (1.0 - targets) * none


def _of_entries(targets: Any, outputs: Any) -> Any:
    """Return the mean cross-entropy of the entries that are there, `[N]`."""
    there = tf.abs(targets)
    each = tf.nn.softplus(-outputs["scores"] * targets) * there
    return tf.reduce_sum(each, axis=(1, 2)) / tf.reduce_sum(there, axis=(1, 2))


LOSSES = {
    "branching": _cross_entropy_of("branching"),
    "noise": _of_any_pair,
    "elimination": _of_entries,
}


def evaluate(predict: Predict, data: Simulated, problem: str) -> dict[str, float]:
    """Return accuracy from 0 to 1, at a threshold of .5, and the area under the ROC curve.

    Of elimination both are those of entries.
    """
    output = {"branching": "branching", "noise": "conflict", "elimination": "scores"}[problem]
    found = np.concatenate([
        predict(data.seen[at : at + _CHUNK].astype(np.float32))[output]
        for at in range(0, len(data), _CHUNK)
    ])  # fmt: skip
    if problem == "elimination":
        there = data.targets != 0
        values, truths, threshold = found[there], data.targets[there] > 0, 0.0
    else:
        values, truths, threshold = found[:, 0], data.targets > 0, 0.5
    return {"accuracy": float(((values > threshold) == truths).mean()),
            "AUC": area_under_curve(values, truths)}  # fmt: skip


def _packed(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()
