"""The functions of a saved network, changed node by node: between tracing and converting."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from edgekit.export.tracing.lowering import Lowered
from edgekit.signature import DEFAULT_SIGNATURE

_PROTO = "saved_model.pb"
_ANSWERS = {  # by op: what a function calls its answer; of others "output"
    **dict.fromkeys(("Elu", "Relu", "Relu6", "Selu", "Softplus"), "activations"),
    **dict.fromkeys(("Abs", "Cast", "Exp", "Log", "Neg", "Sigmoid", "Square"), "y"),
    **dict.fromkeys(("Add", "AddV2", "Maximum", "Minimum", "Mul", "RealDiv"), "z"),
    **dict.fromkeys(("SquaredDifference", "Sub"), "z"),
}


class SavedFunctions:
    """The functions that a lowered network was saved as, to be changed in place."""

    def __init__(self, network: Lowered) -> None:
        self._network = network
        self._model = saved_model_pb2.SavedModel()
        self._model.ParseFromString((network.folder / _PROTO).read_bytes())
        graphs = self._model.meta_graphs
        self.all: list[Any] = [f for graph in graphs for f in graph.graph_def.library.function]

    def add(self, function: Any) -> str:
        """Add a concrete function that has no variables, and return its name."""
        definition = function.function_def
        self._model.meta_graphs[0].graph_def.library.function.append(definition)
        name: str = definition.signature.name
        return name

    def save(self, folder: Path) -> Lowered:
        """Save them beside the network's variables, in the free `folder`; return what they make.

        Recurrent layers as one op each are traced anew, without what was changed: so they are not.
        """
        shutil.copytree(self._network.folder, folder)
        (folder / _PROTO).write_bytes(self._model.SerializeToString())
        loaded = tf.saved_model.load(str(folder))
        function = loaded.signatures[DEFAULT_SIGNATURE]
        return replace(
            self._network, function=function, folder=folder, variables=loaded, whole=None
        )


def saved_name(inner: Any) -> str:
    """Return what a saved function calls a capture, given the placeholder of the traced one."""
    return re.sub(r"\W", "_", inner.name.partition(":")[0]).lower()


@dataclass(frozen=True)
class Body:
    """A function whose nodes are replaced, one at a time."""

    function: Any
    node: Any  # the one that is replaced

    @property
    def inputs(self) -> list[str]:
        """What the node reads."""
        return inputs_of(self.node)

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
        return f"{made.name}:{answer_of(made)}:0"

    def copy(self, kind: str) -> str:
        """Add an op of the node's inputs and attributes and return what others call its answer."""
        made = self._add(kind)
        name = made.name
        made.CopyFrom(self.node)
        made.op, made.name, made.input[:] = kind, name, self.inputs
        return f"{name}:{answer_of(made)}:0"

    def _add(self, kind: str, *inputs: str) -> Any:
        name = f"{self.node.name}/written{len(self.function.node_def)}"
        return self.function.node_def.add(op=kind, name=name, input=inputs)


def inputs_of(node: Any) -> list[str]:
    """Return what a node reads; it may also wait for others, which are marked."""
    return [name for name in node.input if not name.startswith("^")]


def answer_of(node: Any) -> str:
    """Return what a function calls the answer of one of these ops."""
    return _ANSWERS.get(node.op, "output")
