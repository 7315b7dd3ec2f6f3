"""A Keras network shifted and equalized: what training its fake-quantized copy begins with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import tf_keras as keras

from edgekit.families.aligned import give_back
from edgekit.families.observed import layer_of, norms_behind, observed
from edgekit.quantize.ptq.techniques import PostTraining
from edgekit.quantize.ptq.transformation import transform

Array = npt.NDArray[Any]


def equalized(network: Any, batches: Iterable[Array]) -> Any:
    """Return a copy of `network` that answers the same, each tensor's channels around one range.

    Shifts and factors are those of `--ptq shift,equalize`, found on the network's float .tflite.
    Where a layer has a batch norm behind it, what its channels become goes into that one's gain and
    offset, and what they read into its mean: trained by the batch it goes on from there.

    Args:
        network: trained; one input.
        batches: of inputs, which tell the ranges.

    Raises:
        InputError: a layer's name is not in the file, or it has nothing to take a shift or factor.
    """
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    seen = observed(network, batches)
    changes = transform(seen, PostTraining(("shift", "equalize"))).changes
    linear = {layer_of(copy, seen.graph.layer(op)): op for op in seen.graph.ops if op.linear}
    for layer, op in linear.items():
        if (taken := changes.shifts.get(seen.graph.name(op.inputs[0]))) is not None:
            give_back(layer, -_sums(layer) @ taken)
        if (added := changes.shifts.get(seen.graph.name(op.outputs[0]))) is not None:
            _add_to_outputs(layer, added)
    for layer, op in linear.items():
        _divide_inputs(layer, changes.factors.get(seen.graph.name(op.inputs[0]), np.ones(1)))
        _multiply_outputs(layer, changes.factors.get(seen.graph.name(op.outputs[0]), np.ones(1)))
    return copy


def _sums(layer: Any) -> Array:
    """Return what a layer that sees no padding makes of ones in each of its inputs, `[out, in]`."""
    kernel = np.asarray(layer.get_weights()[0], np.float64)
    sums: Array = kernel.reshape(-1, *kernel.shape[-2:]).sum(axis=0).T
    return sums


def _add_to_outputs(layer: Any, added: Array) -> None:
    norms = norms_behind(layer)
    for offset in [norm.beta for norm in norms] or [layer.bias]:
        offset.assign_add(added)


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
