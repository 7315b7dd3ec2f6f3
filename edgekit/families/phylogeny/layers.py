"""What the networks compute beside dense layers: presence, means and pairs, on tensors
`[N, rows, columns, channels]`.

An entry is +1 (mutated), -1 (not) or 0: unknown, or beyond the matrix, which may be smaller than
the tensor. A row or column without any known entry counts as absent, so that its zeros change no
mean: sums are multiplied by the inverse of the share that is there. Of that inverse the root is
taken before the sum and the root behind it, as eight bits hold 1 to 6 better than 1 to 32. All
operations have integer kernels in TFLite.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras as keras

ROWS, COLUMNS = 1, 2  # axes
_LEAST_SHARE = 1 / 1024  # of rows or columns that are there, under a root
_LEAST_SIZE = 1 / 256  # of a column, likewise


class _Plain(keras.layers.Layer):  # type: ignore[misc]
    """A layer without weights."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trainable=False, **options)


class Entries(_Plain):
    """Two channels of an entry: that it is mutated, that it is not."""

    def call(self, matrix: Any) -> Any:
        """Return `[N, rows, columns, 2]`, 0 and 1."""
        return tf.stack([tf.nn.relu(matrix), tf.nn.relu(-matrix)], axis=-1)


class Presence(keras.layers.Layer):  # type: ignore[misc]
    """Which rows (or columns) have a known entry, and the inverse root of their share."""

    def __init__(self, axis: int, **options: Any) -> None:
        super().__init__(trainable=False, **options)
        self.axis = axis

    def call(self, entries: Any) -> tuple[Any, Any]:
        """Return 0 or 1, `[N, rows, 1, 1]` or `[N, 1, columns, 1]`, and `[N, 1, 1, 1]`."""
        other = COLUMNS if self.axis == ROWS else ROWS
        there = tf.reduce_max(entries, axis=(other, 3), keepdims=True)
        share = tf.reduce_mean(there, axis=self.axis, keepdims=True)
        return there, tf.math.rsqrt(tf.maximum(share, _LEAST_SHARE))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for copies."""
        return {**super().get_config(), "axis": self.axis}


class Mean(keras.layers.Layer):  # type: ignore[misc]
    """The mean over the rows (or columns) that are there."""

    def __init__(self, axis: int, **options: Any) -> None:
        super().__init__(trainable=False, **options)
        self.axis = axis

    def call(self, inputs: Any) -> Any:
        """Return the tensor with 1 in place of the axis; what is absent must be 0."""
        values, root = inputs
        return tf.reduce_mean(values * root, axis=self.axis, keepdims=True) * root

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for copies."""
        return {**super().get_config(), "axis": self.axis}


class Largest(keras.layers.Layer):  # type: ignore[misc]
    """The maximum over axes, of values that are 0 where something is absent and never less."""

    def __init__(self, axes: tuple[int, ...], **options: Any) -> None:
        super().__init__(trainable=False, **options)
        self.axes = tuple(axes)

    def call(self, values: Any) -> Any:
        """Return the tensor without the axes."""
        return tf.reduce_max(values, axis=self.axes)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for copies."""
        return {**super().get_config(), "axes": self.axes}


class Gametes(_Plain):
    """How many rows show 11, 10 and 01 in a pair of columns: one matrix product."""

    def call(self, entries: Any) -> Any:
        """Return counts `[N, columns, columns, 3]`."""
        ones, zeros = entries[..., 0], entries[..., 1]
        size = ones.shape[2]
        counts = tf.linalg.matmul(ones, tf.concat([ones, zeros], axis=2), transpose_a=True)
        both, first = counts[..., :size], counts[..., size:]
        return tf.stack([both, first, tf.transpose(first, (0, 2, 1))], axis=3)


class Nesting(_Plain):
    """Shares of 11, 10 and 01 in two columns, and of the smaller column the share in the other.

    The last is the overlap coefficient: 1 for nested columns, 0 for columns apart, at any size.
    """

    def call(self, inputs: Any) -> Any:
        """Return `[N, columns, columns, 4]` from entries and the inverse root of rows' share."""
        entries, root_of_rows = inputs
        shares = Gametes()(entries * root_of_rows) / entries.shape[ROWS]
        both, smaller = shares[..., :1], tf.reduce_min(shares[..., 1:], axis=3, keepdims=True)
        root = tf.math.rsqrt(tf.maximum(both + smaller, _LEAST_SIZE))
        return tf.concat([shares, both * root * root], axis=3)


class Products(_Plain):
    """The product of two columns, summed over rows, of every channel apart."""

    def call(self, inputs: Any) -> Any:
        """Return means over rows, `[N, columns, columns, channels]`."""
        values, root = inputs
        turned = tf.transpose(values * root, (0, 3, 1, 2))
        sums = tf.linalg.matmul(turned, turned, transpose_a=True)
        return tf.transpose(sums, (0, 2, 3, 1)) / values.shape[ROWS]


class Mixed(_Plain):
    """Every entry anew from its row, by weights for each pair of columns, channel by channel."""

    def call(self, inputs: Any) -> Any:
        """Return `[N, rows, columns, channels]` from values, weights and columns' inverse root."""
        values, weights, root = inputs
        rows = tf.transpose(values * root, (0, 3, 1, 2))
        pairs = tf.transpose(weights, (0, 3, 1, 2))
        mixed = tf.transpose(tf.linalg.matmul(rows, pairs), (0, 2, 3, 1))
        return mixed * (root / values.shape[COLUMNS])


class Conflicts(_Plain):
    """The three-gametes test: 1 where 11, 10 and 01 are all there, else 0."""

    def call(self, counts: Any) -> Any:
        """Return `[N, columns, columns]`."""
        return tf.minimum(tf.reduce_min(counts, axis=3), 1.0)
