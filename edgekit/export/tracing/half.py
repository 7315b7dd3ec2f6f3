"""Layers that compute in half precision, traced in single, which every runtime computes in.

What a policy as mixed_float16 trains has float32 weights; TFLite's converter knows no convolution
of float16, and a scheme says what a file holds.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras as keras3

_log = logging.getLogger("edgekit")

HALVES = ("float16", "bfloat16")


@contextmanager
def in_single(model: Any) -> Iterator[None]:
    """Let the layers of a Keras model (Keras 2 or 3) compute in float32 meanwhile."""
    layers = [layer for layer in model._flatten_layers() if layer.compute_dtype in HALVES]
    policies = [layer.dtype_policy for layer in layers]
    if layers:
        _log.warning("%s computes in %s; its files do in float32, but for what a scheme says",
                     model.name, layers[0].compute_dtype)  # fmt: skip
    try:
        for layer in layers:
            _set(layer, "float32")
        yield
    finally:
        for layer, policy in zip(layers, policies, strict=True):
            _set(layer, policy)


def _set(layer: Any, policy: Any) -> None:
    if isinstance(layer, keras3.layers.Layer):
        layer.dtype_policy = policy
    else:
        layer._set_dtype_policy(policy)
