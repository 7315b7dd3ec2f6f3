"""From a stochastic teacher to a small deterministic student: DAgger (Ross et al., AISTATS 2011).

The student is fitted to what the teacher would do in states that the student itself leads to;
states of all rounds are kept. The first are the teacher's own.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from edgekit.agents.networks import descend
from edgekit.agents.replay import sample_rows
from edgekit.agents.updates import compile_updates
from edgekit.environments import Array, Environment
from edgekit.environments.episodes import Act, play

_log = logging.getLogger("edgekit")


@dataclass(frozen=True)
class Lessons:
    """How long a student learns."""

    rounds: int = 8
    updates: int = 1_000  # a round
    batch_size: int = 256
    learning_rate: float = 1e-3
    seed: int = 0


def distil(student: Any, teacher: Act, environment: Environment, lessons: Lessons) -> Array:
    """Train `student` in place, leave it as it was in its best round; return the states, `[N, O]`.

    Args:
        student: from observations `[N, O]` to {"action": `[N, A]`}, in the environment's units.
        teacher: what it shall do.
        environment: where both act; the best round is that of the highest mean return there.
        lessons: how long.
    """
    learn = _Lesson(student, environment, lessons)
    episodes = play(environment, teacher)
    seen = _rows(episodes.observations)
    labels = teacher_labels(teacher, seen, environment.count)
    best, kept = -np.inf, student.get_weights()
    for number in range(lessons.rounds):
        error = learn(number, seen, labels)
        episodes = play(environment, actor_of(student))
        value = float(episodes.returns.mean())
        _log.info("student: round %d, %d states, error %.4g, return %.1f",
                  number + 1, len(seen), error, value)  # fmt: skip
        if value > best:
            best, kept = value, student.get_weights()
        fresh = _rows(episodes.observations)
        seen = np.concatenate([seen, fresh])
        labels = np.concatenate([labels, teacher_labels(teacher, fresh, environment.count)])
    student.set_weights(kept)
    return seen


def actor_of(student: Any) -> Act:
    """Return who acts as the student does."""
    outputs = tf.function(student, autograph=False, reduce_retracing=True)
    return lambda observations: outputs(tf.constant(observations))["action"].numpy()


def teacher_labels(teacher: Act, states: Array, chunk: int) -> Array:
    """Return what the teacher does in each of `[N, O]` states, `[N, A]`."""
    padded = np.concatenate([states, states[: -len(states) % chunk]])
    parts = [teacher(padded[at : at + chunk]) for at in range(0, len(padded), chunk)]
    labels: Array = np.concatenate(parts)[: len(states)]
    return labels


class _Lesson:
    """The student's optimizer, and its compiled updates on however many states there are."""

    def __init__(self, student: Any, environment: Environment, lessons: Lessons) -> None:
        self.lessons = lessons
        most = environment.count * environment.horizon * (lessons.rounds + 1)
        self.columns = [
            tf.Variable(tf.zeros((most, width)), trainable=False)
            for width in (environment.observations, environment.actions)
        ]
        self.filled = tf.Variable(0, dtype=tf.int64, trainable=False)
        optimizer = keras.optimizers.Adam(lessons.learning_rate)
        optimizer.build(student.trainable_variables)
        limit = tf.constant(environment.limit)

        def update(batch: Any, seed: Any) -> dict[str, Any]:
            states, labels = batch
            with tf.GradientTape() as tape:
                apart = (student(states)["action"] - labels) / limit
                error = tf.reduce_mean(apart**2)
            descend(optimizer, tape, error, student.trainable_variables)
            return {"error": error}

        self.updates = compile_updates(
            lambda rows, seed: sample_rows(self.columns, self.filled, rows, seed), update,
            ("error",), count=lessons.updates, batch=lessons.batch_size,
        )  # fmt: skip

    def __call__(self, number: int, states: Array, labels: Array) -> float:
        """Take one round's updates on all states; return the mean error."""
        for column, values in zip(self.columns, (states, labels), strict=True):
            column[: len(values)].assign(values)
        self.filled.assign(len(states))
        return self.updates(self.lessons.seed, number * self.lessons.updates)["error"]


def _rows(observations: Array) -> Array:
    """Return the states of episodes `[T, N, O]`, `[states, O]`."""
    rows = observations.reshape(-1, observations.shape[-1])
    found: Array = rows[~np.isnan(rows).any(axis=1)]
    return found
