"""Maximum mean discrepancy of two samples (Kumar et al., arXiv:1906.00949, equation 8).

Kernels are told less 1, which the discrepancy does not see: what is left of near ones, as of two
actions that are nearly alike, is not lost in float32.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

_LEAST = 1e-6  # under the root, whose slope at 0 is infinite


def laplacian(difference: Any, sigma: float) -> Any:
    """Return exp(-|x - y|_1 / (2 sigma)) - 1 of differences `[..., A]`."""
    return tf.math.expm1(-tf.reduce_sum(tf.abs(difference), axis=-1) / (2.0 * sigma))


def gaussian(difference: Any, sigma: float) -> Any:
    """Return exp(-|x - y|^2 / (2 sigma)) - 1, sigma as the authors' code has it: not squared."""
    return tf.math.expm1(-tf.reduce_sum(difference**2, axis=-1) / (2.0 * sigma))


KERNELS = {"laplacian": laplacian, "gaussian": gaussian}


def mmd(x: Any, y: Any, kernel: str, sigma: float, *, unbiased: bool = False) -> Any:
    """Return the discrepancy of samples `[N, K, A]` and `[N, L, A]` in each of N states, `[N]`.

    The means run over all pairs, those of an action with itself among them: of few samples the
    discrepancy is too large by what the behaviour spreads. Unbiased they are left out (Gretton et
    al., JMLR 13, 2012, equation 3), and what is below 0 then counts as 0.
    """

    def total(one: Any, other: Any) -> Any:
        return tf.reduce_sum(KERNELS[kernel](one[:, :, None] - other[:, None], sigma), axis=(1, 2))

    def mean(one: Any) -> Any:
        count = one.shape[1]
        return total(one, one) / (count * (count - 1 if unbiased else count))

    between = total(x, y) / (x.shape[1] * y.shape[1])
    return tf.sqrt(tf.maximum(mean(x) + mean(y) - 2.0 * between, 0.0) + _LEAST)
