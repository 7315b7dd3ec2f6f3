"""Parts of a .tflite as files of their own, and how two op lists differ: what explains a ratio."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgekit.profile.graph import Graph, Op, read_graph


def cut(path: Path, places: Iterable[int], target: Path, subgraph: int = 0) -> Path:
    """Write the ops of `path` at these places alone and return the new file.

    What they read from other ops becomes an input, what no op among them reads an output; tensors
    keep their numbers.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    graph = model.subgraphs[subgraph]
    ops = [graph.operators[place] for place in places]
    made = [int(i) for op in ops for i in op.outputs]
    read = [int(i) for op in ops for i in op.inputs if i >= 0]
    free = (i for i in read if model.buffers[graph.tensors[i].buffer].data is None)
    model.subgraphs, graph.operators = [graph], ops
    graph.inputs = np.array(list(dict.fromkeys(i for i in free if i not in made)), np.int32)
    graph.outputs = np.array([i for i in made if i not in read], np.int32)
    kept = {graph.tensors[i].buffer for i in read}
    for number, buffer in enumerate(model.buffers):
        buffer.data = buffer.data if number in kept else None
    model.signatureDefs = model.metadata = None
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    target.write_bytes(builder.Output())
    return target


def thirds(path: Path, folder: Path) -> dict[str, Path]:
    """Write a classifier's parts: up to its first convolution, up to its pooling, and the rest."""
    kinds = [op.kind for op in read_graph(path).ops]
    marks = [0, kinds.index("conv") + 1, kinds.index("mean"), len(kinds)]
    return {
        part: cut(path, range(first, last), folder / f"{path.stem}.{part}.tflite")
        for part, (first, last) in zip(("stem", "body", "classifier"), pairwise(marks), strict=True)
    }


def more_ops(graph: Graph, other: Graph) -> str:
    """Return the ops that `graph` has and `other` has not, as "QUANTIZE x2, RESHAPE"."""
    extra = Counter(op.native for op in graph.ops) - Counter(op.native for op in other.ops)
    return ", ".join(f"{name} x{n}" if n > 1 else name for name, n in extra.items()) or "none"


def differing_ops(graph: Graph, other: Graph) -> int:
    """Return at how many places the two differ in kind, shapes or dtypes."""
    places = max(len(graph.ops), len(other.ops))
    same = sum(_form(a) == _form(b) for a, b in zip(graph.ops, other.ops, strict=False))
    return places - same


def _form(op: Op) -> tuple[object, ...]:
    tensors = (*op.inputs, *op.outputs)
    return op.kind, *((t.shape, t.dtype) if t else None for t in tensors)
