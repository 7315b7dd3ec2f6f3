"""A stem that reads two pixels of a row as one: the same bytes and answers, fuller kernels.

8-bit kernels multiply a tap's channels by eights (XNNPACK on x86 and on most ARM cores), so that of
a picture's three channels every tap is filled up with five zeros. A convolution of stride 2 that
takes `[N, H, W, C]` as `[N, H, W/2, 2C]`, where RESHAPE moves nothing, has two taps along a row
instead of three and six channels a tap: 48 products with zeros for 72. TPUs lay stems out likewise,
along both axes (space to depth), which would move pixels here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from edgekit.errors import InputError
from edgekit.quantize.graph.tflite_file import add_tensor, code_of, kind_of, pack, store, unpack

_CHANNELS = 4  # at the most: two pixels of more fill eight without help

Array = npt.NDArray[Any]


def pair_stem(content: bytes) -> bytes:
    """Return an 8-bit .tflite whose first convolution of stride 2 takes pixels in pairs.

    Raises:
        InputError: no convolution can.
    """
    model = unpack(content)
    graph = model.subgraphs[0]
    for number, op in enumerate(graph.operators):
        if kind_of(model, op) == "CONV_2D" and _pairs(graph, op):
            graph.operators.insert(number, _reshape(model, graph, op))
            _pair_weights(model, graph, op)
            return pack(model)
    raise InputError(
        "--stem paired: no convolution to pair",
        expected=f"8 bits, stride 2, an even width, at most {_CHANNELS} channels and no padding "
        "before a row",
        do="leave it plain",
    )


def _pairs(graph: Any, op: Any) -> bool:
    """Whether an op's answers are those of two pixels at a time."""
    pixels, weights = (graph.tensors[i] for i in op.inputs[:2])
    width, channels = (int(size) for size in pixels.shape[2:])
    options, taps = op.builtinOptions, int(weights.shape[2])
    before = max(taps - 2, 0) // 2 if options.padding == schema.Padding.SAME else 0
    in_8_bits = {pixels.type, weights.type} == {schema.TensorType.INT8}
    strides = options.strideW, options.dilationWFactor
    alone = sum(op.inputs[1] in other.inputs for other in graph.operators) == 1
    fits = strides == (2, 1) and width % 2 == 0 and channels <= _CHANNELS and not before
    return in_8_bits and alone and fits


def _reshape(model: Any, graph: Any, op: Any) -> Any:
    """Return what makes `[N, H, W/2, 2C]` of the op's input, which it reads from now on."""
    place, *rest = op.inputs
    pixels = graph.tensors[place]
    shape = [int(size) for size in (pixels.shape if pixels.shapeSignature is None
                                    else pixels.shapeSignature)]  # fmt: skip
    batch, height, width, channels = shape
    wanted = np.array([batch, height, width // 2, 2 * channels], np.int32)
    open_batch = None if pixels.shapeSignature is None else wanted
    paired = add_tensor(graph, pixels, b"/paired", shape=np.abs(wanted), shapeSignature=open_batch)
    made = schema.OperatorT()
    made.opcodeIndex = code_of(model, "RESHAPE")
    made.inputs = np.array([place, _add_shape(model, graph, pixels.name, wanted)], np.int32)
    made.outputs = np.array([paired], np.int32)
    made.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
    made.builtinOptions = schema.ReshapeOptionsT()
    made.builtinOptions.newShape = wanted
    op.inputs = np.array([paired, *rest], np.int32)
    return made


def _add_shape(model: Any, graph: Any, name: bytes, wanted: Array) -> int:
    tensor = schema.TensorT()
    tensor.name, tensor.shape = name + b"/shape", np.array([len(wanted)], np.int32)
    tensor.type, tensor.buffer = schema.TensorType.INT32, store(model, wanted)
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _pair_weights(model: Any, graph: Any, op: Any) -> None:
    """Lay `[O, KH, KW, C]` out as `[O, KH, KW/2, 2C]`; what an odd number of taps lacks is zero."""
    weights = graph.tensors[op.inputs[1]]
    filters, high, wide, channels = (int(size) for size in weights.shape)
    taps = -(-wide // 2)
    held = np.frombuffer(bytes(model.buffers[weights.buffer].data), np.int8)
    if sum(tensor.buffer == weights.buffer for tensor in graph.tensors) == 1:
        model.buffers[weights.buffer].data = None
    rows = np.zeros((filters, high, taps * 2 * channels), np.int8)
    rows[..., : wide * channels] = held.reshape(filters, high, wide * channels)
    weights.buffer = store(model, rows)
    weights.shape = np.array([filters, high, taps, 2 * channels], np.int32)
    op.builtinOptions.strideW = 1
