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

    Args:
        model: a functional or sequential model of Keras 2 or 3.
        inputs: real values by input name.

    Raises:
        InputError: the model is subclassed: its layers have no outputs of their own.
    """
    keras = import_module("keras" if type(model).__module__.startswith("keras.") else "tf_keras")
    named: dict[str, Any] = {}
    for layer in model.layers:
        try:
            output = layer.output
        except AttributeError:
            raise InputError(
                f"{model.name}: layer {layer.name} has no output of its own",
                expected="a functional or sequential model",
            ) from None
        if not isinstance(output, list | tuple | dict) and layer.output is not model.inputs[0]:
            named[layer.name] = output
    probe = keras.Model(model.inputs, named)
    values = list(inputs.values())
    answers = probe(values[0] if len(values) == 1 else values, training=False)
    return {name: np.asarray(answers[name]) for name in named}
