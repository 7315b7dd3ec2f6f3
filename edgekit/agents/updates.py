"""Many gradient steps in one compiled call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

Sample = Callable[[int, Any], tuple[Any, ...]]  # (rows, seed) -> columns of that many rows
Update = Callable[[tuple[Any, ...], Any], dict[str, Any]]  # (batch, seed) -> what to report
Updates = Callable[[int, int], dict[str, float]]  # (seed, number of the first) -> means


def with_noise(sample: Sample, draw: Callable[[int, Any], tuple[Any, ...]]) -> Sample:
    """Return what draws rows and, behind their columns, the noise of the updates on them.

    Drawn here by TensorFlow's own kernels noise is cheap; inside of what XLA compiles it would take
    more than half of the time of an update.
    """
    return lambda rows, seed: (*sample(rows, seed), *draw(rows, seed + 1))


def compile_updates(
    sample: Sample, update: Update, reports: tuple[str, ...], *, count: int, batch: int
) -> Updates:  # fmt: skip
    """Return a function that takes `count` updates of `batch` rows each in one compiled call.

    The rows of all updates are drawn before, outside of what XLA compiles: inside, every step would
    copy the whole replay. Seeds are functions of the run's seed and the update's number, so that a
    resumed run draws what the first would have drawn.
    """

    @tf.function(jit_compile=True, autograph=False)  # type: ignore[untyped-decorator]
    def steps(batches: Any, seed: Any, first: Any) -> Any:
        def body(k: Any, total: Any) -> Any:
            rows = tuple(column[k] for column in batches)
            told = update(rows, tf.stack([seed, first + k]))
            return k + 1, tf.nest.map_structure(tf.add, total, told)

        zeros = dict.fromkeys(reports, tf.constant(0.0))
        _, total = tf.while_loop(lambda k, _: k < count, body, (0, zeros))
        return {name: value / count for name, value in total.items()}

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def draw_and_step(seed: Any, first: Any) -> Any:
        columns = sample(count * batch, tf.stack([seed, -1 - first]))
        batches = [tf.reshape(c, (count, batch, *c.shape[1:])) for c in columns]
        return steps(batches, seed, first)

    def call(seed: int, first: int) -> dict[str, float]:
        told = draw_and_step(tf.constant(seed), tf.constant(first))
        return {name: float(value) for name, value in told.items()}

    return call
