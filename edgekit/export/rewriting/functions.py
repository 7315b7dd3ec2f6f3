"""The functions of a saved network, changed node by node: between tracing and converting."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from edgekit.export.tracing.lowering import Lowered
from edgekit.signature import DEFAULT_SIGNATURE

_PROTO = "saved_model.pb"


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
        """Save them beside the network's variables, in the free `folder`; return what they make."""
        shutil.copytree(self._network.folder, folder)
        (folder / _PROTO).write_bytes(self._model.SerializeToString())
        loaded = tf.saved_model.load(str(folder))
        function = loaded.signatures[DEFAULT_SIGNATURE]
        return replace(self._network, function=function, folder=folder, variables=loaded)


def saved_name(inner: Any) -> str:
    """Return what a saved function calls a capture, given the placeholder of the traced one."""
    return re.sub(r"\W", "_", inner.name.partition(":")[0]).lower()
