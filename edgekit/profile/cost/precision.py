"""What was really quantized: the types that each op reads, multiplies with and writes.

In ONNX the integers stand between QuantizeLinear and DequantizeLinear, and what lies between is
written in float: an op counts as integer there if all that it reads was integer, what it writes
becomes integer at once, and ONNX Runtime has a kernel for that. In .tflite the types are as stored:
an op between DEQUANTIZE and QUANTIZE computes in float.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.profile.graph import Graph, Op, Tensor

_TO_INTEGER = ("quantize", "quantize_linear")
_TO_FLOAT = ("dequantize", "dequantize_linear")
_MADE = ("cast", "mul")  # of stored values, while a file is loaded
_INTEGERS = ("int4", "int8", "uint8", "int16")
_SETTINGS = {"", "int32", "int64", "bool"}  # types of indices and shapes: no activations
_HELD = (*_INTEGERS, "float16", "float32")  # what weights are held as; int32 are no weights
_SIZES = ("shape", "size")  # of tensors: nothing is computed with values
_TOLD = 8  # places in float that one line names
_FUSED = ("relu", "relu6", "clip", "activation")  # into the op before
# What ONNX Runtime's CPU provider joins with the conversions around it: of any integers what only
# moves them, of 8 bits the rest. All else, as a sum's difference or a padding, it leaves in float.
_MOVES = {
    "reshape", "flatten", "transpose", "squeeze", "unsqueeze", "slice", "gather", "gather_elements",
    "expand", "tile", "split", "identity", "max_pool", "reduce_max", "reduce_min", "depth_to_space",
}  # fmt: skip
_JOINED = _MOVES | {
    "conv", "depthwise_conv", "batch_matmul", "fully_connected", "add", "mul", "concat", "softmax",
    "average_pool", "global_average_pool", "leaky_relu", "sigmoid", "where", "arg_max", "resize",
}  # fmt: skip
_ANSWERING = {"batch_matmul", "fully_connected"}  # also where the answer stays float


@dataclass(frozen=True)
class Precision:
    """One op."""

    number: int  # in the order of execution
    name: str
    layer: str
    kind: str
    weights: str  # type as stored, "" where it has none
    reads: str  # type of the activations
    writes: str
    computes: str  # "integer", "float", "dynamic" (float that it rounds itself) or "other"


def precisions(graph: Graph) -> list[Precision]:
    """Return every op but those that only convert between types, or make weights real."""
    makers = {t.index: op for op in graph.ops for t in op.outputs}
    readers: dict[int, list[Op]] = {}
    for op in graph.ops:
        for tensor in op.inputs:
            if tensor is not None:
                readers.setdefault(tensor.index, []).append(op)
    return [
        _precision(number, op, makers, readers, joins=graph.format == "onnx")
        for number, op in enumerate(graph.ops)
        if op.kind not in (*_TO_INTEGER, *_TO_FLOAT, "cast") and not _is_stored(op)
    ]


def islands(graph: Graph) -> list[list[Precision]]:
    """Return the connected groups of float ops in a file that also has integer ones, in order."""
    ops = precisions(graph)
    if not any(op.computes == "integer" for op in ops):
        return []
    groups: dict[int, int] = {}  # by number of the op
    owners: dict[int, int] = {}  # by tensor
    members: dict[int, list[Precision]] = {}
    for found in ops:
        if found.computes != "float":
            continue
        op = graph.ops[found.number]
        near = {groups[owners[t.index]] for t in op.inputs if t and t.index in owners}
        mine = min(near, default=found.number)
        for other in near - {mine}:
            members[mine] += members.pop(other)
        members.setdefault(mine, []).append(found)
        groups |= {member.number: mine for member in members[mine]}
        owners |= {t.index: found.number for t in op.outputs}
    return [sorted(group, key=lambda op: op.number) for _, group in sorted(members.items())]


def by_type(graph: Graph) -> list[tuple[str, int]]:
    """Return how many ops compute in each way, the most first."""
    return Counter(op.computes for op in precisions(graph)).most_common()


def coarsest(graph: Graph) -> str:
    """Return the scheme whose tolerance fits what is rounded most: "w8a8", "f16" or "f32"."""
    ops = precisions(graph)
    types = {part for op in ops for told in (op.weights, op.reads, op.writes)
             for part in told.split("/")}  # fmt: skip
    if any(op.computes in ("integer", "dynamic") or op.weights in _INTEGERS for op in ops):
        return "w8a8"
    return "f16" if "float16" in types else "f32"


def types_text(graph: Graph) -> str:
    """Return one line: how many ops compute in what, from which weights, and the islands."""
    counts = by_type(graph)
    total = sum(count for _, count in counts)
    text = ", ".join(f"{count} of {total} ops {kind}" for kind, count in counts)
    held = Counter(op.weights for op in precisions(graph)
                   if op.computes == "float" and {*op.weights.split("/")} <= {*_HELD})  # fmt: skip
    if {*held} - {"float32"}:
        text += "; weights in float ops held as " + ", ".join(
            f"{dtype} in {count}" for dtype, count in held.most_common()
        )
    places = Counter(_span(group) for group in islands(graph))
    told = [place if count == 1 else f"{place} ({count} times)" for place, count in places.items()]
    if len(told) > _TOLD:
        told[_TOLD - 1 :] = [f"and {len(told) - _TOLD + 1} other places"]
    return text + (f"; in float: {'; '.join(told)}" if told else "")


def _span(group: list[Precision]) -> str:
    first, last = (op.layer or op.name for op in (group[0], group[-1]))
    place = first if first == last else f"{first} to {last}"
    return place if len(group) == 1 else f"{place} ({len(group)} ops)"


def _precision(
    number: int,
    op: Op,
    makers: Mapping[int, Op],
    readers: Mapping[int, list[Op]],
    joins: bool,  # whether the conversions around an op may be joined with it
) -> Precision:
    slots = op.attributes.get("weights", ())
    weighing = [t for i, t in enumerate(op.inputs) if t and i in slots and _stored(t, makers)]
    data = [t for t in op.inputs if t and not _stored(t, makers)]
    weights = "/".join(dict.fromkeys(_before(t, makers) for t in weighing))
    before = [_before(t, makers) for t in data]
    after = [_after(t, readers) for t in op.outputs]
    answering = joins and op.kind in _ANSWERING
    if not (joins and _joined(op, {*before, *([] if answering else after)} - _SETTINGS)):
        before, after = [t.dtype for t in data], [t.dtype for t in op.outputs]
        answering = False
    reads, writes = "/".join(dict.fromkeys(before)), "/".join(dict.fromkeys(after))
    return Precision(
        number,
        op.name,
        op.layer,
        op.kind,
        weights,
        reads,
        writes,
        _computes(op.kind, {t.dtype for t in weighing}, reads, "" if answering else writes),
    )


def _computes(kind: str, weights: set[str], reads: str, writes: str) -> str:
    if kind in _SIZES:
        return "other"
    activations = {*reads.split("/"), *writes.split("/")} - _SETTINGS
    if activations and activations <= set(_INTEGERS):
        return "integer"
    if activations and not activations & set(_INTEGERS):
        return "dynamic" if weights & set(_INTEGERS) else "float"  # made real while loading: float
    return "float" if activations else "other"


def _joined(op: Op, types: set[str]) -> bool:
    """Whether ONNX Runtime computes in integers what lies between conversions of these types."""
    if op.kind == "resize" and op.attributes.get("mode", b"nearest") != b"nearest":
        return False
    return op.kind in (_JOINED if types <= {"int8", "uint8"} else _MOVES)


def _is_stored(op: Op) -> bool:
    """Whether a file's weights are made so: nothing is left to do at an inference."""
    return bool(op.outputs) and all(tensor.constant for tensor in op.outputs)


def _stored(tensor: Tensor, makers: Mapping[int, Op]) -> bool:
    return tensor.constant or _origin(tensor, makers).constant


def _before(tensor: Tensor, makers: Mapping[int, Op]) -> str:
    """Return the type that a tensor was stored or written in before it was made float."""
    return _origin(tensor, makers).dtype


def _origin(tensor: Tensor, makers: Mapping[int, Op]) -> Tensor:
    maker = makers.get(tensor.index)
    if maker is None or maker.kind not in (*_TO_FLOAT, *(_MADE if tensor.constant else ())):
        return tensor
    before = maker.inputs[0]
    return _origin(before, makers) if before else tensor


def _after(tensor: Tensor, readers: Mapping[int, list[Op]]) -> str:
    """Return the type that a tensor becomes at once, where one op alone reads it."""
    reading = readers.get(tensor.index, [])
    if len(reading) == 1 and reading[0].kind in (*_TO_INTEGER, *_FUSED):
        return _after(reading[0].outputs[0], readers)
    if {op.kind for op in reading} <= set(_TO_INTEGER) and reading:
        return reading[0].outputs[0].dtype
    return tensor.dtype
