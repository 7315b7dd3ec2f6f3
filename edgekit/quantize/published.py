"""Float weights out of a published .tflite, op by op, whatever its quantization."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edgekit.errors import InputError
from edgekit.profile.graph import Op, read_graph

KINDS = ("conv", "depthwise_conv", "fully_connected")


@dataclass(frozen=True)
class Weights:
    """One linear op's float weights in Keras' layout."""

    kind: str  # one of KINDS
    kernel: npt.NDArray[np.float32]  # [H, W, in, out]; depthwise [H, W, C, 1]; dense [in, out]
    bias: npt.NDArray[np.float32]  # [out]


def read_weights(path: Path) -> Iterator[Weights]:
    """Yield the weights of a .tflite's linear ops in the order of execution.

    Integers become real = scale * (raw - zero point), per channel where the file has it so.

    Raises:
        InputError: not a model, or a weight that is computed and not stored.
    """
    interpreter = Interpreter(
        str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    details = {d["index"]: d for d in interpreter.get_tensor_details()}
    for op in read_graph(path).ops:
        if op.kind not in KINDS:
            continue
        kernel = _arrange(op.kind, _real(interpreter, details, op, 1))
        outputs = kernel.shape[2] if op.kind == "depthwise_conv" else kernel.shape[-1]
        left_out = len(op.inputs) < 3 or op.inputs[2] is None  # the converter drops a bias of zeros
        bias = np.zeros(outputs, np.float32) if left_out else _real(interpreter, details, op, 2)
        yield Weights(op.kind, kernel, bias)


def _real(interpreter: Any, details: dict[int, Any], op: Op, slot: int) -> npt.NDArray[np.float32]:
    tensor = op.inputs[slot]
    if tensor is None or not tensor.constant:
        raise InputError(f"op {op.name}: input {slot}", got="computed", expected="a stored weight")
    raw = interpreter.get_tensor(tensor.index)
    if raw.dtype.kind == "f":
        real: npt.NDArray[np.float32] = raw.astype(np.float32)
        return real
    quantization = details[tensor.index]["quantization_parameters"]
    shape = [1] * raw.ndim
    if len(quantization["scales"]) > 1:
        shape[quantization["quantized_dimension"]] = -1
    scale = quantization["scales"].astype(np.float64).reshape(shape)
    zero_point = quantization["zero_points"].astype(np.float64).reshape(shape)
    scaled: npt.NDArray[np.float32] = (scale * (raw - zero_point)).astype(np.float32)
    return scaled


def _arrange(kind: str, kernel: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return Keras' layout of [out, H, W, in], depthwise [1, H, W, C] or dense [out, in]."""
    return kernel.T if kind == "fully_connected" else kernel.transpose(1, 2, 3, 0)
