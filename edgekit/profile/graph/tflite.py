"""Reads a .tflite file into the op list, without TensorFlow and without an interpreter."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.errors import InputError
from edgekit.profile.graph import Graph, Op, Shapes, Tensor, add_up, free_inputs
from edgekit.profile.graph.batch import DATA_DEPENDENT, leading_size
from edgekit.profile.graph.flatbuffer import DTYPES, Flatbuffer, checked, open_flatbuffer, text
from edgekit.profile.graph.kinds import (
    BASIC_LSTM,
    TFLITE_CUSTOM,
    TFLITE_DATA,
    TFLITE_KINDS,
    TFLITE_WEIGHTS,
)
from edgekit.profile.graph.layers import layer_of
from edgekit.profile.graph.resize import resized_shapes


def read_tflite(path: Path, shapes: Shapes) -> Graph:
    """Return the first subgraph of `path`, or what signatures enter in several, added up.

    Shapes are those stored in the file; where they are free, an interpreter in a child process
    works them out, for `shapes` or for batch 1.

    Raises:
        InputError: not a .tflite file, damaged, or a shape is free.
    """
    with open_flatbuffer(path) as file:
        reader = _Reader(file)
        indices, free = reader.free_inputs()
        resolved = free_inputs(str(path), free, shapes)
        graphs = tuple(reader.graphs({}))
        # Sizes that are computed from other sizes while running are beyond a reader.
        readable = (op for op in graphs[0].ops if not _opaque(op))
        if shapes or not all(t.known for op in readable for t in op.outputs):
            try:
                fixed = resized_shapes(path, {indices[n]: s for n, s in resolved.items()})
                graphs = (next(reader.graphs(fixed)), *graphs[1:])
            except InputError:
                if shapes:
                    raise
                # The sizes stay unknown; an op that must know them says so when it is counted.
        entered = reader.entered()
    bodies = tuple(g for number, g in enumerate(graphs) if number and number not in entered)
    entries = [graphs[0], *(graphs[number] for number in entered if number)]
    return replace(add_up(entries) if len(entries) > 1 else graphs[0], others=bodies)


def op_versions(path: str | Path) -> tuple[tuple[str, int], ...]:
    """Return the (builtin op, version) pairs that the file declares, sorted; no custom ops.

    Raises:
        InputError: not a .tflite file, or damaged.
    """
    with open_flatbuffer(Path(path)) as file:
        codes = {(name, version) for name, version, custom in file.codes() if not custom}
    return tuple(sorted(codes))


class _Reader:
    """Makes graphs of what the file says."""

    def __init__(self, file: Flatbuffer) -> None:
        self.file = file

    def free_inputs(self) -> tuple[dict[str, int], dict[str, tuple[int, ...] | None]]:
        """Return each input's tensor index and its shape, -1 where free, by name."""
        graph = self.file.model.Subgraphs(0)
        names = self.file.signature_inputs(0)
        indices: dict[str, int] = {}
        shapes: dict[str, tuple[int, ...] | None] = {}
        for index in self.file.vector(graph.InputsAsNumpy):
            tensor = graph.Tensors(checked(index, graph.TensorsLength()))
            name = names.get(index, text(tensor.Name()))
            indices[name], shapes[name] = index, self.file.free_shape(tensor)
        return indices, shapes

    def entered(self) -> list[int]:
        """Return the numbers of the subgraphs that a signature enters, each once."""
        count = self.file.model.SubgraphsLength()
        return sorted({checked(s.SubgraphIndex(), count) for s in self.file.signatures()})

    def graphs(self, fixed: dict[int, tuple[int, ...]]) -> Iterator[Graph]:
        """Yield the subgraphs; `fixed` replaces shapes of the first one, by tensor index."""
        self.file.start()
        codes = self.file.codes()
        parents = self.file.tables(self.file.model.SubgraphsLength(), self.file.model.Subgraphs)
        signatures = {s.SubgraphIndex(): text(s.SignatureKey()) for s in self.file.signatures()}
        for number, graph in enumerate(parents):
            name = signatures.get(number) or text(graph.Name()) or "main"
            yield self._graph(graph, name, codes, fixed if number == 0 else {}, number)

    def _graph(
        self,
        graph: Any,
        name: str,
        codes: list[tuple[str, int, str]],
        fixed: dict[int, tuple[int, ...]],
        number: int,
    ) -> Graph:
        tensors = [
            self._tensor(t, i, fixed.get(i))
            for i, t in enumerate(self.file.tables(graph.TensorsLength(), graph.Tensors))
        ]
        for index, given in self._names(number, tensors).items():
            tensors[index] = replace(tensors[index], name=given)
        entry = [checked(i, len(tensors)) for i in self.file.vector(graph.InputsAsNumpy)]
        for index in entry:
            tensors[index] = _with_batch(tensors[index], 1)
        ops = []
        for raw in self.file.tables(graph.OperatorsLength(), graph.Operators):
            op = self._op(raw, tensors, codes)
            for output in op.outputs:
                tensors[output.index] = self._made(op, output, graph)
            ops.append(replace(op, outputs=tuple(tensors[t.index] for t in op.outputs)))
        outputs = [checked(i, len(tensors)) for i in self.file.vector(graph.OutputsAsNumpy)]
        return Graph(
            name,
            "tflite",
            tuple(tensors[i] for i in entry),
            tuple(tensors[i] for i in outputs),
            tuple(ops),
        )

    def _names(self, number: int, tensors: list[Tensor]) -> dict[int, str]:
        """Return what people call the ends, by index: an output where its own name tells no layer.

        TensorFlow's converter calls every output StatefulPartitionedCall.
        """
        outputs = self.file.signature_outputs(number)
        inputs = self.file.signature_inputs(number)
        for index in (*inputs, *outputs):
            checked(index, len(tensors))
        unnamed = {i: name for i, name in outputs.items() if not layer_of(tensors[i].name, "")}
        return unnamed | inputs

    def _made(self, op: Op, output: Tensor, graph: Any) -> Tensor:
        """Return `output` with what the inputs tell of it: constant or not, and the batch."""
        if op.inputs and all(t is None or t.constant for t in op.inputs):
            # Float16 or sparse weights, unpacked while loading.
            return replace(output, constant=True)
        if _opaque(op):
            free = self.file.free_shape(graph.Tensors(output.index))
            return replace(output, shape=free or None)
        if not output.shape or output.shape[0] != -1:
            return output
        folds = op.kind in ("space_to_batch_nd", "batch_to_space_nd") and len(op.inputs) > 1
        block = self._integers(graph, op.inputs[1]) if folds else ()
        return _with_batch(output, leading_size(op, output, block))

    def _integers(self, graph: Any, tensor: Tensor | None) -> tuple[int, ...]:
        """Return the values of a stored int32 tensor."""
        if tensor is None or not tensor.constant or tensor.dtype != "int32":
            return ()
        data = self.file.model.Buffers(graph.Tensors(tensor.index).Buffer()).DataAsNumpy()
        return () if isinstance(data, int) else tuple(data.view("<i4").tolist())

    def _op(self, raw: Any, tensors: list[Tensor], codes: list[tuple[str, int, str]]) -> Op:
        builtin, version, custom = codes[checked(raw.OpcodeIndex(), len(codes))]
        inputs = tuple(
            None if i == -1 else tensors[checked(i, len(tensors))]
            for i in self.file.vector(raw.InputsAsNumpy)
        )
        outputs = tuple(
            tensors[checked(i, len(tensors))] for i in self.file.vector(raw.OutputsAsNumpy)
        )
        kind = TFLITE_KINDS.get(builtin, builtin.lower())
        if builtin == "CUSTOM":
            kind = TFLITE_CUSTOM.get(custom, f"custom:{custom}")
        weights = TFLITE_WEIGHTS.get(builtin, (1,))
        if builtin == "LSTM" and len(inputs) == 5:
            weights = BASIC_LSTM
        attributes: dict[str, Any] = {"version": version, "custom": custom}
        attributes |= {"weights": weights, "data": TFLITE_DATA.get(builtin, 0), "channel_axis": -1}
        if builtin == "BATCH_MATMUL":
            attributes["transpose_a"] = self.file.transposes_first(raw)
        layer = layer_of(outputs[0].name, kind) if outputs else ""
        return Op(kind, custom or builtin, inputs, outputs, layer, attributes)

    def _tensor(self, raw: Any, index: int, fixed: tuple[int, ...] | None) -> Tensor:
        name, dtype = text(raw.Name()), DTYPES[raw.Type()]
        shape = fixed if fixed is not None else self.file.free_shape(raw)
        stored_bytes = self.file.stored_bytes(raw, name)
        quantization = raw.Quantization()
        scales = 0 if quantization is None else int(quantization.ScaleLength())
        weight = dtype.startswith(("float", "bfloat")) or scales > 0
        stored = bool(stored_bytes)
        ratio = _ratio(quantization.ScaleAsNumpy()) if scales > 1 else None
        tensor = Tensor(index, name, shape, dtype, stored, stored and weight, scales, ratio)
        expected = tensor.size_bytes
        if stored_bytes and raw.Sparsity() is None and expected not in (None, stored_bytes):
            raise ValueError(f"tensor {name[:60]} holds {stored_bytes} bytes for {expected}")
        return tensor


def _ratio(scales: Any) -> float:
    """Return the largest over the smallest scale; infinite where one is no number above 0."""
    least = float(scales.min())
    return float(scales.max()) / least if least > 0 else math.inf


def _opaque(op: Op) -> bool:
    """Whether the sizes that the op yields depend on more than the sizes that it takes."""
    return op.kind in DATA_DEPENDENT or bool(op.attributes.get("custom"))


def _with_batch(tensor: Tensor, size: int) -> Tensor:
    """Return the tensor with a free leading size set."""
    if not tensor.shape or tensor.shape[0] != -1:
        return tensor
    return replace(tensor, shape=(size, *tensor.shape[1:]))
