"""TFLite files from a lowered network, by TensorFlow's converter."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from edgekit.errors import InputError
from edgekit.export.failures import one_line_failures
from edgekit.export.tracing.lowering import Lowered
from edgekit.quantize.scheme import Scheme

Samples = Callable[[], Iterator[dict[str, Any]]]


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
        InputError: a calibrated scheme without samples, an I/O dtype that it does not have, or an
            op that TFLite lacks; the line names it.
    """
    if scheme.name == "f32":
        return _float(network)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(network.folder))
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
        _make_integer(converter, scheme, io_dtype or scheme.io_dtypes[0])
    if not per_channel_dense:
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    with one_line_failures(f"{scheme.name} as TFLite"), _without_remarks():
        content: bytes = converter.convert()
    return content


@contextmanager
def _without_remarks() -> Iterator[None]:
    """Keep back what the converter says of ends in float: where it is so, it fails and says it."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _float(network: Lowered) -> bytes:
    """Return the network in float; it is kept beside the lowered one, for what is made of it."""
    kept = network.folder.with_suffix(".tflite")
    if not kept.exists():
        converter = tf.lite.TFLiteConverter.from_saved_model(str(network.folder))
        with one_line_failures("f32 as TFLite"):
            kept.write_bytes(converter.convert())
    return kept.read_bytes()


def _make_integer(converter: Any, scheme: Scheme, io_dtype: str) -> None:
    scheme.check_io(io_dtype)
    ops = tf.lite.OpsSet
    if scheme.calibrated:  # learned ranges are in the graph, and the converter finds them there
        converter.target_spec.supported_ops = (
            [ops.TFLITE_BUILTINS_INT8]
            if scheme.activation_bits == 8
            # An op without a kernel of 16 bits, as a division, stays in float, as in 8 bits.
            else [
                ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
                ops.TFLITE_BUILTINS,
            ]
        )
    converter.inference_input_type = converter.inference_output_type = tf.as_dtype(io_dtype)
