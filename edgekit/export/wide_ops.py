"""Ops that TensorFlow's quantizer lacks beside 16-bit activations, written with those it has.

A layer normalization negates, MobileNetV3 multiplies by a hard swish, which the converter joins to
one op: either was enough to have no w8a16 file. The values are those of the ops replaced.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from edgekit.export.lowering import Lowered
from edgekit.signature import DEFAULT_SIGNATURE

_ANSWERS = {"AddV2": "z", "Const": "output", "Exp": "y", "Minimum": "z", "Mul": "z", "Relu":
            "activations", "Sub": "z"}  # fmt: skip
_SELU = (1.0507009873554805, 1.6732632423543772)  # Klambauer et al. 2017, eq. 14
_PROTO = "saved_model.pb"


def with_wide_ops(network: Lowered, folder: Path) -> Lowered:
    """Return the network as it can be quantized to 16-bit activations, saved in the free `folder`.

    It is the network itself where nothing has to be replaced.
    """
    model = saved_model_pb2.SavedModel()
    model.ParseFromString((network.folder / _PROTO).read_bytes())
    functions = [f for graph in model.meta_graphs for f in graph.graph_def.library.function]
    changed = [_replaced(function) for function in functions]
    if not any(changed):
        return network
    shutil.copytree(network.folder, folder)
    (folder / _PROTO).write_bytes(model.SerializeToString())
    loaded = tf.saved_model.load(str(folder))
    function = loaded.signatures[DEFAULT_SIGNATURE]
    return replace(network, function=function, folder=folder, variables=loaded)


@dataclass(frozen=True)
class _Body:
    """A function whose nodes are replaced, one at a time."""

    function: Any
    node: Any  # the one that is replaced

    @property
    def inputs(self) -> list[str]:
        """What the node reads."""
        return _inputs(self.node)

    def constant(self, value: float) -> str:
        """Add a number of the node's type and return what others call it."""
        kind = tf.as_dtype(self.node.attr["T"].type)
        made = self._add("Const")
        made.attr["dtype"].type = kind.as_datatype_enum
        made.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value, kind))
        return f"{made.name}:output:0"

    def op(self, kind: str, *inputs: str) -> str:
        """Add an op and return what others call its answer."""
        made = self._add(kind, *inputs)
        made.attr["T"].CopyFrom(self.node.attr["T"])
        return f"{made.name}:{_ANSWERS[kind]}:0"

    def _add(self, kind: str, *inputs: str) -> Any:
        name = f"{self.node.name}/wide{len(self.function.node_def)}"
        return self.function.node_def.add(op=kind, name=name, input=inputs)


def _negative(body: _Body) -> str:
    return body.op("Mul", body.inputs[0], body.constant(-1))


def _square(body: _Body) -> str:
    return body.op("Mul", body.inputs[0], body.inputs[0])


def _squared_difference(body: _Body) -> str:
    """Return (x - y)^2, of which runtimes have no kernel for 16 bits."""
    difference = body.op("Sub", *body.inputs)
    return body.op("Mul", difference, difference)


def _elu(body: _Body) -> str:
    return body.op("AddV2", body.op("Relu", body.inputs[0]), _below_zero(body))


def _selu(body: _Body) -> str:
    scale, alpha = _SELU
    above = body.op("Mul", body.op("Relu", body.inputs[0]), body.constant(scale))
    return body.op("AddV2", above, body.op("Mul", _below_zero(body), body.constant(scale * alpha)))


def _below_zero(body: _Body) -> str:
    """Return exp(min(x, 0)) - 1."""
    least = body.op("Minimum", body.inputs[0], body.constant(0))
    return body.op("Sub", body.op("Exp", least), body.constant(1))


def _hard_swish(body: _Body, makers: Mapping[str, Any]) -> str | None:
    """Return x / 6 * relu6(x + 3), where a product is that in another order."""
    for one, other in (body.inputs, body.inputs[::-1]):
        for x, bounded in ((one, _divided(other, makers)), _parts(one, other, makers)):
            if bounded and _is_hard(x, bounded, makers):
                return body.op("Mul", body.op("Mul", x, body.constant(1 / 6)), bounded)
    return None


def _divided(value: str, makers: Mapping[str, Any]) -> str | None:
    """Return what is divided by 6 to make `value`."""
    made = makers.get(value)
    if made is None or made.op not in ("RealDiv", "Mul"):
        return None
    divided, by = _inputs(made)
    number, wanted = _number(by, makers), 6 if made.op == "RealDiv" else 1 / 6
    return divided if number is not None and abs(number - wanted) < 1e-5 else None


def _parts(one: str, other: str, makers: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the factors of `one`, where it is a product that `other` divides by 6."""
    made, number = makers.get(one), _number(other, makers)
    if made is None or made.op != "Mul" or number is None or abs(number - 1 / 6) > 1e-5:
        return "", None
    first, second = _inputs(made)
    return (first, second) if _is_hard(first, second, makers) else (second, first)


def _is_hard(x: str, bounded: str, makers: Mapping[str, Any]) -> bool:
    """Whether `bounded` is relu6(x + 3)."""
    relu = makers.get(bounded)
    added = makers.get(_inputs(relu)[0]) if relu is not None and relu.op == "Relu6" else None
    if added is None or added.op not in ("Add", "AddV2"):
        return False
    shifted, by = _inputs(added)
    return shifted == x and _number(by, makers) == 3


def _inputs(node: Any) -> list[str]:
    """Return what a node reads; it may also wait for others, which are marked."""
    return [name for name in node.input if not name.startswith("^")]


def _number(value: str, makers: Mapping[str, Any]) -> float | None:
    made = makers.get(value)
    if made is None or made.op != "Const":
        return None
    number = tf.make_ndarray(made.attr["value"].tensor)
    return float(number.reshape(())) if number.size == 1 else None


_WRITTEN: dict[str, tuple[str, Callable[[_Body], str]]] = {  # by op: what its answer is called
    "Neg": ("y", _negative),
    "Square": ("y", _square),
    "SquaredDifference": ("z", _squared_difference),
    "Elu": ("activations", _elu),
    "Selu": ("activations", _selu),
}


def _replaced(function: Any) -> bool:
    """Replace in a function what has to be, and return whether anything had."""
    nodes = [node for node in function.node_def if "T" not in node.attr or _is_float(node)]
    makers = {f"{node.name}:{_answer(node)}:0": node for node in nodes}
    made: dict[str, str] = {}
    for node in nodes:
        body = _Body(function, node)
        if node.op in _WRITTEN and not _is_in_gelu(node, nodes):
            answer, write = _WRITTEN[node.op]
            made[f"{node.name}:{answer}:0"] = write(body)
        elif node.op == "Mul" and (swish := _hard_swish(body, makers)):
            made[f"{node.name}:z:0"] = swish
    for node in function.node_def:
        node.input[:] = [made.get(name, name) for name in node.input]
    for name, value in function.ret.items():
        function.ret[name] = made.get(value, value)
    return bool(made)


def _is_in_gelu(node: Any, nodes: list[Any]) -> bool:
    """Whether a Neg belongs to erfc(-x c), by which the converter knows an exact GELU."""
    near = {node.name}
    for _ in range(2):
        readers = [n for n in nodes if near & {name.partition(":")[0] for name in n.input}]
        if any(reader.op == "Erfc" for reader in readers):
            return True
        near = {reader.name for reader in readers if reader.op in ("Mul", "RealDiv")}
    return False


def _answer(node: Any) -> str:
    return {"RealDiv": "z", "Add": "z", "Relu6": "activations"}.get(node.op) or _ANSWERS.get(
        node.op, "output"
    )


def _is_float(node: Any) -> bool:
    kind = node.attr["T"].type  # 0 where it is a list of several
    return bool(kind and tf.as_dtype(kind).is_floating)
