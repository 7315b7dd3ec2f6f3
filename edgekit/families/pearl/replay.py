"""Transitions of many tasks in arrays, one ring for each task (section 5.1, algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgekit.families.pearl import Plan

Array = npt.NDArray[Any]


class TaskReplay(tf.Module):  # type: ignore[misc]
    """T rings of transitions in TensorFlow variables, so that compiled updates sample from them.

    Columns lie flat, `[T * capacity, *width]`; `added[t]` counts what task t was given.
    """

    def __init__(self, tasks: int, capacity: int, widths: Sequence[tuple[int, ...]]) -> None:
        super().__init__("task_replay")
        self.capacity = capacity
        self.columns = [
            tf.Variable(tf.zeros((tasks * capacity, *w)), trainable=False) for w in widths
        ]
        self.added = tf.Variable(tf.zeros(tasks, tf.int64), trainable=False)

    def add(self, tasks: Array, columns: Sequence[Array]) -> None:
        """Write L transitions of each of K tasks, `[K, L, *width]`, over their oldest."""
        length = columns[0].shape[1]
        added = self.added.numpy()
        at = (added[tasks][:, None] + np.arange(length)) % self.capacity
        index = (tasks[:, None] * self.capacity + at).reshape(-1)
        for column, values in zip(self.columns, columns, strict=True):
            flat = values.astype(np.float32).reshape(-1, *values.shape[2:])
            column.scatter_update(tf.IndexedSlices(flat, index))
        added[tasks] += length
        self.added.assign(added)

    def clear(self, tasks: Array) -> None:
        """Forget all that K tasks were given."""
        added = self.added.numpy()
        added[tasks] = 0
        self.added.assign(added)

    def filled(self, tasks: Any) -> Any:
        """Return how many transitions each of R tasks holds, `[R]`."""
        return tf.minimum(tf.gather(self.added, tasks), self.capacity)

    def sample(self, tasks: Any, count: int, seed: Any) -> list[Any]:
        """Return `count` transitions of each of R tasks, drawn with replacement: `[R, count]`."""
        share = tf.random.stateless_uniform((tf.shape(tasks)[0], count), seed)
        filled = self.filled(tasks)[:, None]
        at = tf.minimum(tf.cast(share * tf.cast(filled, tf.float32), tf.int64), filled - 1)
        return self._rows(tasks, at)

    def first(self, tasks: Any, count: int) -> list[Any]:
        """Return the first `count` places of each of R tasks, whether filled or not."""
        return self._rows(tasks, tf.range(count, dtype=tf.int64)[None])

    def _rows(self, tasks: Any, at: Any) -> list[Any]:
        index = tasks[:, None] * self.capacity + at
        return [tf.gather(column, index) for column in self.columns]


Sample = Callable[[int, Any], tuple[Any, ...]]


def sampler(steps: TaskReplay, contexts: TaskReplay, plan: Plan, horizon: int) -> Sample:
    """Return the function from (R, seed) to what `Pearl.update` takes of R random tasks.

    Tasks are drawn with replacement; transitions for the critics and those of the context come
    from buffers of their own.
    """

    def sample(rows: int, seed: Any) -> tuple[Any, ...]:
        tasks = tf.random.stateless_uniform((rows,), seed, 0, plan.train_tasks, tf.int64)
        batch = steps.sample(tasks, plan.batch, seed + 1)
        if plan.context_of == "transitions":
            everything = tf.ones((rows, plan.context))
            return (*batch, *contexts.sample(tasks, plan.context, seed + 2), everything, everything)
        shown = plan.shown_steps if plan.context_of == "session" else 0
        own = tf.minimum(contexts.filled(tasks), plan.context) - shown
        share = tf.random.stateless_uniform((rows,), seed + 2)
        first = _mask(_part(own // horizon, share) * horizon, plan.context)
        last = _mask(own + shown, plan.context) - _mask(own, plan.context)
        if plan.least_seen < 1:
            first, last = (_thinned(part, plan.least_seen, seed + 3) for part in (first, last))
        return (*batch, *contexts.first(tasks, plan.context), first + last, first)

    return sample


def _part(count: Any, share: Any) -> Any:
    """Return whole numbers from 1 to `count` `[R]`, where `share` `[R]` lies in 0 to 1."""
    return tf.minimum(1 + tf.cast(share * tf.cast(count, tf.float32), tf.int64), count)


def _thinned(seen: Any, least: float, seed: Any) -> Any:
    """Return `seen` `[R, C]` with a share of each row's places kept, drawn from `least` to 1."""
    share = tf.random.stateless_uniform((tf.shape(seen)[0], 1), seed, least, 1.0)
    kept = tf.random.stateless_uniform(tf.shape(seen), seed + 1) < share
    return seen * tf.cast(kept, tf.float32)


def _mask(length: Any, places: int) -> Any:
    """Return 1 in the first `length` `[R]` places, then 0: `[R, places]`."""
    return tf.cast(tf.range(places, dtype=tf.int64)[None] < length[:, None], tf.float32)
