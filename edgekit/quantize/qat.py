"""Quantization-aware training by tfmot: 8-bit weights per channel, 8-bit activations."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras

from edgekit.errors import InputError
from edgekit.quantize.graph.float_graph import Range
from edgekit.quantize.ptq.weight_steps import LEVELS
from edgekit.train import Options
from edgekit.train.batch_norm import folded

# What a file does in the op before it.
_FUSED = (keras.layers.BatchNormalization, keras.layers.ReLU, keras.layers.Activation)

_log = logging.getLogger("edgekit")


def quantize_aware(network: Any) -> Any:
    """Return a copy of the float `network` with fake quantization in it, its weights included.

    The scheme is tfmot's 8-bit default (Jacob et al., arXiv:1712.05877, section 3), activations
    with moving ranges and symmetric weights; but every layer has one scale a channel, as in the
    file, where tfmot gives depthwise and dense layers one for all. Rebuild it from weights alone:
    apply this to the float network again and load them.

    Raises:
        InputError: a layer that tfmot cannot quantize; the line names it.
    """
    try:
        copy = tfmot.quantization.keras.quantize_model(network)
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"{network.name}: cannot be trained quantization-aware", got=str(error)[:200]
        ) from None
    for layer in copy.layers:
        inner = getattr(layer, "layer", None)
        if isinstance(inner, keras.layers.DepthwiseConv2D | keras.layers.Dense):
            layer._weight_vars = [(w, _round_by_channel, ends) for w, _, ends in layer._weight_vars]
    return copy


def _round_by_channel(kernel: Any, *_: Any, **__: Any) -> Any:
    """Return a kernel on the grid of each output channel; the gradient passes as if it were not.

    The grid is the converter's, steps of the largest weight over 127: it finds the same again.
    """
    # A depthwise kernel is [H, W, C, M], a dense one [in, out].
    axes = (0, 1) if len(kernel.shape) == 4 else (0,)
    largest = tf.reduce_max(tf.abs(kernel), axis=axes, keepdims=True)
    step = tf.where(largest > 0, largest, 1.0) / LEVELS
    return kernel + tf.stop_gradient(tf.round(kernel / step) * step - kernel)


def freeze_epoch(network: Any, options: Options) -> int | None:
    """Return from which epoch of the fine-tuning on batch norms keep their statistics.

    A network whose batch norms were folded into its weights has none of any batch: it keeps what it
    has from the start, and says so.

    Args:
        network: the fake-quantized copy.
        options: of the fine-tuning.
    """
    if folded(network):
        _log.info("%s: batch norms are folded, and keep their statistics", network.name)
        return 0
    return round(options.qat_freeze * options.epochs) if options.qat_freeze < 1 else None


def set_ranges(
    copy: Any, network: Any, batches: Iterable[Any], known: Mapping[str, Range] | None = None
) -> None:
    """Let the ranges of a fake-quantized copy begin where the float network's are.

    tfmot begins at -6 to 6 and moves by a thousandth a step: a short fine-tuning would spend itself
    on what one look at the data tells.

    Args:
        copy: from `quantize_aware`.
        network: the float network that it is a copy of.
        batches: of inputs.
        known: better ones than what the batches reach, by layer, with the norm and the activation
            that follow it.
    """
    layers = {f"quant_{layer.name}": layer for layer in network.layers}
    # A pair of variables, the tensor that it bounds, and what is known of that.
    places: list[tuple[Any, Any, Range | None]] = []
    for layer in copy.layers:
        variables = {v.name.rpartition("/")[2].removesuffix(":0"): v for v in layer.weights}
        for name, variable in variables.items():
            if not name.endswith("_min") or "kernel" in name:
                continue
            tensor, better = network.input, None
            if original := layers.get(layer.name):
                tensor = _before_activation(original) if "pre_" in name else original.output
                better = _known(original, known or {}, before="pre_" in name)
            pair = (variable, variables[name.removesuffix("min") + "max"])
            places.append((pair, tensor, better))
    ends = keras.Model(network.input, [tensor for _, tensor, _ in places])

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def reach(inputs: Any) -> Any:
        return [(tf.reduce_min(v), tf.reduce_max(v)) for v in ends(inputs, training=False)]

    seen = np.array([[[float(end) for end in pair] for pair in reach(batch)] for batch in batches])
    for number, ((low, high), _, better) in enumerate(places):
        reached = better or (seen[:, number, 0].min(), seen[:, number, 1].max())
        low.assign(min(float(reached[0]), 0.0))
        high.assign(max(float(reached[1]), 0.0))
    for layer in copy.layers:
        for weight, quantizer, variables in getattr(layer, "_weight_vars", ()):
            quantizer(weight, True, weights=variables)  # which takes its range from the weight


def set_input_range(copy: Any, low: float, high: float) -> None:
    """Give the input of a fake-quantized copy a range."""
    for layer in filter(_fed, copy.layers):
        for variable in layer.weights:
            name = variable.name.rpartition("/")[2]
            if name.endswith(("_min:0", "_max:0")):
                variable.assign(low if "min" in name else high)


def hold_ranges(copy: Any) -> None:
    """Let training leave every range of a fake-quantized copy's activations as it is.

    What was compiled before has to be compiled again.
    """
    for layer in copy.layers:
        if _fed(layer):
            layer.quantizer = _held(layer.quantizer)
        for activation in getattr(layer, "_quantize_activations", ()):
            activation.quantizer = _held(activation.quantizer)
        if quantizers := getattr(layer, "_output_quantizers", None):
            layer._output_quantizers = [_held(quantizer) for quantizer in quantizers]


def _fed(layer: Any) -> bool:
    """Whether it is the layer that tfmot puts in front."""
    return bool(layer.name.startswith("quantize_layer"))


def _held(quantizer: Any) -> Any:
    def held(inputs: Any, training: Any, weights: Any, **options: Any) -> Any:
        return quantizer(inputs, False, weights=weights, **options)

    return held


def _known(layer: Any, known: Mapping[str, Range], *, before: bool) -> Range | None:
    """Return what is known of a layer's answer, or of what its own activation takes."""
    own = getattr(layer, "activation", keras.activations.linear)
    told = (keras.activations.linear, keras.activations.relu)
    if not before and not isinstance(layer, _FUSED) and own not in told:
        return None
    while layer.name not in known and isinstance(layer, _FUSED):
        layer = layer.input._keras_history.layer
    return known.get(layer.name)


def _before_activation(layer: Any) -> Any:
    """Return what a layer's own activation takes."""
    linear = type(layer).from_config({**layer.get_config(), "activation": "linear"})
    tensor = linear(layer.input)
    linear.set_weights(layer.get_weights())
    return tensor
