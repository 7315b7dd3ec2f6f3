"""Weights that are no numbers, found before anything is computed with them; what tells others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from edgekit.errors import InputError


def check_finite(weights: Iterable[tuple[str, Any]], where: object) -> None:
    """Look at named arrays for NaN and infinity.

    Raises:
        InputError: some are; the line names the first weight with its layer, and counts.
    """
    for name, value in weights:
        array = np.asarray(value)
        if array.dtype.kind in "biuSUO":
            continue
        wrong = int(np.count_nonzero(~np.isfinite(array)))
        if wrong:
            raise InputError(
                f"{where}: {name}",
                got=f"{wrong} of {array.size} weights NaN or infinite",
                expected="finite weights",
                do="take an earlier checkpoint",
            )


def keras_weights(model: Any) -> Iterable[tuple[str, Any]]:
    """Yield the weights of a Keras 2 or 3 model, by names that begin with the layer's."""
    for weight in model.weights:
        yield str(getattr(weight, "path", None) or weight.name), weight.numpy()


def sha256_of(model: Any) -> str:
    """Return one SHA-256 of a Keras model's weights, whatever the layers are called."""
    digest = hashlib.sha256()
    for _, value in keras_weights(model):
        digest.update(f"{value.dtype}{value.shape}".encode() + value.tobytes())
    return digest.hexdigest()
