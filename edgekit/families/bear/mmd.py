"""Maximum mean discrepancy of two samples (Kumar et al., arXiv:1906.00949, equation 8)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

_LEAST = 1e-6  # under the root, whose slope at 0 is infinite


def laplacian(difference: Any, sigma: float) -> Any:
    """Return exp(-|x - y|_1 / (2 sigma)) of differences `[..., A]`."""
    return tf.exp(-tf.reduce_sum(tf.abs(difference), axis=-1) / (2.0 * sigma))


def gaussian(difference: Any, sigma: float) -> Any:
    """Return exp(-|x - y|^2 / (2 sigma)), sigma as the authors' code has it: not squared."""
    return tf.exp(-tf.reduce_sum(difference**2, axis=-1) / (2.0 * sigma))


KERNELS = {"laplacian": laplacian, "gaussian": gaussian}


def mmd(x: Any, y: Any, kernel: str, sigma: float) -> Any:
    """Return the discrepancy of samples `[N, K, A]` and `[N, L, A]` in each of N states, `[N]`.

    The means run over all pairs, those of an action with itself among them.
    """

    def mean(one: Any, other: Any) -> Any:
        pairs = KERNELS[kernel](one[:, :, None] - other[:, None], sigma)
        return tf.reduce_mean(pairs, axis=(1, 2))

    return tf.sqrt(mean(x, x) + mean(y, y) - 2.0 * mean(x, y) + _LEAST)
