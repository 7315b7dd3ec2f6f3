"""Distillation: a student learns what a teacher answers, so that no labels are needed.

The student of quantization-aware training is the teacher's own fake-quantized copy: all that it has
to learn is to undo its rounding.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from edgekit.train import Shard
from edgekit.train.loop import Data, Predict


@dataclass(frozen=True, eq=False)
class Taught:
    """Another's batches, with the teacher's scores in place of the labels."""

    data: Data
    teacher: Any  # inputs to scores [N, C]
    shift: float = 0.0  # what the inputs are made smaller by, for both

    @property
    def steps(self) -> int:
        """Global batches in an epoch."""
        return self.data.steps

    def batches(self, epoch: int, first_step: int, part: Shard) -> Any:
        """Return (inputs, scores `[N, C]`), one element a replica and step."""

        def teach(inputs: Any, _: Any) -> tuple[Any, Any]:
            moved = inputs - self.shift
            return moved, self.teacher(moved, training=False)

        return self.data.batches(epoch, first_step, part).map(teach)


def imitation_loss(scores: Any, outputs: Any) -> Any:
    """Return the divergence of the student from the teacher, `[N]`, in nats.

    KL(softmax(teacher) || softmax(student)), as in Hinton et al., arXiv:1503.02531, section 2, at
    temperature 1.

    Args:
        scores: of the teacher, before its softmax, `[N, C]`.
        outputs: of the student: {"scores": `[N, C]`, ...}.
    """
    theirs = tf.nn.log_softmax(scores)
    return tf.reduce_sum(tf.exp(theirs) * (theirs - tf.nn.log_softmax(outputs["scores"])), axis=-1)


def agreement(teacher: Predict, student: Predict, batches: Iterable[Any]) -> dict[str, float]:
    """Return how often student and teacher answer the same, and how near they are.

    The loss is the mean divergence in nats, the likeness its negative exponential, from 0 to 1: it
    tells epochs apart that a few pictures cannot.

    Args:
        teacher: arrays to scores `[N, C]`.
        student: arrays to {"scores": `[N, C]`, ...}.
        batches: of inputs.
    """
    same, loss, count = 0, 0.0, 0
    for inputs in batches:
        expected, got = teacher(inputs), student(inputs)
        same += int((expected.argmax(axis=1) == got["scores"].argmax(axis=1)).sum())
        loss += float(np.sum(imitation_loss(expected, got)))
        count += len(expected)
    mean = loss / count
    return {"agreement": same / count, "likeness": math.exp(-mean), "loss": mean}
