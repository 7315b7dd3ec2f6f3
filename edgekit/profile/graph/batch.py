"""What becomes of the batch on its way through a .tflite file.

Where the batch is free, the converter stores 1 as the leading size of every tensor that depends on
it, also behind a reshape that folds other dimensions into it and behind SPACE_TO_BATCH_ND, which
multiplies it. Counting by the stored sizes would lose the factor, so the leading size is worked out
again, op by op.
"""

from __future__ import annotations

import math

from edgekit.profile.graph import Op, Tensor

# Same elements in another shape.
CONSERVE = {"reshape", "squeeze", "expand_dims", "transpose"}
# The leading size of the output is that of the inputs.
_KEEP_KINDS = """
abs add add_n arg_max arg_min atan2 average_pool_2d batch_matmul cast ceil clip conv cos cumsum
depth_to_space depthwise_conv dequantize div elu equal exp fake_quant floor floor_div floor_mod gelu
greater greater_equal hard_swish l2_normalization l2_pool_2d leaky_relu less less_equal
local_response_normalization log logical_and logical_not logical_or logistic log_softmax max_pool_2d
maximum mean minimum mirror_pad mul neg not_equal pad padv2 pow prelu quantize reduce_max reduce_min
relu relu6 relu_0_to_1 relu_n1_to_1 resize_bilinear resize_nearest_neighbor round rsqrt select
select_v2 sign sin softmax space_to_depth sqrt square squared_difference sub sum svdf tanh
transpose_conv zeros_like
"""
_KEEP = frozenset(_KEEP_KINDS.split())
# The leading size stays where it is 1: slices of one are one.
KEEP_ONE = {"strided_slice", "slice", "split", "split_v", "unpack", "pack", "recurrent"}

# The shape of the output depends on the values of the input: no trial run tells it.
DATA_DEPENDENT = {"where", "unique", "while", "if", "call", "stablehlo_while"}


def leading_size(op: Op, output: Tensor, block: tuple[int, ...]) -> int:
    """Return the leading size of `output`, or -1 where only running the model would tell.

    Args:
        op: whose inputs are resolved already.
        output: with a shape whose leading size is free.
        block: the block sizes, where the op folds space into the batch or back.
    """
    data = [t for t in op.inputs if t is not None and not t.constant]
    rest = output.shape or (0,)
    row = math.prod(rest[1:])
    # A reshape's second input is the new shape, a transposed convolution's first the size.
    data = data[-1:] if op.kind == "transpose_conv" else data
    data = data[:1] if op.kind in CONSERVE else data
    if not data or row < 0 or not all(t.known and t.shape for t in data):
        return -1
    first = data[0]
    if op.kind in CONSERVE:
        return _exact(first.elements, row)
    if op.kind == "fully_connected":
        weights = op.inputs[1]
        inner = weights.shape[-1] if weights and weights.shape else 0
        return _exact(first.elements * _last(rest), inner * row)
    leading = [t.shape[0] for t in data if t.shape and len(t.shape) == len(rest)]
    if op.kind == "space_to_batch_nd":
        return leading[0] * math.prod(block) if block and leading else -1
    if op.kind == "batch_to_space_nd":
        return _exact(leading[0], math.prod(block)) if block and leading else -1
    if op.kind == "concatenation" and not any(t.shape and t.shape[1:] == rest[1:] for t in data):
        return leading[0] if len(set(leading)) == 1 else -1
    leading = [t.shape[0] for t in data if t.shape]
    if op.kind in _KEEP:
        return max(leading)
    return 1 if op.kind in KEEP_ONE and max(leading) == 1 else -1


def _exact(whole: int, part: int) -> int:
    return whole // part if part and whole % part == 0 else -1


def _last(shape: tuple[int, ...]) -> int:
    return shape[-1] if shape else 1
