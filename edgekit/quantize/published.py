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
from edgekit.profile.graph import Op, Tensor, read_graph

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
    interpreter = _interpreter(path)
    details = {d["index"]: d for d in interpreter.get_tensor_details()}
    for op in read_graph(path).ops:
        if op.kind not in KINDS:
            continue
        kernel = _arrange(op.kind, _real(interpreter, details, op, 1))
        outputs = kernel.shape[2] if op.kind == "depthwise_conv" else kernel.shape[-1]
        left_out = len(op.inputs) < 3 or op.inputs[2] is None  # the converter drops a bias of zeros
        bias = np.zeros(outputs, np.float32) if left_out else _real(interpreter, details, op, 2)
        yield Weights(op.kind, kernel, bias)


def read_input(path: Path) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return the mean and std that take pixels to what the first linear op of a .tflite works on.

    A uint8 input takes the pixels as they are, real = scale * (pixel - zero point). One that the
    file itself takes to a x + b takes pixels over 255. None where an input goes in as it is: the
    file does not say how pixels become its values.

    Raises:
        InputError: other arithmetic before the first linear op.
    """
    graph = read_graph(path)
    interpreter = _interpreter(path)
    (details,) = interpreter.get_input_details()
    scale, zero_point = details["quantization"]
    if details["dtype"] == np.uint8 and scale > 0:
        return (float(zero_point),), (1 / scale,)
    a, b, tensor = 1.0, 0.0, graph.inputs[0]
    for op in graph.ops:
        if op.kind in KINDS:
            break
        if tensor in op.inputs:
            a, b = _affine(interpreter, op, tensor, a, b)
            tensor = op.outputs[0]
    return None if (a, b) == (1.0, 0.0) else ((-255 * b / a,), (255 / a,))


def _affine(interpreter: Any, op: Op, tensor: Tensor, a: float, b: float) -> tuple[float, float]:
    """Return a and b of a x + b behind `op`, which reads `tensor` and one stored number."""
    if op.native == "QUANTIZE":
        return a, b
    others = [t for t in op.inputs if t is not None and t != tensor]
    ordered = op.native in ("MUL", "ADD") or op.inputs[0] == tensor
    stored = len(others) == 1 and others[0].constant and others[0].elements == 1
    if op.native not in ("MUL", "ADD", "SUB", "DIV") or not ordered or not stored:
        raise InputError(
            f"op {op.name} before the first convolution",
            got=op.native,
            expected="arithmetic with one stored number",
        )
    number = float(interpreter.get_tensor(others[0].index).item())
    match op.native:
        case "MUL":
            return a * number, b * number
        case "DIV":
            return a / number, b / number
    return a, b + (number if op.native == "ADD" else -number)


def _interpreter(path: Path) -> Any:
    return Interpreter(
        str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )


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
