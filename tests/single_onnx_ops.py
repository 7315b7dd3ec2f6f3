"""The integers of an .onnx one by one: what its ops answer there, and here to the same integers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from single_ops import Answer

from edgekit.device import Device
from edgekit.profile.timing.on_device import DeviceSession
from edgekit.runtime.onnxruntime import OnnxSession


def compare_integers(
    path: Path, inputs: Mapping[str, np.ndarray], device: Device, folder: Path
) -> list[Answer]:
    """Return how far each quantized tensor there is from what its ops make here, the first example.

    The whole file runs there; here an op gets the integers that it got there.
    """
    model = onnx.load(path)
    first = {name: values[:1] for name, values in inputs.items()}
    shown = [node.output[0] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    declared = [value.name for value in model.graph.output]
    _show(model, shown)
    onnx.save(model, folder / "shown.onnx")
    whole = DeviceSession(folder / "shown.onnx", device, runtime="onnxruntime")
    there = first | whole(first)
    return [_compared(model, name, there, folder / "op.onnx") for name in (*shown, *declared)]


def _show(model: onnx.ModelProto, names: list[str]) -> None:
    """Make quantized tensors outputs."""
    dtypes = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    made = {node.output[0]: node for node in model.graph.node}
    for name in names:
        dtype = dtypes[made[name].input[2]]  # of the zero point
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, dtype, None))


def _compared(
    model: onnx.ModelProto, target: str, there: Mapping[str, np.ndarray], place: Path
) -> Answer:
    nodes, read = _behind(model.graph, target, there)
    (made,) = (value for value in model.graph.output if value.name == target)
    given = [_info(name, there[name]) for name in read]
    constants = {name for node in nodes for name in node.input}
    alone = onnx.helper.make_graph(
        nodes, "op", given, [made],
        [tensor for tensor in model.graph.initializer if tensor.name in constants],
    )  # fmt: skip
    whole = onnx.helper.make_model(alone, opset_imports=model.opset_import)
    whole.ir_version = model.ir_version
    onnx.save(whole, place)
    answer = OnnxSession(place, threads=1, keep_tensors=False)({n: there[n] for n in read})[target]
    expected = np.asarray(answer).astype(np.float64)
    kinds = [n.op_type for n in nodes if n.op_type not in ("QuantizeLinear", "DequantizeLinear")]
    return Answer(
        "+".join(kinds), float(np.abs(there[target] - expected).max()),
        float(np.abs(expected).max()), np.asarray(answer).dtype.kind in "iu",
    )  # fmt: skip


def _info(name: str, values: np.ndarray) -> onnx.ValueInfoProto:
    dtype = onnx.helper.np_dtype_to_tensor_dtype(values.dtype)
    return onnx.helper.make_tensor_value_info(name, dtype, values.shape)


def _behind(
    graph: onnx.GraphProto, target: str, known: Mapping[str, np.ndarray]
) -> tuple[list[onnx.NodeProto], list[str]]:
    """Return the nodes that make `target` of known tensors, in order, and those tensors."""
    made = {name: place for place, node in enumerate(graph.node) for name in node.output}
    wanted, places, read = [target], set(), []
    while wanted:
        place = made.get(wanted.pop())
        if place is None or place in places:
            continue
        places.add(place)
        for name in graph.node[place].input:
            (read if name in known else wanted).append(name)
    return [graph.node[place] for place in sorted(places)], list(dict.fromkeys(read))
