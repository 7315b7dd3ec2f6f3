"""The two phases of a Keras network's training: float, then its fake-quantized copy."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

import tensorflow as tf

from edgekit.errors import EdgekitError
from edgekit.families.run import Run, write_run
from edgekit.quantize.qat import freeze_epoch, quantize_aware, set_ranges
from edgekit.train.batch_norm import restore_statistics
from edgekit.train.distribute import replicate, shard
from edgekit.train.loop import Data, Loss, Phase, Predict, train

_log = logging.getLogger("edgekit")

# How good a network is: on "validation", where the best epoch is chosen, or on "test".
Judge = Callable[[Predict, str], Mapping[str, float]]


class TrainingData(Data, Protocol):
    """What both phases learn from."""

    @property
    def failure(self) -> EdgekitError | None:
        """What went wrong inside a tf.data pipeline, which keeps only an error's text."""
        ...

    def glance(self) -> Iterator[Any]:
        """Yield a few batches of inputs, without augmentation: enough to tell ranges."""
        ...


def train_phases(
    run: Run,
    network: Any,
    loss: Loss,
    data: TrainingData,
    judge: Judge,
    *,
    strategy: Any,
    watch: str = "accuracy",
    resume: bool = False,
) -> Run:
    """Train `network`, then its fake-quantized copy if the run wants it, and keep both in the run.

    Args:
        run: whose folder takes weights, checkpoints and history; run.json grows with each phase.
        network: untrained, or with the weights to start from.
        loss: one number an example.
        data: the training batches.
        judge: the scores of a network on a part of the data.
        strategy: of tf.distribute.
        watch: the score on "validation" that says which epoch is best; higher is better.
        resume: go on from the newest checkpoint.

    Raises:
        InputError: an example cannot be read, or a checkpoint is damaged.
        CheckFailedError: training diverged.
    """
    network = replicate(network, strategy)
    if not resume and (count := restore_statistics(network, data.glance())):
        _log.info("%s: %d folded batch norms take statistics of the data", network.name, count)
    run = _train(run, "float", network, loss, data, judge, strategy, watch, resume)
    if run.qat:
        with strategy.scope():
            copy = quantize_aware(network)
            if not resume:
                set_ranges(copy, network, data.glance())
        run = _train(run, "qat", copy, loss, data, judge, strategy, watch, resume)
    return run


def _train(
    run: Run, name: str, network: Any, loss: Loss, data: TrainingData, judge: Judge, strategy: Any,
    watch: str, resume: bool,
) -> Run:  # fmt: skip
    """Train one phase and write what came out of it into run.json."""
    options = run.options.for_qat() if name == "qat" else run.options
    chief = shard(strategy).index == 0
    if chief:
        write_run(run)
    freeze = freeze_epoch(network, options) if name == "qat" else None
    phase = Phase(name, run.folder, run.weights_path(name), watch=watch, freeze_epoch=freeze)
    try:
        best = train(
            network, loss, data, lambda predict: judge(predict, "validation"), options, phase,
            resume=resume, strategy=strategy,
        )  # fmt: skip
    except tf.errors.OpError as error:
        raise data.failure or error from None
    scores = judge(lambda x: network.predict_on_batch(x), "test")
    run = replace(run, best={**run.best, name: best}, test={**run.test, name: scores})
    if chief:
        write_run(run)
    return run
