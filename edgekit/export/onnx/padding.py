"""Paddings with zeros that the convolution behind them can do, in float and between conversions.

ONNX Runtime pads in float even between integers, where a convolution pads with the zero point.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import helper

from edgekit.export.onnx.graph import attributes_of, constants_of, maker_of, readers_of

Array = npt.NDArray[Any]


def fold_padding(graph: Any) -> None:
    """Let convolutions pad what a Pad before them padded with zeros for none but them."""
    constants = constants_of(graph)
    for pad in [node for node in graph.node if node.op_type == "Pad"]:
        ends = _ends(pad, constants)
        value, between = _rounded_alike(pad, graph, constants)
        readers = readers_of(value, graph)
        if ends is None or not readers or not all(_pads_itself(n, value) for n in readers):
            continue
        for conv in readers:
            _pad(conv, ends)
            conv.input[0] = pad.input[0]
        for node in (pad, *between):
            graph.node.remove(node)


def _ends(pad: Any, constants: Mapping[str, Array]) -> Array | None:
    """Return by how much height, width and so on grow, at their starts and at their ends."""
    filled = [constants.get(name, np.ones(1)) for name in pad.input[2:3] if name]
    ends = constants.get(pad.input[1]) if len(pad.input) in (2, 3) else None
    constant = attributes_of(pad).get("mode", b"constant") == b"constant"
    if ends is None or not constant or any(v.any() for v in filled) or (ends < 0).any():
        return None
    starts, stops = np.split(ends, 2)
    if starts[:2].any() or stops[:2].any():
        return None
    wider: Array = np.concatenate([starts[2:], stops[2:]])
    return wider


def _rounded_alike(
    pad: Any, graph: Any, constants: Mapping[str, Array]
) -> tuple[str, tuple[Any, ...]]:
    """Return what holds the padded values, and the conversions that led there and changed nothing.

    Values that come from integers and go to integers of the same scale are those integers.
    """
    padded = pad.output[0]
    before, readers = maker_of(pad.input[0], graph), readers_of(padded, graph) or []
    if before is None or before.op_type != "DequantizeLinear" or len(readers) != 1:
        return padded, ()
    rounds, restores = readers[0], readers_of(readers[0].output[0], graph) or []
    kinds = [node.op_type for node in (rounds, *restores)]
    if kinds != ["QuantizeLinear", "DequantizeLinear"]:
        return padded, ()
    scales = [(constants.get(n.input[1]), constants.get(n.input[2]))
              for n in (before, rounds, restores[0]) if len(n.input) == 3]  # fmt: skip
    alike = all(
        one is not None and other is not None and np.array_equal(one, other)
        for pair in scales
        for one, other in zip(scales[0], pair, strict=True)
    )
    changed = len(scales) < 3 or not alike
    return (padded, ()) if changed else (restores[0].output[0], (rounds, restores[0]))


def _pads_itself(node: Any, value: str) -> bool:
    own = attributes_of(node).get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
    return node.op_type == "Conv" and node.input[0] == value and own


def _pad(conv: Any, ends: Array) -> None:
    kept = attributes_of(conv)
    kept.pop("auto_pad", None)
    kept["pads"] = [int(size) for size in ends + np.asarray(kept.get("pads", 0))]
    del conv.attribute[:]
    conv.attribute.extend(helper.make_attribute(name, value) for name, value in kept.items())
