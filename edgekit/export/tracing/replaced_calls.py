"""Layers that are called in another way while a network is traced, and left as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def called_by(layer: Any, call: Callable[..., Any]) -> Iterator[None]:
    """Let a layer or an operation of Keras 2 or 3 answer by `call` meanwhile.

    What was set on the layer itself before, as by another who replaces its call, comes back.
    """
    own = vars(layer).get("call")
    layer.call = call
    try:
        yield
    finally:
        del layer.call
        if own is not None:
            layer.call = own
