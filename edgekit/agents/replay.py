"""Transitions in arrays: what an agent learns from, on its own device in one piece."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Transitions:
    """N steps; actions are in -1..1."""

    s: Array  # [N, O]
    a: Array  # [N, A]
    r: Array  # [N]
    following: Array  # [N, O]
    ended: Array  # [N]: 1 where nothing lies beyond

    def __len__(self) -> int:
        return len(self.s)

    def arrays(self) -> tuple[Array, ...]:
        """Return s, a, r, following, ended."""
        return tuple(getattr(self, f.name) for f in fields(self))


class Replay(tf.Module):  # type: ignore[misc]
    """A ring of transitions in TensorFlow variables, so that compiled updates sample from it."""

    def __init__(self, capacity: int, observations: int, actions: int) -> None:
        super().__init__("replay")
        self.capacity = capacity
        widths = ((observations,), (actions,), (), (observations,), ())
        self.columns = [tf.Variable(tf.zeros((capacity, *w)), trainable=False) for w in widths]
        self.added = tf.Variable(0, dtype=tf.int64, trainable=False)

    def add(self, steps: Transitions) -> None:
        """Write steps over the oldest."""
        first = int(self.added)
        index = np.arange(first, first + len(steps)) % self.capacity
        for column, values in zip(self.columns, steps.arrays(), strict=True):
            column.scatter_update(tf.IndexedSlices(values.astype(np.float32), index))
        self.added.assign(first + len(steps))

    def sample(self, count: int, seed: Any) -> tuple[Any, ...]:
        """Return `count` transitions drawn with replacement."""
        return sample_rows(self.columns, tf.minimum(self.added, self.capacity), count, seed)

    def kept(self) -> Transitions:
        """Return all that is there, in no particular order once the ring is full."""
        filled = min(int(self.added), self.capacity)
        return Transitions(*(np.asarray(column)[:filled] for column in self.columns))


def sample_rows(columns: Any, filled: Any, count: int, seed: Any) -> tuple[Any, ...]:
    """Return `count` of the first `filled` rows of each column, drawn with replacement."""
    index = tf.random.stateless_uniform((count,), seed, 0, filled, tf.int64)
    return tuple(tf.gather(column, index) for column in columns)
