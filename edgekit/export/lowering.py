"""A network lowered once to one concrete function; every scheme and format converts from it.

Saving a whole Keras model costs seven times the CPU of the conversion itself, so only the function
and its variables are saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgekit.artifact import DEFAULT_SIGNATURE, Signature, TensorSpec
from edgekit.errors import InputError

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Lowered:
    """A float network as one TensorFlow function with named inputs and outputs."""

    function: Any  # tf.ConcreteFunction; keyword inputs to a dict of outputs
    signature: Signature  # float32, shapes as converted
    folder: Path  # the SavedModel that the converters read

    def __call__(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Arrays:
        """Return the network's own answer to real-valued inputs, one example at a time."""
        tensors = {s.name: tf.constant(inputs[s.name], s.dtype) for s in self.signature.inputs}
        return {name: np.asarray(value) for name, value in self.function(**tensors).items()}


def lower(
    model: Any,
    folder: Path,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    output_names: list[str] | None = None,
) -> Lowered:
    """Lower a Keras model (Keras 2 or 3) at batch 1 and save it in `folder`.

    Args:
        model: the loaded model, called as `model(x, training=False)`.
        folder: an empty place for the SavedModel.
        shapes: the shape of an input, batch included, where the model leaves it open.
        output_names: what to call the outputs, where the model's own names will not do.

    Raises:
        InputError: an input has an open dimension and no shape is given, or a wrong one.
    """
    inputs = _input_specs(model, shapes or {})
    names = output_names or _output_names(model)

    def serve(**tensors: Any) -> dict[str, Any]:
        values = list(tensors.values())
        outputs = model(values[0] if len(values) == 1 else values, training=False)
        if isinstance(outputs, dict):
            return outputs
        listed = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
        return dict(zip(names, listed, strict=True))

    specs = {s.name: tf.TensorSpec(s.shape, s.dtype, name=s.name) for s in inputs}
    function = tf.function(serve, autograph=False).get_concrete_function(**specs)
    return save(function, list(model.variables), inputs, folder)


def lower_function(
    function: Any, folder: Path, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> Lowered:
    """Lower the concrete function of a SavedModel's signature at batch 1 and save it in `folder`.

    Raises:
        InputError: an input has an open dimension and no shape is given, or a wrong one.
    """
    _, declared = function.structured_input_signature
    inputs = _specs({name: (spec.shape, spec.dtype) for name, spec in declared.items()}, shapes)

    def serve(**tensors: Any) -> dict[str, Any]:
        return dict(function(**tensors))

    specs = {s.name: tf.TensorSpec(s.shape, s.dtype, name=s.name) for s in inputs}
    fixed = tf.function(serve, autograph=False).get_concrete_function(**specs)
    return save(fixed, list(function.variables), inputs, folder, function)


def save(
    function: Any,
    variables: list[Any],
    inputs: tuple[TensorSpec, ...],
    folder: Path,
    owner: Any = None,
) -> Lowered:
    """Save `function` with nothing but its variables and return it as a lowered network."""
    module = tf.Module()
    module.owner = owner  # what a SavedModel's function captures beside variables
    # Keras 3 wraps its variables; what TensorFlow tracks lies inside.
    module.kept = [getattr(v, "value", v) if _is_keras3(v) else v for v in variables]
    tf.saved_model.save(module, str(folder), signatures={DEFAULT_SIGNATURE: function})
    outputs = tuple(
        TensorSpec(name, _shape(value.shape), value.dtype.name, layout=_layout(value.shape))
        for name, value in function.structured_outputs.items()
    )
    return Lowered(function, Signature(inputs, outputs), folder)


def _input_specs(model: Any, shapes: Mapping[str, tuple[int, ...]]) -> tuple[TensorSpec, ...]:
    declared = {
        _plain(getattr(tensor, "name", f"input_{i}")): (tensor.shape, tensor.dtype)
        for i, tensor in enumerate(model.inputs)
    }
    return _specs(declared, shapes)


def _specs(
    declared: Mapping[str, tuple[Any, Any]], shapes: Mapping[str, tuple[int, ...]] | None
) -> tuple[TensorSpec, ...]:
    """Return specs at batch 1, or at the shape that was given."""
    shapes = shapes or {}
    for unknown in set(shapes) - set(declared):
        raise InputError(
            f"shape for {unknown}: no such input", expected="one of " + ", ".join(declared)
        )
    specs = []
    for name, (open_shape, dtype) in declared.items():
        wanted = _shape(open_shape)
        shape = shapes.get(name, (1, *wanted[1:]))
        if len(shape) != len(wanted) or any(
            want not in (-1, got) for want, got in zip(wanted[1:], shape[1:], strict=True)
        ):
            raise InputError(
                f"shape for {name}: does not fit", got=list(shape), expected=str(list(wanted))
            )
        if -1 in shape:
            example = ",".join("224" if d == -1 else str(d) for d in shape)
            raise InputError(
                f"input {name}: open shape", got=list(shape), do=f"give --shape {name}={example}"
            )
        kind = str(getattr(dtype, "name", dtype))
        specs.append(TensorSpec(name, tuple(shape), kind, layout=_layout(shape)))
    return tuple(specs)


def _output_names(model: Any) -> list[str]:
    names = getattr(model, "output_names", None)
    if names and len(set(names)) == len(names):
        return [_plain(name) for name in names]
    return [f"output_{index}" for index in range(len(model.outputs))]


def _plain(name: str) -> str:
    """Return a Keras or TensorFlow name without its scope and output number."""
    return name.split("/")[-1].split(":")[0]


def _shape(shape: Any) -> tuple[int, ...]:
    return tuple(-1 if d is None else int(d) for d in shape)


def _layout(shape: Any) -> str | None:
    return "NHWC" if len(shape) == 4 else None


def _is_keras3(variable: Any) -> bool:
    return type(variable).__module__.startswith("keras.")
