"""What each op of a graph asks of a core: multiply-adds by class of kernel, and bytes to move.

Runtimes fold batch norm and ReLU into the op before them, pass views on without copying, and run
QUANTIZE / DEQUANTIZE pairs of ONNX as int8 kernels: the work here is what is left after that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.profile.cost.madds import count_madds
from edgekit.profile.graph import Graph, Op, Tensor

# Kernel classes that multiply, in the order of `columns`; what only moves data comes after them.
COMPUTE = ("pointwise", "conv", "conv3x3", "depthwise", "fully_connected")
MOVE = "move"
CLASSES = (*COMPUTE, MOVE)

_VIEWS = {"reshape", "squeeze", "expand_dims", "flatten", "unsqueeze", "identity", "noise",
          "dropout", "shape"}  # fmt: skip
_FUSED = {"activation", "relu", "relu6", "relu_n1_to_1", "relu_0_to_1", "clip", "normalization",
          "batch_normalization"}  # fmt: skip
_QUANTIZED = {"int8": "int8", "uint8": "int8", "int16": "int16", "float16": "f16"}


@dataclass(frozen=True)
class Work:
    """One op's work."""

    op: Op
    kind: str  # one of CLASSES, or the op's own kind where no class fits its multiply-adds
    dtype: str  # "f32", "f16", "int8", "int16"; "w8": int8 weights under float activations
    madds: int
    channels: tuple[int, int]  # in and out, of one group; zeros where nothing multiplies
    activation_bytes: int
    weight_bytes: int

    def padding(self, simd_width: int) -> float:
        """Return the multiply-adds over the useful ones, channels rounded up to the width."""
        factor = 1.0
        rounded = {"pointwise": (0, 1), "conv3x3": (0, 1), "conv": (1,), "depthwise": (1,)}
        for side in rounded.get(self.kind, ()):
            size = self.channels[side]
            factor *= -(-size // simd_width) * simd_width / size
        return factor


def list_work(graph: Graph) -> tuple[Work, ...]:
    """Return the work of every op that takes time, in the order of execution.

    Raises:
        InputError: a shape is unknown.
    """
    makers = {tensor.index: op for op in graph.ops for tensor in op.outputs}
    forms = _quantized_forms(graph) if graph.format == "onnx" else {}
    return tuple(
        _work(op, graph.format, forms)
        for op in graph.ops
        if not all(t.constant for t in op.outputs) and not _free(op, makers, forms)
    )


def columns(works: Sequence[Work], simd_width: int) -> npt.NDArray[np.float64]:
    """Return `[ops, 4]`: class, padded multiply-adds, bytes of activations, bytes of weights."""
    rows = [
        (
            CLASSES.index(work.kind) if work.kind in CLASSES else CLASSES.index("conv"),
            work.madds * work.padding(simd_width),
            work.activation_bytes,
            work.weight_bytes,
        )
        for work in works
    ]
    return np.array(rows, np.float64).reshape(-1, 4)


def _free(op: Op, makers: Mapping[int, Op], forms: Mapping[int, Tensor]) -> bool:
    """Whether a runtime spends nothing on `op`: a view, or folded into the op before it."""
    data = [t for t in op.inputs if t is not None and not t.constant]
    if op.kind in _VIEWS or (op.kind == "dequantize_linear" and forms):
        return True
    if op.kind == "quantize_linear" and data and data[0].index in forms:
        return True
    return op.kind in _FUSED and len(data) == 1 and data[0].index in makers


def _quantized_forms(graph: Graph) -> dict[int, Tensor]:
    """Return, by float tensor of a quantized ONNX graph, the int8 one that is moved for it."""
    forms: dict[int, Tensor] = {}
    for op in graph.ops:
        first = op.inputs[0] if op.inputs else None
        if op.kind == "dequantize_linear" and first is not None:
            forms[op.outputs[0].index] = first
    for op in graph.ops:
        first = op.inputs[0] if op.inputs else None
        if op.kind == "quantize_linear" and first is not None and first not in graph.inputs:
            forms.setdefault(first.index, op.outputs[0])
    for op in reversed(graph.ops):  # a fused Relu or Clip stands between a kernel and its QUANTIZE
        first = op.inputs[0] if op.kind in _FUSED and op.inputs else None
        if first is not None and first not in graph.inputs and op.outputs[0].index in forms:
            forms.setdefault(first.index, forms[op.outputs[0].index])
    return forms


def _work(op: Op, format: str, forms: Mapping[int, Tensor]) -> Work:
    inputs = [forms.get(t.index, t) for t in op.inputs if t is not None]
    outputs = [forms.get(t.index, t) for t in op.outputs]
    moved = {t.index: t for t in (*inputs, *outputs)}.values()
    weights = [forms.get(t.index, t) for t in op.inputs if t is not None and t.constant]
    madds = count_madds(op) or 0
    kind, channels = _classify(op, madds, format)
    return Work(
        op=op,
        kind=kind,
        dtype=_dtype(op, inputs, weights),
        madds=madds,
        channels=channels,
        activation_bytes=sum(t.size_bytes or 0 for t in moved if not t.constant),
        weight_bytes=sum(t.size_bytes or 0 for t in moved if t.constant),
    )


def _dtype(op: Op, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> str:
    data = [t for t in inputs if not t.constant] or list(inputs)
    dtype = _QUANTIZED.get(data[0].dtype, "f32") if data else "f32"
    slots = op.attributes.get("weights", ())
    packed = any(t.dtype in ("int8", "int4", "uint8") for t in weights if t.parameter)
    return "w8" if slots and packed and dtype == "f32" else dtype


def _classify(op: Op, madds: int, format: str) -> tuple[str, tuple[int, int]]:
    """Return the kernel class and the channels in and out of one group."""
    if madds == 0:
        return MOVE, (0, 0)
    if op.kind not in ("conv", "depthwise_conv"):
        return op.kind, (1, 1)
    axis = op.attributes.get("channel_axis", -1)
    source, made, weights = op.inputs[0], op.outputs[0], op.inputs[op.attributes["weights"][0]]
    if source is None or weights is None or not source.shape or not made.shape:
        return op.kind, (1, 1)
    deep, wide = source.shape[axis], made.shape[axis]
    if op.kind == "depthwise_conv":
        return "depthwise", (1, wide)
    positions = made.elements // wide
    area = _kernel_area(weights, format)
    groups = max(1, deep * wide * area // weights.elements)
    channels = (max(1, deep // groups), max(1, wide // groups))
    if area == 1:
        # One position meets each weight once: there is nothing to reuse, as in a dense layer.
        return ("fully_connected" if positions == 1 else "pointwise"), channels
    unstrided = made.elements // wide >= 0.7 * source.elements // deep
    return ("conv3x3" if area == 9 and unstrided and groups == 1 else "conv"), channels


def _kernel_area(weights: Tensor, format: str) -> int:
    """Return the taps of a kernel: OIHW in ONNX, HWIO in Keras, OHWI in TFLite."""
    shape = weights.shape or ()
    spatial = {"onnx": shape[2:], "keras": shape[:-2]}.get(format, shape[1:-1])
    return max(1, math.prod(spatial))
