"""What each layer of a Keras network answers, for finding where a file departs from it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError


def layer_activations(
    model: Any, inputs: Mapping[str, npt.NDArray[Any]]
) -> dict[str, npt.NDArray[Any]]:
    """Return each layer's output for `inputs`, by layer name, in the network's order.

    A convolution whose only reader is a batch norm stands for both, as in every exported file:
    the converters fold the one into the other.

    Args:
        model: a functional or sequential model of Keras 2 or 3.
        inputs: real values by input name.

    Raises:
        InputError: the model is subclassed: its layers have no outputs of their own.
    """
    keras = import_module("keras" if type(model).__module__.startswith("keras.") else "tf_keras")
    named: dict[str, Any] = {}
    for layer in model.layers:
        output = _output(_folded_into(layer) or layer, model)
        if not isinstance(output, list | tuple | dict) and output is not model.inputs[0]:
            named[layer.name] = output
    probe = keras.Model(model.inputs, named)
    values = list(inputs.values())
    answers = probe(values[0] if len(values) == 1 else values, training=False)
    return {name: np.asarray(answers[name]) for name in named}


def _output(layer: Any, model: Any) -> Any:
    try:
        return layer.output
    except AttributeError:
        raise InputError(
            f"{model.name}: layer {layer.name} has no output of its own",
            expected="a functional or sequential model",
        ) from None


def _folded_into(layer: Any) -> Any:
    """Return the batch norm that alone reads `layer`, if it is one and its layer can fold it."""
    nodes = getattr(layer, "outbound_nodes", None) or getattr(layer, "_outbound_nodes", [])
    readers = [getattr(node, "operation", None) or node.layer for node in nodes]
    linear = "Conv" in type(layer).__name__ or type(layer).__name__ == "Dense"
    if linear and len(readers) == 1 and type(readers[0]).__name__ == "BatchNormalization":
        return readers[0]
    return None
