"""A Keras network as the float .tflite that quantization works on, and back to its layers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tf_keras as keras

from edgekit.errors import InputError
from edgekit.export import tflite
from edgekit.export.tracing.lowering import lower
from edgekit.quantize.ptq.network import Network, open_network
from edgekit.quantize.scheme import parse_scheme


def observed(network: Any, batches: Iterable[npt.NDArray[Any]]) -> Network:
    """Return the float .tflite of `network` over batches of its only input, `[N, ...]`.

    Its linear ops bear the names of their layers.
    """
    # A file calls its outputs by names of its own: behind something else they keep their layer's.
    # Of a sigmoid it is what goes into it that is looked at.
    inner = keras.Model(network.input, keras.layers.Activation("sigmoid")(network.output))
    with tempfile.TemporaryDirectory(prefix="edgekit-") as folder:
        lowered = lower(inner, Path(folder))
        content = tflite.convert(lowered, parse_scheme("f32"))
    inputs = lowered.signature.inputs
    examples = ({inputs[0].name: one[np.newaxis]} for batch in batches for one in batch)
    return open_network(content, inputs, examples)


def layer_of(network: Any, name: str) -> Any:
    """Return the layer that an op came from.

    Raises:
        InputError: there is none of that name.
    """
    for layer in network.layers:
        if layer.name == name:
            return layer
    raise InputError(f"{network.name}: cannot be changed", got=f"no layer called {name}")


def norms_behind(layer: Any) -> list[Any]:
    """Return the batch norms that read a layer, each with a gain and an offset.

    Raises:
        InputError: one has none.
    """
    readers = [node.outbound_layer for node in layer.outbound_nodes]
    norms = [r for r in readers if isinstance(r, keras.layers.BatchNormalization)]
    for norm in norms:
        if not (norm.scale and norm.center):
            raise InputError(f"{norm.name}: cannot be changed", got="no gain or no offset")
    return norms
