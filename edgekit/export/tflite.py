"""TFLite files from a lowered network, by TensorFlow's converter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from edgekit.errors import InputError
from edgekit.export.lowering import Lowered
from edgekit.quantize.scheme import Scheme

Samples = Callable[[], Iterator[dict[str, Any]]]

# What the integers of a scheme may look like from outside; the first is the default.
IO_DTYPES = {
    8: ("int8", "uint8", "float32"),
    16: ("int16", "float32"),
}


def convert(
    network: Lowered,
    scheme: Scheme,
    *,
    samples: Samples | None = None,
    io_dtype: str | None = None,
    per_channel_dense: bool = True,
) -> bytes:
    """Return `network` as a .tflite in `scheme`.

    Args:
        network: the float network, or the fake-quantized one for a learned scheme.
        scheme: what to make.
        samples: yields calibration examples by input name, read anew at each call.
        io_dtype: of inputs and outputs; the scheme's own integer by default.
        per_channel_dense: whether a fully connected layer has a scale for each output; without,
            older runtimes can read a w8 file.

    Raises:
        InputError: a calibrated scheme without samples, or an I/O dtype that it does not have.
    """
    converter = tf.lite.TFLiteConverter.from_saved_model(str(network.folder))
    if scheme.name != "f32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if scheme.name == "f16":
        converter.target_spec.supported_types = [tf.float16]
    if scheme.calibrated:
        if samples is None:
            raise InputError(
                f"scheme {scheme.name}: no calibration data",
                do="give --calibrate DATA: pictures like those that the model will see",
            )
        converter.representative_dataset = samples
    if scheme.activation_bits is not None:
        _make_integer(converter, scheme, io_dtype)
    if not per_channel_dense:
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    content: bytes = converter.convert()
    return content


def _make_integer(converter: Any, scheme: Scheme, io_dtype: str | None) -> None:
    bits = scheme.activation_bits or 8
    ops = tf.lite.OpsSet
    if scheme.calibrated:  # learned ranges are in the graph, and the converter finds them there
        converter.target_spec.supported_ops = [
            ops.TFLITE_BUILTINS_INT8
            if bits == 8
            else ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
    dtype = io_dtype or IO_DTYPES[bits][0]
    if dtype not in IO_DTYPES[bits]:
        raise InputError(
            f"scheme {scheme.name}: no such input and output type",
            got=dtype,
            expected=" or ".join(IO_DTYPES[bits]),
        )
    converter.inference_input_type = converter.inference_output_type = tf.as_dtype(dtype)
