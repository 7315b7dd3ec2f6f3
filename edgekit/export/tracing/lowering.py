"""A network lowered once to one concrete function; every scheme and format converts from it.

Saving a whole Keras model costs seven times the CPU of the conversion itself, so only the function
and its variables are saved.
"""

from __future__ import annotations

import keyword
import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgekit.errors import InputError
from edgekit.export.failures import one_line_failures
from edgekit.export.tracing.dilations import plain_dilations
from edgekit.export.tracing.enlargements import plain_enlargements
from edgekit.export.tracing.half import in_single
from edgekit.export.tracing.lookups import plain_extremes, plain_lookups
from edgekit.export.tracing.norms import plain_norms
from edgekit.export.tracing.recurrence import written_out
from edgekit.export.tracing.scopes import graph_name, named_by_layer
from edgekit.export.tracing.whole_layers import is_whole, whole_layers
from edgekit.signature import DEFAULT_SIGNATURE, Signature, TensorSpec

_log = logging.getLogger("edgekit")

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Lowered:
    """A float network as one TensorFlow function with named inputs and outputs."""

    function: Any  # tf.ConcreteFunction; keyword inputs to a dict of outputs
    signature: Signature  # float32, shapes as converted
    folder: Path  # the SavedModel that the converters read
    variables: Any = field(repr=False)  # which the function itself does not keep alive
    # Traces it with recurrent layers as one op each, which ONNX has; None where there are none.
    whole: Callable[[], Any] | None = field(default=None, repr=False)

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
        InputError: an input has an open dimension and no shape is given, or a wrong one; or the
            model is subclassed, so that nothing says what it takes.
    """
    graph = functional(model)
    inputs = _specs(_declared_inputs(graph), shapes)
    names = output_names or name_outputs(model)

    def serve(**tensors: Any) -> dict[str, Any]:
        given = [tensors[spec.name] for spec in inputs]
        outputs = model(tf.nest.pack_sequence_as(graph.input, given), training=False)
        return dict(zip(names, tf.nest.flatten(outputs), strict=True))

    def whole() -> Any:
        with _as_files_hold(model), whole_layers(model):
            return _trace(serve, inputs)

    with _as_files_hold(model):
        function = _trace(serve, inputs)
    lowered = save(function, list(model.variables), inputs, folder)
    one_op = any(is_whole(layer) for layer in model._flatten_layers())
    return replace(lowered, whole=whole) if one_op else lowered


@contextmanager
def _as_files_hold(model: Any) -> Iterator[None]:
    """Let a Keras model be traced with the ops that files shall hold."""
    with (
        one_line_failures(f"{model.name}: cannot be traced"),
        named_by_layer(model),
        written_out(model),
        in_single(model),
        plain_dilations(model),
        plain_enlargements(model),
        plain_lookups(model),
        plain_extremes(),
        plain_norms(model),
    ):
        yield


def lower_function(
    function: Any, folder: Path, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> Lowered:
    """Lower the concrete function of a SavedModel's signature at batch 1 and save it in `folder`.

    Raises:
        InputError: an input has an open dimension and no shape is given, or a wrong one.
    """
    _, declared = function.structured_input_signature
    names = {_identifier(name): name for name in declared}
    inputs = _specs({n: (declared[o].shape, declared[o].dtype) for n, o in names.items()}, shapes)

    def serve(**tensors: Any) -> dict[str, Any]:
        outputs = function(**{names[name]: value for name, value in tensors.items()})
        return {_distinct(name, names): value for name, value in outputs.items()}

    with one_line_failures("the signature cannot be traced at batch 1"):
        fixed = _trace(serve, inputs)
    return save(fixed, list(function.variables), inputs, folder, function)


def functional(model: Any) -> Any:
    """Return what holds the graph of a Keras model: itself, or what a sequential one wraps.

    Raises:
        InputError: the model is subclassed: its layers have no inputs or outputs of their own.
    """
    graph = getattr(model, "_functional", None) or model  # so Keras 3; in Keras 2 it is the model
    if not getattr(graph, "_nodes_by_depth", None):
        raise InputError(
            f"{model.name}: a subclassed model",
            expected="a functional or sequential one",
            do="save it as a SavedModel with a fixed signature and give that",
        )
    return graph


def name_outputs(model: Any) -> list[str]:
    """Return a name for each output of a Keras model, in the order of its flattened answer.

    They are the keys of a dict, else the layers' names, else numbers; one that an input bears too
    gets another, since an ONNX graph holds no name twice.
    """
    graph = functional(model)
    inputs = _declared_inputs(graph)
    structure = getattr(graph, "_outputs_struct", None)  # Keras 3
    structure = getattr(graph, "_nested_outputs", None) if structure is None else structure
    if isinstance(structure, dict) and len(structure) == len(graph.outputs):
        names = sorted(structure)  # as tf.nest flattens
    else:
        names = [_plain(name) for name in graph.output_names]
    if len(set(names)) < len(names):
        names = [f"output_{index}" for index in range(len(names))]
    return [_distinct(name, inputs) for name in names]


def _trace(serve: Any, inputs: tuple[TensorSpec, ...]) -> Any:
    specs = {s.name: tf.TensorSpec(s.open_shape, s.dtype, name=s.name) for s in inputs}
    return tf.function(serve, autograph=False).get_concrete_function(**specs)


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
    for variable in module.kept:
        variable._handle_name = graph_name(variable.name)
    tf.saved_model.save(module, str(folder), signatures={DEFAULT_SIGNATURE: function})
    outputs = tuple(
        TensorSpec(name, _shape(value.shape), value.dtype.name, layout=_layout(value.shape))
        for name, value in function.structured_outputs.items()
    )
    return Lowered(function, Signature(inputs, outputs), folder, module)


def _declared_inputs(graph: Any) -> dict[str, tuple[Any, Any]]:
    """Return shape and dtype of each input by its name, in the order of the flattened inputs.

    Raises:
        InputError: two names cannot be told apart in a file.
    """
    declared = {_identifier(_plain(t.name)): (t.shape, t.dtype) for t in graph.inputs}
    if len(declared) < len(graph.inputs):
        raise InputError(
            "inputs: names that files cannot tell apart",
            got=", ".join(_plain(t.name) for t in graph.inputs), do="rename one in ASCII letters",
        )  # fmt: skip
    return declared


def _identifier(name: str) -> str:
    """Return `name` as TensorFlow can take it: its functions take inputs as Python keywords."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    plain = plain if plain[:1].isalpha() else f"input_{plain.lstrip('_')}"
    plain = f"{plain}_" if keyword.iskeyword(plain) else plain
    if plain != name:
        _log.warning("input %r is called %s in the files", name, plain)
    return plain


def _distinct(output: str, inputs: Collection[str]) -> str:
    return f"{output}_output" if output in inputs else output


def _specs(
    declared: Mapping[str, tuple[Any, Any]], shapes: Mapping[str, tuple[int, ...]] | None
) -> tuple[TensorSpec, ...]:
    """Return specs at batch 1, or at the shape that was given, whose batch may stay open: -1."""
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
        if shape[0] not in (1, -1):
            raise InputError(f"shape for {name}: a batch", got=shape[0],
                             expected="1, or -1 to leave it free")  # fmt: skip
        if wanted[0] not in (-1, shape[0]):
            _log.warning("input %s: declared for batches of %d, files take %s", name, wanted[0],
                         "1" if shape[0] == 1 else "any")  # fmt: skip
        if -1 in shape[1:] or any(size < -1 or size == 0 for size in shape):
            example = ",".join("224" if d == -1 else str(d) for d in shape)
            raise InputError(
                f"input {name}: open shape", got=list(shape), do=f"give --shape {name}={example}"
            )
        kind = str(getattr(dtype, "name", dtype))
        specs.append(TensorSpec(name, tuple(shape), kind, layout=_layout(shape)))
    return tuple(specs)


def _plain(name: str) -> str:
    """Return a Keras or TensorFlow name without its scope and output number."""
    return name.split("/")[-1].split(":")[0]


def _shape(shape: Any) -> tuple[int, ...]:
    return tuple(-1 if d is None else int(d) for d in shape)


def _layout(shape: Any) -> str | None:
    return "NHWC" if len(shape) == 4 else None


def _is_keras3(variable: Any) -> bool:
    return type(variable).__module__.startswith("keras.")
