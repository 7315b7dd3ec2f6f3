"""Multiply-adds of an op: one table from kind to rule.

The convention, once and for all: one multiply with its add is one MAdd. Only what multiplies data
by weights, or data by data, in sums of products has MAdds: convolutions, fully connected layers,
matrix products, recurrent cells, fast transforms. Biases, activations, batch norm, pooling,
resizing and all moving of data have none; each of them stands in ZERO, so that an op without a rule
is known to be one. Products with padded zeros count, as in the papers' tables. All figures are for
batch 1 unless the inputs say otherwise.
"""

from __future__ import annotations

from collections.abc import Callable

from edgekit.errors import InputError
from edgekit.profile.graph import Graph, Op, Tensor

Rule = Callable[[Op], int]
RULES: dict[str, Rule] = {}


def rule(*kinds: str) -> Callable[[Rule], Rule]:
    """Enter a function into the table for these kinds.

    Raises:
        ValueError: one of them has a rule already.
    """

    def enter(function: Rule) -> Rule:
        for kind in kinds:
            if kind in RULES:
                raise ValueError(f"{kind} has two rules")
            RULES[kind] = function
        return function

    return enter


def count_madds(op: Op) -> int | None:
    """Return the multiply-adds of `op`, or None where there is no rule for its kind.

    Raises:
        InputError: there is a rule, but a shape is unknown or does not fit it.
    """
    if op.kind not in RULES:
        return None
    try:
        return RULES[op.kind](op)
    except (ArithmeticError, IndexError, ValueError) as error:
        raise InputError(f"{op.native} {op.name}: shapes do not fit", got=error) from None


def total_madds(graph: Graph, *, allow_unknown: bool = False) -> int:
    """Return the multiply-adds of one inference of `graph`, without ops that have no rule.

    Raises:
        InputError: an op has no rule and `allow_unknown` is not set; the line names each kind.
    """
    if not allow_unknown:
        check_rules(graph)
    return sum(count_madds(op) or 0 for op in graph.ops)


def check_rules(graph: Graph) -> None:
    """Ask that every op has a rule.

    Raises:
        InputError: some have none; the line names them.
    """
    missing = sorted({op.native for op in graph.ops if op.kind not in RULES})
    if missing:
        raise InputError(
            f"no MAdd rule for {', '.join(missing)}",
            do="count the rest with --allow-unknown",
        )


@rule("conv", "depthwise_conv")
def _convolution(op: Op) -> int:
    """Every output position meets each weight once, whatever stride, dilation or groups."""
    return _positions(op, op.outputs[0]) * _weights(op)


@rule("transpose_conv")
def _transposed(op: Op) -> int:
    """Every input position meets each weight once; what the output crops counts."""
    return _positions(op, _input(op, op.attributes.get("data", 0))) * _weights(op)


@rule("fully_connected")
def _fully_connected(op: Op) -> int:
    """Every row meets each weight once."""
    rows, rest = divmod(op.outputs[0].elements, _axis(op.outputs[0], -1))
    if rest:
        raise ValueError("rows")
    return rows * _weights(op)


@rule("batch_matmul")
def _matrix_product(op: Op) -> int:
    """`[..., M, K] x [..., K, N]`: every element of the result sums K products."""
    inner = _axis(_input(op, 0), -2 if op.attributes.get("transpose_a") else -1)
    return op.outputs[0].elements * inner


@rule("recurrent")
def _recurrent(op: Op) -> int:
    """LSTM, GRU and plain cells: every step of every sequence meets each matrix once."""
    data = _input(op, 0)
    return data.elements // _axis(data, -1) * _weights(op)


@rule("svdf")
def _svdf(op: Op) -> int:
    """Feature filters `[F, input]`, then time filters `[F, memory]`, for each row of the batch."""
    return _axis(_input(op, 0), 0) * _weights(op)


@rule("einsum")
def _einsum(op: Op) -> int:
    """Every combination of the two operands' indices is one product."""
    equation = str(op.attributes.get("equation", "")).replace(" ", "")
    terms = equation.split("->")[0].split(",")
    if len(terms) != 2 or "." in equation:
        raise ValueError(f"equation {equation!r}, expected two operands without ellipsis")
    sizes: dict[str, int] = {}
    for term, tensor in zip(terms, (_input(op, 0), _input(op, 1)), strict=True):
        shape = tensor.shape if tensor.known and tensor.shape else ()
        if len(term) != len(shape):
            raise ValueError(f"{term} against {list(shape)}")
        sizes.update(zip(term, shape, strict=True))
    product = 1
    for size in sizes.values():
        product *= size
    return product


@rule("rfft2d")
def _spectrum(op: Op) -> int:
    """A fast transform of N has N / 2 log2(N) complex products, of 4 each; half, of real rows.

    Rows `[..., H, N]` first, then the N / 2 + 1 columns that they became (Cooley and Tukey 1965).
    """
    height, bins = _axis(op.outputs[0], -2), _axis(op.outputs[0], -1)
    length = 2 * (bins - 1)
    each = height * length * _halvings(length) + bins * 2 * height * _halvings(height)
    return op.outputs[0].elements // (height * bins) * each


def _halvings(length: int) -> int:
    return (length - 1).bit_length()


# Elementwise, pooling, moving, comparing, (de)quantizing, sampling: explicitly no MAdds. Names are
# those of the TFLite builtins in lower case, then what ONNX and Keras call theirs.
ZERO = """
abs add add_n arg_max arg_min assign_variable atan2 average_pool_2d batch_to_space_nd bitcast
bitwise_xor broadcast_args broadcast_to bucketize call_once cast ceil complex_abs concatenation cos
cumsum densify depth_to_space dequantize dilate div dynamic_update_slice elu embedding_lookup equal
exp expand_dims fake_quant fill floor floor_div floor_mod gather gather_nd gelu greater
greater_equal hard_swish hashtable hashtable_find hashtable_import hashtable_size imag
l2_normalization l2_pool_2d leaky_relu less less_equal local_response_normalization log logical_and
logical_not logical_or logistic log_softmax matrix_diag matrix_set_diag maximum max_pool_2d mean
minimum mirror_pad mul multinomial neg non_max_suppression_v4 non_max_suppression_v5 not_equal
one_hot pack pad padv2 pow prelu quantize random_standard_normal random_uniform range rank
read_variable real reduce_all reduce_any reduce_max reduce_min reduce_prod reduce_window relu relu6
relu_0_to_1 relu_n1_to_1 reshape resize_bilinear resize_nearest_neighbor reverse_sequence reverse_v2
right_shift round rsqrt scatter_nd segment_sum select select_v2 shape sign sin slice softmax
space_to_batch_nd space_to_depth sparse_to_dense split split_v sqrt square squared_difference
squeeze strided_slice sub sum tanh tile topk_v2 transpose unique unpack unsorted_segment_max
unsorted_segment_min unsorted_segment_prod unsorted_segment_sum var_handle where zeros_like

acos acosh and asin asinh atan atanh average_pool batch_normalization bernoulli bit_shift
bitwise_and bitwise_not bitwise_or celu clip compress concat constant constant_of_shape cosh
cum_sum dequantize_linear dropout dynamic_quantize_linear erf expand eye_like flatten
gather_elements global_average_pool global_lp_pool global_max_pool group_normalization hard_sigmoid
hardmax identity instance_normalization is_inf is_nan layer_normalization less_or_equal
greater_or_equal lp_normalization lp_pool lrn max max_pool max_roi_pool mean_variance_normalization
min mish mod non_max_suppression non_zero not or pooling_index quantize_linear random_normal
random_normal_like random_uniform_like reciprocal reduce_l1 reduce_l2 reduce_log_sum
reduce_log_sum_exp reduce_mean reduce_sum reduce_sum_square reduce_variance resize
rms_normalization roi_align scatter scatter_elements selu shrink sigmoid sinh size softplus softsign
swish tan thresholded_relu top_k trilu unsqueeze upsample xor

activation pooling normalization padding cropping upsampling permute embedding noise rescaling
detection_postprocess
"""


@rule(*ZERO.split())
def _zero(op: Op) -> int:
    return 0


def _positions(op: Op, tensor: Tensor) -> int:
    """Return batch times spatial positions: the elements without the channels."""
    return tensor.elements // _axis(tensor, op.attributes.get("channel_axis", -1))


def _weights(op: Op) -> int:
    slots = [slot for slot in op.attributes.get("weights", (1,)) if slot < len(op.inputs)]
    found = [tensor for slot in slots if (tensor := op.inputs[slot]) is not None]
    if not found:
        raise ValueError("no weights")
    return sum(tensor.elements for tensor in found)


def _input(op: Op, slot: int) -> Tensor:
    tensor = op.inputs[slot]
    if tensor is None:
        raise ValueError(f"no input {slot}")
    return tensor


def _axis(tensor: Tensor, axis: int) -> int:
    """Return the size along `axis`, which must be there and known."""
    if tensor.shape is None or not tensor.known:
        tensor.elements  # noqa: B018  raises, and says what to do
    shape = tensor.shape or ()
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"{tensor.name} {list(shape)}")
    return shape[axis]
