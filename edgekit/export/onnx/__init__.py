"""ONNX files: float by tf2onnx, QDQ int8 by ONNX Runtime or from the integer .tflite."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import tf2onnx
from ai_edge_litert.interpreter import Interpreter
from onnxruntime import quantization as ort_quantization
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from edgekit.errors import InputError
from edgekit.export.failures import one_line_failures, told_omissions
from edgekit.export.onnx.float_ops import drop_roundings, float_ops
from edgekit.export.onnx.folding import fold
from edgekit.export.onnx.graph import drop_unused, nodes_of
from edgekit.export.onnx.held import RECURRENT, hold_as_integers, hold_weights
from edgekit.export.onnx.integers import drop_saturated_clips, make_activations_unsigned
from edgekit.export.onnx.operators import HANDLERS
from edgekit.export.onnx.padding import fold_padding
from edgekit.export.onnx.rows import with_rows
from edgekit.export.tflite import Samples
from edgekit.export.tracing.lowering import Lowered
from edgekit.quantize.scheme import Scheme
from edgekit.signature import TensorSpec

OPSET = 17
SCHEMES = ("f32", "f16", "w8", "w8a8", "qat-w8a8")


def convert(
    network: Lowered, scheme: Scheme, *, samples: Samples | None = None, tflite: bytes | None = None
) -> bytes:
    """Return `network` as ONNX with inputs channels first.

    Args:
        network: the lowered network.
        scheme: f32; f16 and w8, which hold weights in fewer bits and compute in float; w8a8
            (calibrated, activations uint8 and weights int8 per channel, which is the fastest pair
            of ONNX Runtime on x86) or qat-w8a8.
        samples: yields calibration examples by input name, channels last.
        tflite: the integer .tflite of the same network, which holds learned ranges, or weights that
            post-training techniques prepared: the file is translated from it.

    Raises:
        InputError: another scheme, what it needs is missing, or the network has an op that ONNX
            lacks; the line names it.
    """
    with one_line_failures(f"{scheme.name} as ONNX"), told_omissions():
        if scheme.activation_bits is None:
            model = _float(network)
            hold_weights(model.graph, scheme.weight_bits)
            return bytes(model.SerializeToString())
        if scheme.name in ("w8a8", "qat-w8a8") and tflite is not None:
            return _translated(tflite, network)
        if scheme.name == "w8a8" and samples is not None:
            return _quantized(_float(network), network, samples)
    if scheme.name in SCHEMES:
        raise InputError(f"scheme {scheme.name}: no calibration data", do="give --calibrate DATA")
    raise InputError(
        f"scheme {scheme.name}: not made as ONNX", expected="one of " + ", ".join(SCHEMES)
    )


def join(network: bytes, tail: bytes) -> bytes:
    """Return an .onnx that answers what `tail` makes of `network`'s answers, paired by name."""
    first, second = onnx.load_from_string(network), onnx.load_from_string(tail)
    names = [value.name for value in second.graph.input]
    second = onnx.compose.add_prefix(second, "tail/", rename_inputs=True, rename_outputs=False)
    first.ir_version = second.ir_version = max(first.ir_version, second.ir_version)
    model = onnx.compose.merge_models(first, second, [(n, f"tail/{n}") for n in names])
    return bytes(model.SerializeToString())


def channels_first(spec: TensorSpec) -> bool:
    """Whether this tensor of the source is transposed in the ONNX file."""
    return spec.layout == "NHWC"


def _float(network: Lowered) -> Any:
    """Return the network in float; it is kept beside the lowered one for the next scheme."""
    kept = network.folder.with_suffix(".onnx")
    if not kept.exists():
        traced = network.function if network.whole is None else network.whole()
        onnx.save(_translate(replace(network, function=traced)), kept)
    return onnx.load(kept)


def _translate(network: Lowered) -> Any:
    """Return the network in float as tf2onnx writes it.

    tf2onnx takes a constant that Keras computed beforehand for one more input, and does not look
    into a function that XLA is to compile, as a grouped convolution of Keras 3: the network goes to
    it as a graph without either.
    """
    inputs, answer = network.signature.inputs, network.function.structured_outputs
    frozen = convert_variables_to_constants_v2(
        network.function, lower_control_flow=False, aggressive_inlining=True
    )
    names = {t.name: t.name.partition(":")[0] for t in frozen.inputs}
    model, _ = tf2onnx.convert.from_graph_def(
        _without_xla(frozen.graph.as_graph_def(add_shapes=True)),
        input_names=list(names),
        output_names=[t.name for t in frozen.outputs],
        tensors_to_rename={
            **names, **dict(zip((t.name for t in frozen.outputs), sorted(answer), strict=True))
        },
        opset=OPSET,
        inputs_as_nchw=[s.name for s in inputs if channels_first(s)],
        custom_op_handlers=HANDLERS,
    )  # fmt: skip
    _check_ops(model.graph)
    _order_outputs(model.graph, [spec.name for spec in network.signature.outputs])
    return fold(model)


def _without_xla(graph: Any) -> Any:
    """Let the functions of a graph be looked into, whoever was to compile them."""
    for function in graph.library.function:
        for mark in ("_XlaMustCompile", "_noinline"):
            function.attr.pop(mark, None)
        for node in function.node_def:
            node.attr.pop("_XlaMustCompile", None)
    for node in graph.node:
        node.attr.pop("_XlaMustCompile", None)
    return graph


def _check_ops(graph: Any) -> None:
    """Refuse what tf2onnx passed through because ONNX has no such op."""
    unknown = {node.op_type for node in nodes_of(graph) if not onnx.defs.has(node.op_type)}
    if unknown:
        raise InputError(
            "ONNX has no such op",
            got=", ".join(sorted(unknown)),
            do="compute it outside of the network or write it with other ops",
        )


def _quantized(model: Any, network: Lowered, samples: Samples) -> bytes:
    for node in model.graph.node:
        node.name = node.output[0]  # not all have one, and they are told apart by it
    floats = float_ops(model)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)
        ort_quantization.quantize_static(
            str(source),
            str(target),
            _Reader(network, samples),
            quant_format=ort_quantization.QuantFormat.QDQ,
            activation_type=ort_quantization.QuantType.QUInt8,
            weight_type=ort_quantization.QuantType.QInt8,
            per_channel=True,
            nodes_to_exclude=floats,
        )
        quantized = onnx.load(target)
    layers = [node for node in quantized.graph.node if node.op_type in RECURRENT]
    for name in {name: None for node in layers for name in node.input[1:3]}:
        hold_as_integers(quantized.graph, name, axis=1)  # ONNX has no such layer in integers
    drop_roundings(quantized.graph, floats)
    return bytes(quantized.SerializeToString())


def _translated(tflite: bytes, network: Lowered) -> bytes:
    """Translate an integer .tflite with one float input and one float output a signature name."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "int8.tflite"
        source.write_bytes(with_rows(tflite))
        runner = Interpreter(str(source)).get_signature_runner()
        inputs = {d["name"]: name for name, d in runner.get_input_details().items()}
        outputs = {d["name"]: name for name, d in runner.get_output_details().items()}
        pictures = {s.name for s in network.signature.inputs if channels_first(s)}
        model, _ = tf2onnx.convert.from_tflite(
            str(source),
            opset=OPSET,
            inputs_as_nchw=[tensor for tensor, name in inputs.items() if name in pictures],
            custom_op_handlers=HANDLERS,
        )
    _check_ops(model.graph)
    _rename(model.graph, {**inputs, **outputs})
    _order_outputs(model.graph, [spec.name for spec in network.signature.outputs])
    fold_padding(model.graph)
    drop_saturated_clips(model.graph)
    make_activations_unsigned(model.graph)
    drop_unused(model.graph)
    _unshare(model.graph)
    return bytes(model.SerializeToString())


def _order_outputs(graph: Any, names: list[str]) -> None:
    """Put the outputs in the source's order, as .tflite files have them."""
    by_name = {value.name: value for value in graph.output}
    ordered = [by_name[name] for name in names]
    del graph.output[:]
    graph.output.extend(ordered)


def _rename(graph: Any, names: dict[str, str]) -> None:
    """Give the graph's inputs and outputs the signature's names in place of the tensors'."""
    for value in (*graph.input, *graph.output):
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        for ends in (node.input, node.output):
            ends[:] = [names.get(end, end) for end in ends]


def _unshare(graph: Any) -> None:
    """Give each weight a zero point of its own.

    ONNX Runtime, asked for exact sums of 8 bits, turns weights and zero points into unsigned ones,
    and refuses the file where one is to be turned twice.
    """
    constants = {constant.name: constant for constant in graph.initializer}
    taken: set[str] = set()
    for node in graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in constants:
            continue
        for place, name in enumerate(node.input):
            if name in taken:
                copy = graph.initializer.add()
                copy.CopyFrom(constants[name])
                node.input[place] = copy.name = f"{node.output[0]}/{place}"
            taken.add(name)


class _Reader(ort_quantization.CalibrationDataReader):  # type: ignore[misc]
    """Hands calibration examples to ONNX Runtime one by one, channels first."""

    def __init__(self, network: Lowered, samples: Samples) -> None:
        self.channels_first = {s.name for s in network.signature.inputs if channels_first(s)}
        self.samples: Iterator[dict[str, Any]] = samples()

    def get_next(self) -> dict[str, Any] | None:
        sample = next(self.samples, None)
        if sample is None:
            return None
        return {
            name: value.transpose(0, 3, 1, 2) if name in self.channels_first else value
            for name, value in sample.items()
        }
