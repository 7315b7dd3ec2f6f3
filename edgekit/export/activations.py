"""What each layer of a Keras network answers, for finding where a file departs from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgekit.export.lowering import functional
from edgekit.parity.layers import Layers

_FUSED = {"BatchNormalization", "ReLU", "Activation"}  # that converters join to the op before
_QUANTIZED = "QuantizeWrapper"  # how the classes begin that tfmot puts around a layer


def layer_activations(
    model: Any, inputs: Mapping[str, npt.NDArray[Any]], outputs: Sequence[str]
) -> Layers:
    """Return each layer's answer to `inputs`, and under which names a file may hold it.

    A layer that is called several times, or that answers with several tensors, is left out.

    Args:
        model: a functional or sequential model of Keras 2 or 3; fake-quantized layers go by the
            names of those that they wrap.
        inputs: real values `[N, ...]`, in the order of the model's flattened inputs.
        outputs: what the files call the model's flattened outputs.

    Raises:
        InputError: the model is subclassed: its layers have no outputs of their own.
    """
    graph = functional(model)
    nodes = _single_nodes(graph)
    tensors = {name: tf.nest.flatten(node.output_tensors)[0] for name, node in nodes.items()}
    keras = import_module("keras" if type(model).__module__.startswith("keras.") else "tf_keras")
    probe = keras.Model(graph.input, tensors)
    scopes: dict[str, str] = {}

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def run(values: Any) -> Any:
        answers = probe(values, training=False)
        for name in tensors:
            scopes.setdefault(_scope(answers[name].op.name, _layer(nodes[name]).name), name)
        return answers

    given = [tf.constant(value) for value in inputs.values()]
    answers = run(tf.nest.pack_sequence_as(graph.input, given))
    makers = {id(tensor): name for name, tensor in tensors.items()}
    named = zip(outputs, graph.outputs, strict=True)
    return Layers(
        values={name: np.asarray(answers[name]) for name in tensors},
        scopes=scopes,
        outputs={name: makers[id(tensor)] for name, tensor in named if id(tensor) in makers},
        followers={name: _followers(name, nodes) for name in nodes},
    )


def _single_nodes(graph: Any) -> dict[str, Any]:
    """Return the one node of each layer that has but one, by layer, in the network's order."""
    nodes: dict[str, list[Any]] = {}
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.parent_nodes and len(tf.nest.flatten(node.output_tensors)) == 1:
                nodes.setdefault(_shown(_layer(node)), []).append(node)
    return {name: found[0] for name, found in nodes.items() if len(found) == 1}


def _followers(name: str, nodes: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the layers that a converter may fuse after `name`: a chain of sole readers."""
    chain: list[str] = []
    while True:
        last = nodes[chain[-1] if chain else name]
        readers = [n for n, node in nodes.items() if last in node.parent_nodes]
        if len(readers) != 1 or type(_unwrapped(nodes[readers[0]])).__name__ not in _FUSED:
            return tuple(chain)
        chain.append(readers[0])


def _scope(op: str, layer: str) -> str:
    """Return the scope of a layer from the name of its last op, as NET/SCOPE/OP.

    Keras 3 numbers its scopes: what the layer conv2d computes may lie in conv2d_1.
    """
    path = op.partition("/")[2]
    return layer if path.startswith(f"{layer}/") else path.partition("/")[0]


def _layer(node: Any) -> Any:
    return node.operation if hasattr(node, "operation") else node.layer


def _unwrapped(node: Any) -> Any:
    layer = _layer(node)
    return layer.layer if type(layer).__name__.startswith(_QUANTIZED) else layer


def _shown(layer: Any) -> str:
    wrapped = type(layer).__name__.startswith(_QUANTIZED)
    return str(layer.layer.name if wrapped else layer.name)
