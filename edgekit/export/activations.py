"""What each layer of a Keras network answers, for finding where a file departs from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgekit.export.tracing.lowering import functional
from edgekit.export.tracing.replaced_calls import called_by
from edgekit.export.tracing.scopes import graph_name, named_by_layer
from edgekit.parity.layers import Layers

# What converters join to the op before it, the second only where it takes a constant beside.
_FUSED = {"BatchNormalization", "ReLU", "Activation", "Rescaling", "LayerScale"}
_ARITHMETIC = {"Multiply", "Add", "Subtract", "Divide", "TrueDivide", "TFOpLambda"}
_QUANTIZED = "QuantizeWrapper"  # how the classes begin that tfmot puts around a layer


def is_fake_quantized(model: Any) -> bool:
    """Whether tfmot put its rounding around layers of a Keras model."""
    return any(type(layer).__name__.startswith(_QUANTIZED) for layer in model._flatten_layers())


@dataclass(frozen=True, eq=False)
class _Call:
    """One call of a layer while the network is traced."""

    kind: str  # class of the layer
    scope: str  # that its ops are named in, without the network's own name
    reads: tuple[Any, ...]
    answer: Any


def layer_activations(
    model: Any, inputs: Mapping[str, npt.NDArray[Any]], outputs: Sequence[str]
) -> Layers:
    """Return each layer's answer to `inputs`, and under which names a file may hold it.

    A layer in a nested network goes by the path to it, a further call of one by its number too. One
    that answers with several tensors, or with what it is given, is left out.

    Args:
        model: a functional or sequential model of Keras 2 or 3; fake-quantized layers go by the
            names of those that they wrap.
        inputs: real values `[N, ...]`, in the order of the model's flattened inputs.
        outputs: what the files call the model's flattened outputs.

    Raises:
        InputError: the model is subclassed: its layers have no outputs of their own.
    """
    graph = functional(model)
    layers = dict(_layers(graph))
    calls: dict[str, list[_Call]] = {name: [] for name in layers}
    ends: dict[str, str] = {}  # output of the file to layer

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def run(values: Any) -> Any:
        with ExitStack() as stack:
            if any(graph_name(layer.name) != layer.name for layer in layers.values()):
                # Whoever made the file had to name the layers otherwise as well.
                stack.enter_context(named_by_layer(model))
            for name, layer in layers.items():
                stack.enter_context(called_by(layer, _noting(layer, calls[name])))
            answers = tf.nest.flatten(model(values, training=False))
        made = _numbered(calls)
        makers = {id(call.answer): name for name, call in made.items()}
        named = zip(outputs, answers, strict=True)
        ends.update({o: makers[id(a)] for o, a in named if id(a) in makers})
        return {name: call.answer for name, call in made.items()}

    given = [tf.constant(value) for value in inputs.values()]
    answers = run(tf.nest.pack_sequence_as(graph.input, given))
    made = _numbered(calls)
    return Layers(
        values={name: np.asarray(answers[name]) for name in made},
        scopes=(
            {"/".join(map(graph_name, name.split("/"))): name for name in calls if name in made},
            {call.scope: name for name, call in made.items() if call.scope},
        ),
        outputs=ends,
        followers={name: _followers(name, made) for name in made},
        calls={name: tuple(_numbered({name: found}))[1:] for name, found in calls.items()},
    )


def _numbered(calls: Mapping[str, Sequence[_Call]]) -> dict[str, _Call]:
    """Return every call by its layer's name, and its number from the second on."""
    return {
        name if number == 1 else f"{name} (call {number})": call
        for name, found in calls.items()
        for number, call in enumerate(found, 1)
    }


def _layers(graph: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the layers of a network and of those nested in it by their paths, in its order."""
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            layer = node.operation if hasattr(node, "operation") else node.layer
            name = f"{path}{_unwrapped(layer).name}"
            inner = getattr(layer, "_functional", None) or layer
            if getattr(inner, "_nodes_by_depth", None):
                yield from _layers(inner, f"{name}/")
            elif node.parent_nodes:
                yield name, layer


def _noting(layer: Any, calls: list[_Call]) -> Callable[..., Any]:
    """Return a layer's call that notes down those that answer with one tensor of their own."""
    call, kind = layer.call, type(_unwrapped(layer)).__name__

    @wraps(call)
    def note(*inputs: Any, **options: Any) -> Any:
        scope = tf.get_current_name_scope().partition("/")[2]
        answer = call(*inputs, **options)
        reads = tuple(t for t in tf.nest.flatten((inputs, options)) if tf.is_tensor(t))
        if tf.is_tensor(answer) and not any(answer is read for read in reads):
            calls.append(_Call(kind, scope, reads, answer))
        return answer

    return note


def _followers(name: str, calls: Mapping[str, _Call]) -> tuple[str, ...]:
    """Return the layers that a converter may fuse after `name`: a chain of sole readers."""
    chain: list[str] = []
    while True:
        last = calls[chain[-1] if chain else name].answer
        readers = [n for n, call in calls.items() if any(last is read for read in call.reads)]
        if len(readers) != 1 or not _fusible(calls[readers[0]]):
            return tuple(chain)
        chain.append(readers[0])


def _fusible(call: _Call) -> bool:
    alone = len({id(read) for read in call.reads}) == 1
    return call.kind in _FUSED or (call.kind in _ARITHMETIC and alone)


def _unwrapped(layer: Any) -> Any:
    return layer.layer if type(layer).__name__.startswith(_QUANTIZED) else layer
