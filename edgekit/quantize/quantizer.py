"""The ordinary quantizer: the second half of TensorFlow's converter, by itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.lite.python.convert import mlir_quantize
from tensorflow.lite.python.util import modify_model_io_type

from edgekit.export.failures import one_line_failures
from edgekit.quantize.ptq.weight_steps import put_weights
from edgekit.quantize.weight_only import hold_weights

Array = npt.NDArray[np.float64]


def quantize(
    content: bytes,
    io_dtype: str = "int8",
    *,
    per_channel: bool = True,
    per_channel_dense: bool = True,
    kept: Collection[str] = (),
    steps: Mapping[str, Array] | None = None,
    half: Collection[str] = (),
) -> bytes:
    """Return a float .tflite that holds the ranges of its activations in 8 bits.

    The ranges are taken as they are.

    Args:
        content: of the file.
        io_dtype: of inputs and outputs.
        per_channel: whether each output channel of a convolution has a scale.
        per_channel_dense: the same for fully connected layers.
        kept: names of the first outputs of the ops that stay in float.
        steps: of weights, `[O]` by the name of what an op answers; where not given, as the ordinary
            quantizer takes them. Those of a kept op are what its weights are held in.
        half: names, as of `kept`, of those that hold their weights as 16-bit floats.

    Raises:
        InputError: the quantizer fails.
    """
    with one_line_failures("integer .tflite"):
        made = mlir_quantize(
            content,
            disable_per_channel=not per_channel,
            disable_per_channel_for_dense_layers=not per_channel_dense,
            denylisted_nodes=set(kept) or None,
        )
        if steps:
            made = put_weights(bytes(made), content, steps)
        held = {name: own for name, own in (steps or {}).items() if name in kept}
        if held or half:
            made = hold_weights(bytes(made), content, held, half)
        if io_dtype == "float32":
            return bytes(made)
        dtype = tf.as_dtype(io_dtype)
        return bytes(modify_model_io_type(made, dtype, dtype))
