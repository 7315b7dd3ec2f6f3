"""Scales and shifts of channels, folded into the convolution or the dense op before them.

tf2onnx folds a batch norm only behind an ordinary convolution. Behind a depthwise or a transposed
one, one over a row, or a dense op it leaves a multiplication and an addition: two passes over the
map, and in 8 bits two more roundings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.export.onnx.graph import attributes_of, constants_of, maker_of, readers_of, store

Array = npt.NDArray[Any]

_EPSILON = 1e-5  # of BatchNormalization, where the node names none
# By op, the axis of its weights that goes over the channels of its answer.
_WEIGHTS = {"Conv": 0, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1}
_DENSE = ("Gemm", "MatMul")


@dataclass(frozen=True, eq=False)
class _Affine:
    """What a node makes of a value, channel by channel."""

    scale: Array  # [C] or [1]
    shift: Array


def fold_affine(graph: Any, ranks: Mapping[str, int]) -> None:
    """Fold each scale and shift of channels into the op that made the value, if none else reads it.

    (W x + b) s + t is W s x + b s + t.

    Args:
        graph: changed in place.
        ranks: of the values, where known.
    """
    constants = constants_of(graph)
    for node in list(graph.node):
        value = next((name for name in node.input if name not in constants), "")
        maker = _maker(value, graph, constants)
        if maker is None:
            continue
        axis = ranks.get(value, 0) - 1 if maker.op_type in _DENSE else 1
        affine = _affine(node, constants, axis, ranks.get(value, 0))
        if affine and _apply(affine, maker, graph, ranks.get(maker.input[0])):
            maker_of(value, graph).output[:] = node.output
            graph.node.remove(node)
            constants = constants_of(graph)


def _maker(value: str, graph: Any, constants: Mapping[str, Array]) -> Any:
    """Return the convolution or dense op of stored weights that made a value, read by one alone.

    Sizes of one may be dropped in between, behind the channels.
    """
    made = maker_of(value, graph)
    if made is None or len(readers_of(value, graph) or ()) != 1:
        return None
    if made.op_type == "Squeeze" and len(made.input) == 2:
        dropped = constants.get(made.input[1], np.zeros(1))
        before = _maker(made.input[0], graph, constants) if (dropped > 1).all() else None
        return None if before is None or before.op_type in _DENSE else before
    names = [name for name in made.input[1:] if name]
    if made.op_type not in _WEIGHTS or not names or not constants.keys() >= {*names}:
        return None
    stored = [constants[name] for name in names]
    return made if _is_plain(made, stored) else None


def _is_plain(node: Any, stored: list[Array]) -> bool:
    """Whether each channel of the answer has weights, and at most one bias, of its own."""
    told, (weights, *bias) = attributes_of(node), stored
    if node.op_type == "ConvTranspose":
        return bool(told.get("group", 1) == 1)
    if node.op_type == "Gemm" and (told.get("alpha", 1), told.get("beta", 1)) != (1, 1):
        return False
    rows = any(size > 1 for b in bias for size in b.shape[:-1])
    return node.op_type == "Conv" or (weights.ndim == 2 and not rows)


def _affine(node: Any, constants: Mapping[str, Array], axis: int, rank: int) -> _Affine | None:
    stored = [constants[name].astype(np.float64) for name in node.input if name in constants]
    if node.op_type == "BatchNormalization" and len(stored) == 4 and axis == 1:
        gamma, beta, mean, variance = stored
        scale = gamma / np.sqrt(variance + attributes_of(node).get("epsilon", _EPSILON))
        return _Affine(scale, beta - mean * scale)
    if node.op_type not in ("Mul", "Add") or len(stored) != 1 or stored[0].ndim > rank:
        return None
    sizes = (1,) * (rank - stored[0].ndim) + stored[0].shape
    if any(size > 1 for place, size in enumerate(sizes) if place != axis):
        return None
    channels = stored[0].reshape(-1)
    one, none = np.ones(1), np.zeros(1)
    return _Affine(channels, none) if node.op_type == "Mul" else _Affine(one, channels)


def _apply(affine: _Affine, maker: Any, graph: Any, rank: int | None) -> bool:
    """Give an op other weights, and a bias where it needs one; False where it can have none."""
    constants = constants_of(graph)
    weights, *bias = (constants[name].astype(np.float64) for name in maker.input[1:] if name)
    axis = 0 if attributes_of(maker).get("transB") else _WEIGHTS[maker.op_type]
    channels = (weights.shape[axis],)
    if max(affine.scale.size, affine.shift.size) not in (1, *channels):  # which makes more of one
        return False
    before = bias[0].reshape(-1) if bias else np.zeros(1)
    shift = np.broadcast_to(before * affine.scale + affine.shift, channels)
    if maker.op_type == "MatMul" and shift.any():
        if rank != 2:  # more than rows, of which a Gemm makes nothing
            return False
        maker.op_type = "Gemm"
    sizes = [-1 if place == axis else 1 for place in range(weights.ndim)]
    made = {"scaled": weights * np.broadcast_to(affine.scale, channels).reshape(sizes)}
    made |= {"shifted": shift} if bias or shift.any() else {}
    names = [f"{maker.output[0]}/{part}" for part in made]
    for name, values in zip(names, made.values(), strict=True):
        store(graph, name, values)
    maker.input[1:] = names
    return True
