"""Layer normalizations of Keras 2 traced as the arithmetic that they are.

Where it can, Keras 2 lays the rows out as the channels of one picture, for the op of a batch norm
in training: two transpositions more, and of 16-bit activations ops that LiteRT aborts at.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def plain_norms(model: Any) -> Iterator[None]:
    """Let the layer normalizations of a model compute moments of rows meanwhile."""
    fused = [layer for layer in model._flatten_layers() if getattr(layer, "_fused", None) is True]
    for layer in fused:
        layer._fused = False
    try:
        yield
    finally:
        for layer in fused:
            layer._fused = True
