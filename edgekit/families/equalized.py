"""A Keras network equalized: what quantization-aware training of a trained network begins with."""

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
from edgekit.export.lowering import lower
from edgekit.quantize.equalization import equalize
from edgekit.quantize.post_training import open_network
from edgekit.quantize.scheme import parse_scheme

Array = npt.NDArray[Any]


def equalized(network: Any, batches: Iterable[Array]) -> Any:
    """Return a copy of `network` that answers the same, each tensor's channels at one range.

    The factors are those of `--ptq equalize`, found on the network's float .tflite; a factor goes
    into the batch norm behind a layer where there is one, else into its kernel and bias.

    Args:
        network: trained; one input.
        batches: of inputs `[N, ...]`, which tell the ranges.

    Raises:
        InputError: a layer's name is not in the file, or its batch norm has no gain.
    """
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    # A file calls its outputs by names of its own: behind something else they keep their layer's.
    inner = keras.Model(network.input, keras.layers.Activation("tanh")(network.output))
    with tempfile.TemporaryDirectory(prefix="edgekit-") as folder:
        lowered = lower(inner, Path(folder))
        content = tflite.convert(lowered, parse_scheme("f32"))
    inputs = lowered.signature.inputs
    examples = ({inputs[0].name: one[np.newaxis]} for batch in batches for one in batch)
    seen = open_network(content, inputs, examples)
    factors = equalize(seen.graph.copy(), seen.observed)
    for op in seen.graph.ops:
        if op.linear:
            layer = _layer(copy, seen.graph.layer(op))
            _divide_inputs(layer, factors.get(op.inputs[0], np.ones(1)))
            _multiply_outputs(layer, factors.get(op.outputs[0], np.ones(1)))
    return copy


def _layer(network: Any, name: str) -> Any:
    for layer in network.layers:
        if layer.name == name:
            return layer
    raise InputError(f"{network.name}: cannot be equalized", got=f"no layer called {name}")


def _divide_inputs(layer: Any, factors: Array) -> None:
    kernel, *bias = layer.get_weights()
    # [H, W, in, out], depthwise [H, W, C, 1], dense [in, out].
    layer.set_weights([kernel / factors[:, np.newaxis], *bias])


def _multiply_outputs(layer: Any, factors: Array) -> None:
    readers = [node.outbound_layer for node in layer.outbound_nodes]
    norms = [r for r in readers if isinstance(r, keras.layers.BatchNormalization)]
    if not norms:
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        kernel, *bias = layer.get_weights()
        kernel = kernel * (factors[:, np.newaxis] if depthwise else factors)
        layer.set_weights([kernel, *(b * factors for b in bias)])
    for norm in norms:
        if not (norm.scale and norm.center):
            raise InputError(f"{norm.name}: cannot be equalized", got="no gain or no offset")
        norm.gamma.assign(norm.gamma * factors)
        norm.beta.assign(norm.beta * factors)
