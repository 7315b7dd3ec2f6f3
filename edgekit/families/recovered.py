"""A Keras network with the weights that post-training quantization would round it to.

What quantization-aware training begins with: it then has to better what `--ptq` reaches, and not to
find the way there by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import tf_keras as keras

from edgekit.errors import InputError
from edgekit.families.observed import layer_of, norms_behind, observed
from edgekit.quantize.graph.float_graph import FloatGraph, Range
from edgekit.quantize.ptq.post_training import prepare
from edgekit.quantize.ptq.techniques import PostTraining
from edgekit.quantize.ptq.transformation import transform

Array = npt.NDArray[Any]

# Steps stay the largest weight over 127, which is what fake quantization takes.
_TECHNIQUES = PostTraining(("round", "bias"), ranges="effect")


def recovered(network: Any, batches: Iterable[Array]) -> tuple[Any, dict[str, Range]]:
    """Return a copy of `network` with weights on their 8-bit grids, their errors made up for.

    With it, by the layer that an op came from, the range in which what the op answers is rounded,
    an activation that is fused into it included.

    Args:
        network: trained; one input. Its batch norms are taken with the statistics that they keep.
        batches: of inputs `[N, ...]`, which the roundings are chosen on.

    Raises:
        InputError: a layer's name is not in the file, or it has no bias to change.
    """
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    made = prepare(transform(observed(network, batches), _TECHNIQUES), _TECHNIQUES)
    ready = FloatGraph(made.content)
    for op in ready.ops:
        if ready.changeable(op):
            _assign(layer_of(copy, ready.layer(op)), ready.weights(op), ready.bias(op))
    ranges: dict[str, Range] = {}
    for op in ready.ops:
        if op.outputs[0] in made.ranges:  # of a dense layer with a softmax the first of two ops
            ranges.setdefault(ready.layer(op), made.ranges[op.outputs[0]])
    return copy, ranges


def _assign(layer: Any, weights: Array, bias: Array) -> None:
    """Let a layer, with the norm behind it, multiply with `weights` and add `bias`."""
    kernel, *own = layer.get_weights()
    # Output channels last: of [O, H, W, I], depthwise [1, H, W, C M] or dense [O, I].
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    wanted = weights if depthwise else np.moveaxis(weights, 0, -1)
    norms = norms_behind(layer)
    if not norms and not own:
        raise InputError(f"{layer.name}: weights cannot be recovered", got="no bias and no norm")
    if not norms:
        own = [bias]
    for norm in norms:
        gain = norm.gamma.numpy() / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
        norm.beta.assign(bias + gain * (norm.moving_mean.numpy() - sum(own)))
        wanted = wanted / np.where(gain == 0, 1.0, gain)  # without a gain nothing gets through
    layer.set_weights([wanted.reshape(kernel.shape), *own])
