"""A float .tflite that can be changed: its weights, and what it says of each activation's range.

Everything that makes quantization better happens here, before the ordinary quantizer, so that the
files stay standard and any source will do: batch norms are folded already, and an op is an op.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from edgekit.errors import InputError
from edgekit.profile.graph.layers import layer_of
from edgekit.quantize.graph.tflite_file import kind_of, pack, unpack

Array = npt.NDArray[np.float32]
Range = tuple[float, float]

LINEAR = {  # and what `layer_of` calls them
    "CONV_2D": "conv",
    "DEPTHWISE_CONV_2D": "depthwise_conv",
    "FULLY_CONNECTED": "fully_connected",
}
ACTIVATIONS = {0: "none", 1: "relu", 3: "relu6"}  # that may be fused into an op, by their code
_PADDING = {0: "SAME", 1: "VALID"}


@dataclass(frozen=True, eq=False)
class FloatOp:
    """One op; tensors are indices."""

    kind: str  # TFLite's name
    inputs: tuple[int, ...]  # -1 where one is left out
    outputs: tuple[int, ...]
    activation: str  # fused behind it: none, relu, relu6 or other
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    padding: str = "VALID"

    @property
    def linear(self) -> bool:
        """Whether it multiplies its input with weights and adds a bias."""
        return self.kind in LINEAR


class FloatGraph:
    """The only subgraph of a float .tflite, with a bias of its own for each linear op."""

    def __init__(self, content: bytes) -> None:
        """Read `content`.

        Raises:
            InputError: it has several subgraphs (control flow, or several signatures), or an op
                that keeps a state.
        """
        self.model = unpack(content)  # as the schema has it, and its only subgraph
        if len(self.model.subgraphs) != 1:
            raise InputError(
                "post-training quantization", got=f"{len(self.model.subgraphs)} subgraphs",
                expected="one", do="take --ptq none",
            )  # fmt: skip
        self.subgraph = self.model.subgraphs[0]
        for op in self.subgraph.operators:
            if any(i >= 0 and self.subgraph.tensors[i].isVariable for i in op.inputs):
                raise InputError(
                    "post-training quantization", do="take --ptq none",
                    got=f"{kind_of(self.model, op)}, which keeps a state",
                )  # fmt: skip
        self.inputs: tuple[int, ...] = tuple(int(i) for i in self.subgraph.inputs)
        self.outputs: tuple[int, ...] = tuple(int(i) for i in self.subgraph.outputs)
        uses = Counter(int(t) for op in self.subgraph.operators for t in op.inputs)
        for op in self.subgraph.operators:
            if kind_of(self.model, op) in LINEAR:
                self._own_bias(op, uses)
        self.ops = tuple(self._described(op) for op in self.subgraph.operators)
        uses = Counter(t for op in self.ops for t in op.inputs)
        self.shared = {t for t, count in uses.items() if count > 1}

    @property
    def named_inputs(self) -> dict[str, int]:
        """The inputs by the name that the signature gives them, else by the tensor's."""
        signatures = self.model.signatureDefs or []
        if signatures:
            return {e.name.decode(): int(e.tensorIndex) for e in signatures[0].inputs}
        return {self.name(tensor): tensor for tensor in self.inputs}

    @cached_property
    def _named_outputs(self) -> dict[int, str]:
        entries = (e for s in self.model.signatureDefs or [] for e in s.outputs)
        return {int(entry.tensorIndex): entry.name.decode() for entry in entries}

    def name(self, tensor: int) -> str:
        """Return what the file calls a tensor."""
        return str(self.subgraph.tensors[tensor].name.decode("utf-8", "replace"))

    def layer(self, op: FloatOp) -> str:
        """Return the source's layer that an op came from, or "" where its name tells none.

        What makes an output is else called as the signature calls that.
        """
        told = layer_of(self.name(op.outputs[0]), LINEAR.get(op.kind, ""))
        return told or self._named_outputs.get(op.outputs[0], "")

    def names_of(self, tensors: Iterable[int]) -> frozenset[str]:
        """Return what the file calls several tensors."""
        return frozenset(map(self.name, tensors))

    def is_float(self, tensor: int) -> bool:
        """Whether it holds float32: one number at least, as a bias cut in parts may not."""
        told = self.subgraph.tensors[tensor]
        empty = told.shape is not None and 0 in told.shape
        return bool(told.type == schema.TensorType.FLOAT32 and not empty)

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Return a tensor's shape at batch 1."""
        return tuple(int(size) for size in self.subgraph.tensors[tensor].shape)

    def constant(self, tensor: int) -> Array | None:
        """Return a copy of a stored float tensor; None where it is computed or no float."""
        if tensor < 0 or not self.is_float(tensor):
            return None
        found = self.subgraph.tensors[tensor]
        data = self.model.buffers[found.buffer].data
        if data is None or not len(data):
            return None
        return np.frombuffer(bytes(data), np.float32).reshape(found.shape).copy()

    def integers(self, tensor: int) -> tuple[int, ...]:
        """Return the values of a stored int32 tensor; none where it is computed."""
        found = self.subgraph.tensors[tensor]
        data = self.model.buffers[found.buffer].data
        if found.type != schema.TensorType.INT32 or data is None:
            return ()
        return tuple(np.frombuffer(bytes(data), np.int32).tolist())

    def weights(self, op: FloatOp) -> Array:
        """Return a linear op's weights, output channels first (depthwise: last).

        Raises:
            InputError: they are computed.
        """
        return self._stored(op, 1, "weights")

    def bias(self, op: FloatOp) -> Array:
        """Return a linear op's bias `[channels]`.

        Raises:
            InputError: it is computed.
        """
        return self._stored(op, 2, "bias")

    def _stored(self, op: FloatOp, slot: int, what: str) -> Array:
        found = self.constant(op.inputs[slot])
        if found is None:
            raise InputError(
                f"op {self.name(op.outputs[0])}: {what}", got="computed", expected="stored"
            )
        return found

    def set_constant(self, tensor: int, values: npt.NDArray[Any]) -> None:
        """Store `values` in a buffer of its own; the tensor takes their shape."""
        buffer = schema.BufferT()
        raw = np.ascontiguousarray(values, np.float32).tobytes()
        buffer.data = np.frombuffer(raw, np.uint8)
        self.model.buffers.append(buffer)
        self.subgraph.tensors[tensor].buffer = len(self.model.buffers) - 1
        self.subgraph.tensors[tensor].shape = np.array(values.shape, np.int32)

    def set_channels(self, tensor: int, count: int) -> None:
        """Give an activation another number of channels."""
        found = self.subgraph.tensors[tensor]
        for name in ("shape", "shapeSignature"):
            shape = getattr(found, name)
            if shape is not None and len(shape):
                setattr(found, name, np.array([*shape[:-1], count], np.int32))

    def drop_activation(self, number: int) -> None:
        """Leave out what is fused into the op of that number."""
        self.subgraph.operators[number].builtinOptions.fusedActivationFunction = 0

    def changeable(self, op: FloatOp) -> bool:
        """Whether it is a linear op whose weights and bias are stored, and no other op's."""
        return op.linear and all(
            self.constant(tensor) is not None and tensor not in self.shared
            for tensor in op.inputs[1:3]
        )

    def consumers(self, tensor: int) -> Iterator[FloatOp]:
        """Yield the ops that read a tensor."""
        return (op for op in self.ops if tensor in op.inputs)

    def activations(self) -> list[int]:
        """Return the float tensors that are fed or computed, in order."""
        made = [t for op in self.ops for t in op.outputs]
        return [t for t in (*self.inputs, *made) if self.is_float(t)]

    def pack(self, ranges: Mapping[int, Range] | None = None) -> bytes:
        """Return the file, with the range of each activation where given."""
        for index, tensor in enumerate(self.subgraph.tensors):
            tensor.quantization = None
            if ranges and index in ranges:
                tensor.quantization = schema.QuantizationParametersT()
                tensor.quantization.min, tensor.quantization.max = (
                    [float(end)] for end in ranges[index]
                )
        return pack(self.model)

    def copy(self) -> FloatGraph:
        """Return a graph that can be changed without this one."""
        return FloatGraph(self.pack())

    def merged(
        self, pair: tuple[int, int], weights: npt.NDArray[Any], bias: npt.NDArray[Any]
    ) -> FloatGraph:
        """Return a copy in which the first of two ops, with these weights, stands for both.

        Args:
            pair: numbers of linear ops, of which the second alone reads the first.
            weights: of the first's shape, but for the output channels.
            bias: `[channels]`.
        """
        other = self.copy()
        first, second = (other.subgraph.operators[number] for number in pair)
        other.set_constant(int(first.inputs[1]), weights)
        other.set_constant(int(first.inputs[2]), bias)
        first.outputs = second.outputs
        fused = second.builtinOptions.fusedActivationFunction
        first.builtinOptions.fusedActivationFunction = fused
        other.subgraph.operators.remove(second)
        return FloatGraph(other.pack())

    def stores(self, tensor: int) -> bool:
        """Whether the file holds a tensor's values, of whatever type."""
        data = self.model.buffers[self.subgraph.tensors[tensor].buffer].data
        return data is not None and len(data) > 0

    def _described(self, op: Any) -> FloatOp:
        options = op.builtinOptions

        def option(name: str, default: int) -> int:
            return int(getattr(options, name, default))

        return FloatOp(
            kind_of(self.model, op),
            tuple(int(t) for t in op.inputs),
            tuple(int(t) for t in op.outputs),
            ACTIVATIONS.get(option("fusedActivationFunction", 0), "other"),
            (option("strideH", 1), option("strideW", 1)),
            (option("dilationHFactor", 1), option("dilationWFactor", 1)),
            _PADDING[option("padding", 1)],
        )

    def _own_bias(self, op: Any, uses: Counter[int]) -> None:
        """Give a linear op a bias tensor that no other op reads: zeros where it had none.

        One that is computed stays as it is.
        """
        given = int(op.inputs[2]) if len(op.inputs) > 2 else -1
        values = self.constant(given)
        if given >= 0 and (uses[given] == 1 or values is None):
            return
        channels = self.subgraph.tensors[op.outputs[0]].shape[-1]
        bias = schema.TensorT()
        bias.name = self.subgraph.tensors[op.outputs[0]].name + b"/bias"
        bias.shape, bias.type = np.array([channels], np.int32), schema.TensorType.FLOAT32
        self.subgraph.tensors.append(bias)
        index = len(self.subgraph.tensors) - 1
        self.set_constant(index, np.zeros(channels) if values is None else values)
        op.inputs = [*op.inputs[:2], index]
