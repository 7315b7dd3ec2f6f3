"""A Keras network equalized: what quantization-aware training of a trained network begins with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import tf_keras as keras

from edgekit.families.observed import layer_of, norms_behind, observed
from edgekit.quantize.ptq.equalization import equalize

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
    seen = observed(network, batches)
    factors = equalize(seen.graph.copy(), seen.observed)
    for op in seen.graph.ops:
        if op.linear:
            layer = layer_of(copy, seen.graph.layer(op))
            _divide_inputs(layer, factors.get(op.inputs[0], np.ones(1)))
            _multiply_outputs(layer, factors.get(op.outputs[0], np.ones(1)))
    return copy


def _divide_inputs(layer: Any, factors: Array) -> None:
    kernel, *bias = layer.get_weights()
    # [H, W, in, out], depthwise [H, W, C, 1], dense [in, out].
    layer.set_weights([kernel / factors[:, np.newaxis], *bias])


def _multiply_outputs(layer: Any, factors: Array) -> None:
    norms = norms_behind(layer)
    if not norms:
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        kernel, *bias = layer.get_weights()
        kernel = kernel * (factors[:, np.newaxis] if depthwise else factors)
        layer.set_weights([kernel, *(b * factors for b in bias)])
    for norm in norms:
        norm.gamma.assign(norm.gamma * factors)
        norm.beta.assign(norm.beta * factors)
