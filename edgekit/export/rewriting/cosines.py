"""Where a cosine transform is computed by complex numbers, which TFLite cannot cut or multiply.

TensorFlow takes the spectrum of a series, cuts it and turns it by factors, as for cepstra: it is
the product with a matrix.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from edgekit.export.rewriting.functions import inputs_of
from edgekit.export.rewriting.watching import Array, Watched


def cosines(function: Any, watched: Watched) -> Iterator[tuple[Any, str, Any, Array]]:
    """Yield each node that is such an answer; what is transformed, by name and itself; a matrix."""
    makers = {node.name: node for node in function.node_def}
    for node in [node for node in function.node_def if node.op == "Real"]:
        made = watched.operation(node.name)
        spectrum = _spectrum(made.inputs[0], watched) if made is not None else None
        if spectrum is None:
            continue
        maker = makers.get(spectrum.name.removeprefix(made.name.removesuffix(node.name)))
        read = spectrum.inputs[0]
        if maker is not None and read.shape.is_fully_defined():
            yield node, inputs_of(maker)[0], read, _matrix(read, made.outputs[0], watched)


def _spectrum(value: Any, watched: Watched) -> Any:
    """Return the transform behind cuts and factors, or the padding before it; None of others."""
    steps = 0
    while value.op.type in ("StridedSlice", "Mul"):
        first, second = value.op.inputs[0], value.op.inputs[1]
        if value.op.type == "Mul" and watched.constant(second) is None:
            if watched.constant(first) is None:
                return None
            first = second
        value, steps = first, steps + 1
    if not steps or value.op.type != "RFFT":
        return None
    padded = value.op.inputs[0].op
    return padded if padded.type == "Pad" else value.op


def _matrix(read: Any, answer: Any, watched: Watched) -> Array:
    """Return `[N, M]`, from what the unit vectors of the last axis become."""
    run, length = watched.part([read], answer), read.shape[-1]
    rows = int(np.prod(read.shape[:-1]))
    units = np.zeros((-(-length // rows) * rows, length), np.float32)
    units[:length] = np.eye(length)
    made = [run(tf.constant(given)) for given in units.reshape(-1, *read.shape)]
    return np.reshape(made, (-1, answer.shape[-1]))[:length]
