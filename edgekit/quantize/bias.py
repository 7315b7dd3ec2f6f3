"""Bias correction: what rounding shifts on average, the bias takes back.

Nagel et al., arXiv:1906.04721, section 4.2, empirical: E[W'x'] - E[Wx] is measured on calibration
examples, where W' and x' are what the integer network multiplies. Corrected in the network's order,
so that each op is judged on inputs that were corrected before it.
"""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from edgekit.quantize.float_graph import FloatGraph, FloatOp
from edgekit.quantize.linear import channel_means

Array = npt.NDArray[Any]


def correct_bias(
    graph: FloatGraph, op: FloatOp, inputs: Array, reference: FloatGraph, expected: Array
) -> None:
    """Change `op`'s bias so that its mean answer is the reference's.

    Args:
        graph: where `op` has the weights that will be rounded, or are.
        op: a linear op.
        inputs: what it reads in the integer network, `[N, ...]`.
        reference: the float graph that it is compared with.
        expected: what the same op reads there, of the same examples.
    """
    shift = channel_means(graph, op, inputs) - channel_means(reference, op, expected)
    graph.set_constant(op.inputs[2], reference.bias(op) - shift)
