"""Maximum mean discrepancy of two samples (Kumar et al., arXiv:1906.00949, equation 8).

Kernels are told less 1, which the discrepancy does not see: what is left of near ones, as of two
actions that are nearly alike, is not lost in float32.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

_LEAST = 1e-6  # under the root, whose slope at 0 is infinite
_NARROWEST = 1e-3  # a behaviour that always does the same


def laplacian(difference: Any) -> Any:
    """Return |x - y|_1 of differences `[..., A]`."""
    return tf.reduce_sum(tf.abs(difference), axis=-1)


def gaussian(difference: Any) -> Any:
    """Return |x - y|^2 of differences `[..., A]`; a width is of it, as in the authors' code."""
    return tf.reduce_sum(difference**2, axis=-1)


DISTANCES = {"laplacian": laplacian, "gaussian": gaussian}  # by kernel: exp(-distance / (2 sigma))


def mmd(x: Any, y: Any, kernel: str, sigma: Any, *, unbiased: bool = False) -> Any:
    """Return the discrepancy of samples `[N, K, A]` and `[N, L, A]` in each of N states, `[N]`.

    The means run over all pairs, those of an action with itself among them: of few samples the
    discrepancy is too large by what the behaviour spreads. Unbiased they are left out (Gretton et
    al., JMLR 13, 2012, equation 3), and what is below 0 then counts as 0.

    Args:
        x: one sample.
        y: the other.
        kernel: of DISTANCES.
        sigma: its width, one or `[N]`.
        unbiased: see above.
    """
    width = 2.0 * tf.reshape(sigma, (-1, 1, 1))

    def total(one: Any, other: Any) -> Any:
        return tf.reduce_sum(tf.math.expm1(-_distances(one, other, kernel) / width), axis=(1, 2))

    def mean(one: Any) -> Any:
        count = one.shape[1]
        return total(one, one) / (count * (count - 1 if unbiased else count))

    between = total(x, y) / (x.shape[1] * y.shape[1])
    return tf.sqrt(tf.maximum(mean(x) + mean(y) - 2.0 * between, 0.0) + _LEAST)


def spread(x: Any, kernel: str) -> Any:
    """Return the mean distance of two different actions of samples `[N, K, A]`, `[N]`.

    As the unit of a kernel's width it is a mean where the median is usual (Gretton et al., section
    8): in it a discrepancy is the same of behaviours that are sure of what they do and of those
    that are not.
    """
    count = x.shape[1]
    apart = tf.reduce_sum(_distances(x, x, kernel), axis=(1, 2)) / (count * (count - 1))
    return tf.maximum(apart, _NARROWEST)


def _distances(one: Any, other: Any, kernel: str) -> Any:
    """Return those of all pairs, `[N, K, L]`."""
    return DISTANCES[kernel](one[:, :, None] - other[:, None])
