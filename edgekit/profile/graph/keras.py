"""Reads a functional or sequential Keras model, of Keras 2 or 3, by what both have in common.

No Keras is imported: the model comes with its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from typing import Any

from edgekit.errors import InputError
from edgekit.profile.graph import Graph, Op, Shapes, Tensor, free_inputs
from edgekit.profile.graph.kinds import KERAS_FUNCTIONS, KERAS_KINDS

POOLING = re.compile(r"(Global)?(Average|Max)Pool(ing)?[123]D")
# The kernels among a layer's weights, by the last part of their names.
KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel", "recurrent_kernel")


def read_keras(model: Any, shapes: Shapes) -> Graph:
    """Return the op list of a Keras model; nested models are walked into.

    Raises:
        InputError: the model has no graph (subclassed, or not built), or a shape is free.
    """
    try:
        network = _functional(model)
        names = [_tensor_name(t) for t in network.inputs]
    except AttributeError:
        raise InputError(
            f"{getattr(model, 'name', type(model).__name__)}: no graph of layers",
            got=type(model).__name__,
            expected="a functional or built sequential Keras model",
            do="convert it and inspect the .tflite",
        ) from None
    free = {n: _shape(t) for n, t in zip(names, network.inputs, strict=True)}
    fixed = free_inputs(network.name, free, shapes)
    reader = _Reader()
    inputs = tuple(
        reader.tensor(name, fixed[name], _dtype(t))
        for name, t in zip(names, network.inputs, strict=True)
    )
    outputs = reader.walk(network, inputs, "")
    return Graph(network.name, "keras", inputs, outputs, tuple(reader.ops))


class _Reader:
    """Walks the nodes of models, shared layers and nested models included."""

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.numbers = count()
        self.weights: dict[int, Tensor] = {}  # by identity: shared weights are stored once

    def tensor(self, name: str, shape: tuple[int, ...], dtype: str) -> Tensor:
        return Tensor(next(self.numbers), name, shape, dtype)

    def walk(self, model: Any, inputs: tuple[Tensor, ...], prefix: str) -> tuple[Tensor, ...]:
        """Enter the ops of `model` as it is called on `inputs`; return its outputs."""
        known = {id(t): given for t, given in zip(model.inputs, inputs, strict=True)}
        for node in _nodes(model):
            layer = getattr(node, "operation", None) or node.layer
            sources = _node_inputs(node)
            if not sources:
                continue
            found = tuple(known[id(t)] for t in sources)
            results = _flat(node.outputs)
            made = self._call(layer, found, results, prefix)
            known.update((id(t), m) for t, m in zip(results, made, strict=True))
        return tuple(known[id(t)] for t in model.outputs)

    def _call(
        self, layer: Any, inputs: tuple[Tensor, ...], results: list[Any], prefix: str
    ) -> tuple[Tensor, ...]:
        name = f"{prefix}{layer.name}"
        if _is_model(layer):
            return self.walk(_functional(layer), inputs, f"{name}/")
        shapes = _output_shapes(layer, inputs, results)
        outputs = tuple(
            self.tensor(name, s, _dtype(t)) for s, t in zip(shapes, results, strict=True)
        )
        self._expand(layer, name, inputs, outputs)
        return outputs

    def _expand(
        self, layer: Any, name: str, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]
    ) -> None:
        """Enter the one op of a plain layer, or the several of a compound one."""
        inner, kind = _unwrapped(layer), type(layer).__name__
        if type(inner).__name__ in ("SeparableConv1D", "SeparableConv2D"):
            self._separable(inner, name, inputs, outputs)
        elif kind == "TimeDistributed" and _kind(inner) == "fully_connected":
            self._enter(inner, "fully_connected", name, inputs, outputs)
        elif kind == "TimeDistributed":
            self._enter(layer, kind, name, inputs, outputs)
        else:
            self._enter(inner, _kind(inner), name, inputs, outputs)

    def _enter(
        self,
        layer: Any,
        kind: str,
        name: str,
        inputs: tuple[Tensor, ...],
        outputs: tuple[Tensor, ...],
    ) -> None:
        weights = [self._weight(w, name) for w in layer.weights] if _has_weights(layer) else []
        slots = tuple(
            len(inputs) + i for i, w in enumerate(weights) if w.name.split("/")[-1] in KERNELS
        )
        attributes: dict[str, Any] = {"weights": slots, "channel_axis": _channel_axis(layer)}
        if kind == "einsum":
            attributes["equation"] = _plain_equation(layer.equation, inputs[0], weights)
        if type(layer).__name__ == "Dot":
            kind, attributes = "einsum", {"equation": _dot_equation(layer, inputs)}
        operands = (*inputs, *weights)
        self.ops.append(Op(kind, type(layer).__name__, operands, outputs, name, attributes))

    def _separable(
        self, layer: Any, name: str, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]
    ) -> None:
        """A depthwise convolution, then a 1x1 one."""
        weights = [self._weight(w, name) for w in layer.weights]
        axis = _channel_axis(layer)
        between = list(outputs[0].shape or ())
        depthwise = weights[0].shape or (0,)
        between[axis] = depthwise[-2] * depthwise[-1]
        middle = self.tensor(f"{name}/depthwise", tuple(between), outputs[0].dtype)
        attributes = {"weights": (1,), "channel_axis": axis}
        native = type(layer).__name__
        self.ops += [
            Op("depthwise_conv", native, (*inputs, weights[0]), (middle,), name, attributes),
            Op("conv", native, (middle, *weights[1:]), outputs, name, attributes),
        ]

    def _weight(self, weight: Any, layer: str) -> Tensor:
        if id(weight) not in self.weights:
            last = re.sub(r":\d+$", "", weight.name).split("/")[-1]
            self.weights[id(weight)] = Tensor(
                next(self.numbers),
                f"{layer}/{last}",
                tuple(int(size) for size in weight.shape),
                _dtype(weight),
                constant=True,
                parameter=True,
            )
        return self.weights[id(weight)]


def _functional(model: Any) -> Any:
    """Return the model that has nodes: a Sequential of Keras 3 keeps one inside."""
    inner = getattr(model, "_functional", None) or model
    _ = inner._nodes_by_depth, inner.inputs[0]  # AttributeError or TypeError: no graph
    return inner


def _is_model(layer: Any) -> bool:
    return hasattr(layer, "_nodes_by_depth") or hasattr(layer, "_functional")


def _nodes(model: Any) -> Iterator[Any]:
    """Yield the nodes from inputs to outputs."""
    for depth in sorted(model._nodes_by_depth, reverse=True):
        yield from model._nodes_by_depth[depth]


def _node_inputs(node: Any) -> list[Any]:
    if hasattr(node, "input_tensors") and hasattr(node, "operation"):
        return list(node.input_tensors)
    return [] if node.is_input else list(node.keras_inputs)


def _flat(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in _flat(item)]
    if isinstance(value, dict):
        return [leaf for key in sorted(value) for leaf in _flat(value[key])]
    return [value]


def _shape(tensor: Any) -> tuple[int, ...] | None:
    shape = tensor.shape
    if getattr(shape, "rank", 0) is None or shape is None:
        return None
    return tuple(-1 if size is None else int(size) for size in shape)


def _output_shapes(
    layer: Any, inputs: tuple[Tensor, ...], results: list[Any]
) -> list[tuple[int, ...]]:
    """Return the noted shapes where only the batch was free, else what the layer computes."""
    noted = [_shape(t) for t in results]
    batch = inputs[0].shape[0] if inputs and inputs[0].shape else 1
    if all(s is not None and -1 not in s[1:] for s in noted):
        return [tuple(batch if i == 0 and n == -1 else n for i, n in enumerate(s or ()))
                for s in noted]  # fmt: skip
    given = [t.shape for t in inputs]
    computed = layer.compute_output_shape(given[0] if len(given) == 1 else given)
    several = computed if isinstance(computed, list) else [computed]
    return [tuple(-1 if n is None else int(n) for n in shape) for shape in several]


def _unwrapped(layer: Any) -> Any:
    """Return the layer inside the wrappers that quantization-aware training puts around."""
    if type(layer).__name__ in ("QuantizeWrapper", "QuantizeWrapperV2", "TimeDistributed"):
        return layer.layer
    return layer


def _kind(layer: Any) -> str:
    name = type(layer).__name__
    if name == "Bidirectional":
        return _kind(layer.forward_layer)
    if name == "TFOpLambda":
        symbol = str(getattr(layer, "symbol", layer.name))
        last = ".".join(symbol.split(".")[-1:])
        return KERAS_FUNCTIONS.get(last, f"tf.{symbol}")
    if POOLING.fullmatch(name):
        return "pooling"
    return KERAS_KINDS.get(name, name)


def _has_weights(layer: Any) -> bool:
    return bool(getattr(layer, "weights", None))


def _channel_axis(layer: Any) -> int:
    return 1 if getattr(layer, "data_format", None) == "channels_first" else -1


def _plain_equation(equation: str, data: Tensor, weights: list[Tensor]) -> str:
    """Spell out the ellipsis of an EinsumDense with letters that it does not use."""
    if "..." not in equation:
        return equation
    left = equation.split(",")[0]
    free = (c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBA" if c not in equation)
    rank = len(data.shape or ()) - (len(left) - 3)
    return equation.replace("...", "".join(next(free) for _ in range(rank)))


def _dot_equation(layer: Any, inputs: tuple[Tensor, ...]) -> str:
    """Dot sums over one axis of each operand, with the batch in common."""
    axes = layer.axes if isinstance(layer.axes, list | tuple) else (layer.axes, layer.axes)
    ranks = [len(t.shape or ()) for t in inputs]
    terms = ["a" + "bcdefgh"[: ranks[0] - 1], "a" + "ijklmno"[: ranks[1] - 1]]
    for i, axis in enumerate(axes):
        letters = list(terms[i])
        letters[axis % ranks[i]] = "z"
        terms[i] = "".join(letters)
    return ",".join(terms) + "->"


def _tensor_name(tensor: Any) -> str:
    return re.sub(r":\d+$", "", str(tensor.name))


def _dtype(value: Any) -> str:
    dtype = value.dtype
    return str(getattr(dtype, "name", dtype))
