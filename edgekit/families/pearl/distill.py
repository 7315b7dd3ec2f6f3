"""A smaller encoder and policy, taught by a trained agent, for a device.

The encoder learns natural parameters, since those of all transitions add up, and their errors with
them. The policy learns from states that its own actions lead to (DAgger: Ross et al., AISTATS 2011,
algorithm 3.1), with z as the teacher believes it after 0, 1, 2, ... trajectories.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras as keras

from edgekit.agents.networks import LOG_STD, descend
from edgekit.agents.replay import sample_rows
from edgekit.agents.updates import Updates, compile_updates
from edgekit.environments.tasks import TaskFamily
from edgekit.environments.trajectories import Policy, play
from edgekit.errors import InputError
from edgekit.families.pearl.actor import Actor
from edgekit.families.pearl.rollout import Players, unknown

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Lessons:
    """How a student is taught."""

    hidden_units: tuple[int, ...] = (28, 28)  # of its policy
    encoder_units: tuple[int, ...] = (28, 28)
    rounds: int = 8  # of gathering states and learning; the teacher acts in the first
    updates: int = 15_000  # of a round
    trajectories: int = 3  # of every task in a round
    batch: int = 256
    learning_rate: float = 1e-3
    call: int = 500  # updates of one compiled call

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: the updates are no multiple of a call's.
        """
        if self.updates % self.call or self.updates < 1:
            raise InputError("pearl: updates of a round", got=self.updates,
                             expected=f"a multiple of {self.call}")  # fmt: skip


class Student(Actor):
    """An actor that learns from another."""

    REPORTS = ("encoder", "policy")

    def __init__(self, teacher: Actor, lessons: Lessons) -> None:
        config = replace(teacher.config, hidden_units=lessons.hidden_units,
                         encoder_units=lessons.encoder_units)  # fmt: skip
        super().__init__(teacher.observations, teacher.actions, config)
        self.teacher = teacher
        self.scale = tf.Variable(tf.ones((2, config.latent)), trainable=False)
        self.taught = [*self.encoder.trainable_variables, *self.policy.trainable_variables]
        steps = lessons.rounds * lessons.updates
        rate = keras.optimizers.schedules.CosineDecay(lessons.learning_rate, steps)
        self.optimizer = keras.optimizers.Adam(rate)
        self.optimizer.build(self.taught)

    def measure(self, context: Array) -> None:
        """Take the scale of each natural parameter, its deviation over transitions `[N, W]`."""
        parts = [tf.math.reduce_std(part, axis=0) for part in self.teacher.encoder(context)]
        self.scale.assign(tf.maximum(tf.stack(parts), 1e-6))

    def update(self, batch: Any, seed: Any) -> dict[str, Any]:
        """Take one step on states beside z `[N, O + Z]` and transitions `[N, W]`."""
        x, context = batch
        known, aims = self.teacher.encoder(context), _bounded(self.teacher.policy(x))
        with tf.GradientTape() as tape:
            told = self.encoder(context)
            of_encoder = natural_loss(told, known, self.scale)
            of_policy = imitation_loss(_bounded(self.policy(x)), aims)
            loss = of_encoder + of_policy
        descend(self.optimizer, tape, loss, self.taught)
        return {"encoder": of_encoder, "policy": of_policy}


def natural_loss(told: Any, known: Any, scale: Any) -> Any:
    """Return the mean squared error of natural parameters, `[N, Z]` each, by their scales."""
    errors = [(told[k] - known[k]) / scale[k] for k in range(2)]
    return tf.reduce_mean(tf.stack(errors) ** 2)


def imitation_loss(told: Any, known: Any) -> Any:
    """Return the mean squared error of the mean action, and a tenth of that of log std."""
    mean, log_std = (tf.reduce_mean((told[k] - known[k]) ** 2) for k in range(2))
    return mean + 0.1 * log_std


def _bounded(told: Any) -> tuple[Any, Any]:
    mean, log_std = told
    return tf.tanh(mean), tf.clip_by_value(log_std, *LOG_STD)


def distill(
    teacher: Actor,
    family: TaskFamily,
    parameters: Array,
    lessons: Lessons,
    *,
    seed: int,
    sparse: bool = False,
) -> tuple[Student, list[dict[str, float]]]:
    """Return a student, and the losses at the end of each round.

    Args:
        teacher: trained.
        family: of the tasks.
        parameters: of the tasks that it learns on, `[T, P]`.
        lessons: how it is taught.
        seed: of all that is drawn.
        sparse: whether the context holds sparse rewards.
    """
    student, rng = Student(teacher, lessons), np.random.default_rng(seed)
    players = [Players(actor, sparse=sparse, rng=rng) for actor in (teacher, student)]
    gathered: list[tuple[Array, Array]] = []
    columns = [tf.Variable(tf.zeros((0, width)), shape=(None, width), trainable=False)
               for width in (student.policy.input_shape[1], student.context_width)]  # fmt: skip
    updates = _compiled(student, columns, lessons)
    told = []
    for number in range(lessons.rounds):
        gathered += _gather(players[0], players[min(number, 1)], family, parameters, lessons, rng)
        for column, values in zip(columns, zip(*gathered, strict=True), strict=True):
            column.assign(np.concatenate(values))
        if not number:
            student.measure(columns[1])
        first = number * lessons.updates
        calls = range(first, first + lessons.updates, lessons.call)
        told.append([updates(seed, k) for k in calls][-1])
    return student, told


def _gather(teacher: Players, actor: Players, family: TaskFamily, parameters: Array,
            lessons: Lessons, rng: np.random.Generator) -> list[tuple[Array, Array]]:  # fmt: skip
    """Return states beside z, and transitions, of trajectories in which `actor` acts."""
    environment = family.make(parameters, int(rng.integers(1 << 31)))
    belief = unknown(len(parameters), teacher.agent.config.latent)
    found = []
    for number in range(lessons.trajectories):
        z = teacher.posterior(belief)
        policy: Policy = actor.policy(z, stochastic=bool(number % 2))
        episodes = play(environment, policy, _sparse(family, parameters))
        belief = teacher.see(belief, episodes)
        beside = np.broadcast_to(z[:, None], (*episodes.s.shape[:2], z.shape[1]))
        x = np.concatenate([episodes.s, beside], axis=-1)
        context = episodes.context(sparse=teacher.sparse,
                                   next_state=teacher.agent.config.next_state)  # fmt: skip
        found.append(tuple(_flat(part) for part in (x, context)))
    return found  # type: ignore[return-value]


def _compiled(student: Student, columns: list[Any], lessons: Lessons) -> Updates:
    """Return a call's updates on rows of the columns, however many there are by then."""

    def sample(rows: int, seed: Any) -> tuple[Any, ...]:
        filled = tf.shape(columns[0], tf.int64)[0]
        return sample_rows(columns, filled, rows, seed)

    return compile_updates(sample, student.update, student.REPORTS, count=lessons.call,
                           batch=lessons.batch)  # fmt: skip


def _sparse(family: TaskFamily, parameters: Array) -> Any:
    rare = family.sparse
    return (lambda at: rare(parameters, at)) if rare else None


def _flat(x: Array) -> Array:
    return x.reshape(-1, x.shape[-1]).astype(np.float32)
