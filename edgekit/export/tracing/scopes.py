"""Layers traced under their own names, so that a file's tensors tell which layer they are of.

Keras 3 opens the scope of a layer twice, to build it and to call it, and TensorFlow numbers the
second: what `conv2d` computes would lie in `conv2d_1`, where one looks for the layer `conv2d_1`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import wraps
from typing import Any

import keras as keras3
import tensorflow as tf

from edgekit.export.tracing.replaced_calls import called_by


@contextmanager
def named_by_layer(model: Any) -> Iterator[None]:
    """Let each layer of a Keras 3 model compute in a scope of its name meanwhile.

    What lies in a nested model has the path to it. Keras 2 does so by itself.
    """
    with ExitStack() as stack:
        if isinstance(model, keras3.Model):
            for layer in model._flatten_layers():
                stack.enter_context(_scoped(layer))
            for operation in _plain_operations(model):
                stack.enter_context(called_by(operation, _in_scope(operation)))
        yield


def _plain_operations(model: Any) -> list[Any]:
    """Return what is no layer in the graphs of a model: sums, slices and so on."""
    found = {
        id(operation): operation
        for layer in model._flatten_layers()
        for operation in getattr(layer, "operations", ())
        if not isinstance(operation, keras3.Layer)
    }
    return list(found.values())


def graph_name(name: str) -> str:
    """Return a layer's or a variable's name as graphs can hold it; Keras takes any text."""
    plain = re.sub(r"[^A-Za-z0-9_./:-]", "_", name)
    return plain if plain[:1].isalnum() else f"layer{plain}"


@contextmanager
def _scoped(layer: Any) -> Iterator[None]:
    layer._open_name_scope = lambda: _scope(layer.name)
    try:
        yield
    finally:
        del layer._open_name_scope


def _in_scope(operation: Any) -> Callable[..., Any]:
    call = operation.call

    @wraps(call)
    def call_in_scope(*inputs: Any, **options: Any) -> Any:
        with _scope(operation.name):
            return call(*inputs, **options)

    return call_in_scope


def _scope(name: str) -> AbstractContextManager[Any]:
    """Return the scope of that name within the present one; the slash at the end keeps it exact."""
    path = "/".join(filter(None, (tf.get_current_name_scope(), graph_name(name))))
    return tf.name_scope(f"{path}/")  # type: ignore[no-any-return]
