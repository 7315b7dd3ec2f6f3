"""The training loop of every family: it takes a network, a loss, data and an evaluation.

A run that is killed and resumed ends with the weights of one that was not: order and augmentation
are functions of seed, epoch and index, and everything else is in the checkpoint.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import tensorflow as tf
import tf_keras as keras

from edgekit.errors import CheckFailedError
from edgekit.train import Options, Shard
from edgekit.train.batch_norm import freeze_statistics
from edgekit.train.checkpoint import Checkpoints, State, load_weights, save_weights
from edgekit.train.distribute import shard
from edgekit.train.history import History
from edgekit.train.progress import EpochProgress
from edgekit.train.schedules import build_optimizer

Predict = Callable[[Any], Any]  # arrays in, arrays out, structures as the network's
Loss = Callable[[Any, Any], Any]  # (targets, outputs) -> [N], one number an example
Evaluate = Callable[[Predict], Mapping[str, float]]


class Data(Protocol):
    """Batches as a function of the position alone."""

    @property
    def steps(self) -> int:
        """Global batches in an epoch."""
        ...

    def batches(self, epoch: int, first_step: int, part: Shard) -> Any:
        """Return a tf.data.Dataset of (inputs, targets), one element a replica and step."""
        ...


@dataclass(frozen=True)
class Phase:
    """One training run of one network: what it is called and where it is kept."""

    name: str  # "float" or "qat"
    folder: Path
    weights: Path  # of the best epoch
    watch: str = "accuracy"  # the figure of the evaluation that says which is best; higher is
    freeze_epoch: int | None = None  # from which on batch norms keep their statistics
    network: Any = None  # whose weights are kept, where more than it is trained
    start_counts: bool = False  # whether what it begins with is kept until an epoch is better

    @property
    def checkpoints(self) -> Path:
        """The folder of this phase's checkpoints."""
        return self.folder / "checkpoints" / self.name


def train(
    model: Any,
    loss: Loss,
    data: Data,
    evaluate: Evaluate,
    options: Options,
    phase: Phase,
    *,
    resume: bool = False,
    strategy: Any = None,
) -> float:
    """Train `model` in place, leave it with the weights of its best epoch, return its best figure.

    Args:
        model: a tf_keras network, built under the strategy's scope.
        loss: one number an example; the mean over the global batch is minimized.
        data: the training batches.
        evaluate: called after every epoch with a function that predicts.
        options: length, optimizer, schedule, checkpoints.
        phase: its name and its files.
        resume: go on from the newest checkpoint, if there is one.
        strategy: of tf.distribute; by default the current one.

    Raises:
        CheckFailedError: the loss is no longer finite.
        InputError: a checkpoint is damaged, or the folder cannot be written.
    """
    loop = _Loop(model, loss, data, options, phase, strategy or tf.distribute.get_strategy())
    loop.begin(resume)
    if phase.start_counts and int(loop.state.epoch) == int(loop.state.step) == 0:
        loop.keep_best(evaluate(loop.predict))
    with loop.progress:
        while int(loop.state.epoch) < options.epochs:
            started = time.monotonic()
            mean_loss = loop.run_epoch()
            loop.finish_epoch(mean_loss, evaluate(loop.predict), started)
    load_weights(phase.network or model, phase.weights)
    return float(loop.state.best)


class _Loop:
    """The parts that an epoch needs."""

    def __init__(
        self, model: Any, loss: Loss, data: Data, options: Options, phase: Phase, strategy: Any
    ) -> None:
        self.model, self.data, self.options, self.phase = model, data, options, phase
        self.strategy, self.shard = strategy, shard(strategy)
        self.chief = self.shard.index == 0
        with strategy.scope():
            self.optimizer = build_optimizer(options, data.steps)
            self.optimizer.build(model.trainable_variables)
        self.state = State(model, self.optimizer)
        self.checkpoints = Checkpoints(phase.checkpoints, self.state, chief=self.chief)
        self.progress = EpochProgress(phase.name, options.epochs, data.steps, chief=self.chief)
        self.loss, self.frozen = loss, False
        self.step = _compile_step(model, loss, self.optimizer, options.batch_size, strategy)
        self.predict = _compile_predict(model, strategy)
        self.history = History(phase.folder, phase.name, chief=self.chief)
        self.saved_at = time.monotonic()

    def begin(self, resume: bool) -> None:
        """Restore the newest checkpoint and the history up to there."""
        self.checkpoints.sweep()
        if resume:
            self.checkpoints.restore()
        self.history.begin(int(self.state.epoch))

    def run_epoch(self) -> float:
        """Run the steps of this epoch that are left; return its mean loss."""
        epoch, first = int(self.state.epoch), int(self.state.step)
        if self.phase.freeze_epoch is not None and epoch >= self.phase.freeze_epoch:
            self._freeze()
        total = float(self.state.loss_sum)
        batches = self.strategy.distribute_datasets_from_function(
            lambda _: self.data.batches(epoch, first, self.shard)
        )
        iterator = iter(batches)
        for done in range(first + 1, self.data.steps + 1):
            total += float(self.step(next(iterator)))
            self.state.step.assign(done)
            self.state.loss_sum.assign(total)
            self.progress.step(epoch, done, total / done)
            if done < self.data.steps and self._due(done):
                self._save()
        self._check_finite()
        return total / self.data.steps

    def _freeze(self) -> None:
        if not self.frozen:
            self.frozen = True
            freeze_statistics(self.model)
            self.step = _compile_step(
                self.model, self.loss, self.optimizer, self.options.batch_size, self.strategy
            )

    def finish_epoch(self, mean_loss: float, scores: Mapping[str, float], started: float) -> None:
        """Keep the weights if they are the best yet, write the history and a checkpoint."""
        self.keep_best(scores)
        epoch = int(self.state.epoch) + 1
        self.state.epoch.assign(epoch)
        self.state.step.assign(0)
        self.state.loss_sum.assign(0.0)
        row = {
            "phase": self.phase.name,
            "epoch": epoch,
            "loss": mean_loss,
            **{f"val_{name}": float(score) for name, score in scores.items()},
            "learning_rate": float(self.optimizer.learning_rate.numpy()),
            "seconds": round(time.monotonic() - started, 3),
        }
        self.history.add(row)
        self._save()
        self.progress.epoch(row)

    def keep_best(self, scores: Mapping[str, float]) -> None:
        """Keep the weights if they are the best yet."""
        # A tie goes to the later epoch: its learning rate was smaller.
        if scores[self.phase.watch] >= float(self.state.best):
            self.state.best.assign(scores[self.phase.watch])
            kept = self.phase.network or self.model
            save_weights(kept, self.phase.weights if self.chief else None)

    def _due(self, done: int) -> bool:
        """Whether a checkpoint is due inside an epoch; clocks of several workers do not agree."""
        every, seconds = self.options.checkpoint_steps, self.options.checkpoint_seconds
        late = seconds and self.shard.count == 1 and time.monotonic() - self.saved_at >= seconds
        return bool((every and done % every == 0) or late)

    def _save(self) -> None:
        self._check_finite()
        self.checkpoints.save()
        self.saved_at = time.monotonic()

    def _check_finite(self) -> None:
        """Look at the weights too: ReLU and clipping turn NaN into numbers before the loss."""
        loss = float(self.state.loss_sum)
        wrong = [
            v.name
            for v in self.model.trainable_variables
            if not bool(tf.reduce_all(tf.math.is_finite(v)))
        ]
        if wrong or not math.isfinite(loss):
            raise CheckFailedError(
                f"training diverged in epoch {int(self.state.epoch) + 1} of {self.phase.name}",
                got=f"NaN or infinity in {wrong[0]}" if wrong else f"loss {loss}",
                do="take a smaller --learning-rate, or look at the data",
            )


def _compile_step(model: Any, loss: Loss, optimizer: Any, batch_size: int, strategy: Any) -> Any:
    """Return the compiled function from one batch to its mean loss, which moves the weights."""

    def replica(batch: Any) -> Any:
        inputs, targets = batch
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(loss(targets, model(inputs, training=True))) / batch_size
            if model.losses:
                value += tf.add_n(model.losses) / strategy.num_replicas_in_sync
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return value

    @tf.function  # type: ignore[untyped-decorator]
    def step(batch: Any) -> Any:
        return strategy.reduce(
            tf.distribute.ReduceOp.SUM, strategy.run(replica, args=(batch,)), axis=None
        )

    return step


def _compile_predict(model: Any, strategy: Any) -> Predict:
    """Return the compiled inference; every worker computes all of it, without collectives."""

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def outputs(inputs: Any) -> Any:
        return strategy.run(lambda x: model(x, training=False), args=(inputs,))

    def first(value: Any) -> Any:
        return strategy.experimental_local_results(value)[0].numpy()

    return lambda inputs: tf.nest.map_structure(first, outputs(inputs))


def seed_everything(seed: int) -> None:
    """Seed weights and dropout; generators that a checkpoint can hold come from here on."""
    keras.backend.experimental.enable_tf_random_generator()
    keras.utils.set_random_seed(seed)
