"""Which layer of the source an op came from, by the names that converters give tensors.

TensorFlow's converter joins the names of all the ops that it fused into one:
`net/Conv1_relu/Relu6;net/bn_Conv1/FusedBatchNormV3;net/Conv1/Conv2D1` is the convolution `Conv1`.
"""

from __future__ import annotations

import re

# The TensorFlow ops that become the kind; their part of the name is the layer's own.
_SOURCES = {
    "conv": ("Conv2D", "Conv1D", "Conv3D", "convolution"),
    "depthwise_conv": ("depthwise", "DepthwiseConv2dNative"),
    "transpose_conv": ("conv2d_transpose", "Conv2DBackpropInput", "conv3d_transpose"),
    "fully_connected": ("MatMul", "Tensordot"),
    "batch_matmul": ("MatMul", "BatchMatMulV", "einsum"),
}


def layer_of(tensor_name: str, kind: str) -> str:
    """Return the layer's path without the network's own name, or "" where the name tells none."""
    parts = [part for part in tensor_name.split(";") if part]
    if not parts:
        return ""
    # A shared bias brings its other owners' names along; the op's own part comes last.
    own = [part for part in parts if _source(part) in _SOURCES.get(kind, ())]
    path = (own[-1] if own else parts[0]).split("/")
    if path[0] in ("StatefulPartitionedCall", "PartitionedCall"):
        path = path[1:]
    if len(path) > 2 and "Tensordot" in path[-2:]:
        path = path[: path.index("Tensordot") + 1]
    layer = path[:-1]
    return "/".join(layer[1:] if len(layer) > 1 else layer)


def _source(part: str) -> str:
    """Return the op type at the end of a name, without the number that makes it unique."""
    names = part.split("/")
    if "Tensordot" in names[-2:]:
        return "Tensordot"
    return re.sub(r"_?\d+$", "", names[-1])
