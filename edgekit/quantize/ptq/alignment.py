"""Input alignment: pixels fall on the steps of an int8 input, not between them.

A network that takes (pixel - 127.5) / 127.5 puts every one of the 256 pixel values half way between
two steps: rounding then merges neighbours and loses a bit of every picture. Moving the mean to a
whole number makes int8 hold pixels exactly; the first layer's bias takes the difference back.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgekit.quantize.graph.float_graph import FloatGraph, Range
from edgekit.quantize.graph.linear import channel_means
from edgekit.signature import TensorSpec

_PIXELS = (0, 255)


def align(graph: FloatGraph, spec: TensorSpec) -> tuple[TensorSpec, Range] | None:
    """Change `graph` to take pictures with a whole mean; return its input and the input's range.

    Where a padded border is seen, the padding's zero means the new mean: half a pixel's step off.

    Args:
        graph: with one input, the picture.
        spec: what the input is declared to be.

    Returns:
        None where it cannot be done: several inputs, a mean for each channel, or an input that
        something else than linear ops reads.
    """
    if len(graph.inputs) != 1 or spec.layout is None or not (spec.mean and spec.std):
        return None
    if len(set(spec.mean)) > 1 or len(set(spec.std)) > 1:
        return None  # one scale cannot meet the steps of several
    (tensor,) = graph.inputs
    readers = list(graph.consumers(tensor))
    mean, std = spec.mean[0], spec.std[0]
    whole = float(np.floor(mean + 0.5))
    if not all(map(graph.changeable, readers)) or not _PIXELS[0] <= whole <= _PIXELS[1]:
        return None
    shift = np.full(graph.shape(tensor), (whole - mean) / std, np.float32)
    for op in readers:
        # The same at every position, so the mean answer to it is the answer; borders aside.
        inside = replace(op, padding="VALID")
        graph.set_constant(
            op.inputs[2], graph.bias(op) + channel_means(graph, inside, shift[np.newaxis])
        )
    low, high = ((pixel - whole) / std for pixel in _PIXELS)
    return replace(spec, mean=(whole,), std=(std,)), (low, high)
