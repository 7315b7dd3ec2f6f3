"""Ops that TFLite lacks, written with those that it has, for layers that Keras has nevertheless.

TensorFlow's converter refuses three-dimensional pooling, patches, bicubic and area resizing, error
functions, inverse angles, cosine transforms; and a GELU but in the two ways of writing that it
knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import tensorflow as tf

from edgekit.export.rewriting.cosines import cosines
from edgekit.export.rewriting.functions import SavedFunctions, inputs_of
from edgekit.export.rewriting.gelus import gelus
from edgekit.export.rewriting.lacking_forms import FORMS, OF_SIDES, Form
from edgekit.export.rewriting.watching import Array, Watched
from edgekit.export.tracing.lowering import Lowered

_KINDS = {*FORMS, "Real"}


@dataclass(frozen=True)
class _Replacement:
    """A node, what is read in its place, by name and as tensors, and how it is computed then."""

    node: Any
    inputs: list[str]
    read: list[Any]
    form: Form


def with_known_ops(network: Lowered, folder: Path) -> Lowered:
    """Return the network without ops that TFLite lacks, saved in the free `folder`.

    It is the network itself where it has none. What no form is known of stays.
    """
    saved = SavedFunctions(network)
    if not any(node.op in _KINDS for function in saved.all for node in function.node_def):
        return network
    watched = Watched(network.function)
    found = [(function, list(_replacements(function, watched))) for function in saved.all]
    for function, replacements in found:
        for each in replacements:
            _call(saved, function, each, watched)
    return saved.save(folder) if any(replacements for _, replacements in found) else network


def _replacements(function: Any, watched: Watched) -> Iterator[_Replacement]:
    known = set()
    for erf, product, x in gelus(function, watched):
        known.add(erf)
        value = watched.operation(product.name).inputs[0]  # as large as x
        yield _Replacement(product, [x], [value], lambda made, x: tf.nn.gelu(x))
    for node, name, x, matrix in cosines(function, watched):
        yield _Replacement(node, [name], [x], partial(_product, matrix))
    for node in function.node_def:
        made = watched.operation(node.name) if node.op in FORMS and node.name not in known else None
        if made is not None and _is_fixed(made, watched):  # not of a loop
            yield _Replacement(node, inputs_of(node), [*made.inputs], FORMS[node.op])


def _is_fixed(made: Any, watched: Watched) -> bool:
    """Whether an op has what its form is made for: channels last, known sides, constant sizes."""
    if made.type not in OF_SIDES:
        return True
    value, *rest = made.inputs
    known = bool(value.shape.rank and value.shape[1:].is_fully_defined())
    last = made.node_def.attr["data_format"].s in (b"", b"NDHWC")
    return known and last and all(watched.constant(each) is not None for each in rest)


def _product(matrix: Array, made: Any, x: Any) -> Any:
    return tf.matmul(x, matrix)


def _call(saved: SavedFunctions, function: Any, each: _Replacement, watched: Watched) -> None:
    """Let a node call a function, which is traced for what it reads."""
    node, made = each.node, watched.operation(each.node.name)
    constants = [watched.constant(value) for value in each.read]

    def called(*tensors: Any) -> Any:
        given = iter(tensors)
        return each.form(made, *(next(given) if c is None else c for c in constants))

    pairs = list(zip(each.inputs, each.read, constants, strict=True))
    specs = [tf.TensorSpec(t.shape, t.dtype) for _, t, c in pairs if c is None]
    traced = tf.function(called, autograph=False).get_concrete_function(*specs)
    answer, waited = f"{node.name}:{made.op_def.output_arg[0].name}:0", f"^{node.name}"
    node.op, node.name = "PartitionedCall", f"{node.name}/written"  # a scope for what it calls
    node.input[:] = [name for name, _, c in pairs if c is None]
    node.attr.clear()
    node.attr["Tin"].list.type[:] = [spec.dtype.as_datatype_enum for spec in specs]
    node.attr["Tout"].list.type[:] = [made.outputs[0].dtype.as_datatype_enum]
    node.attr["f"].func.name = saved.add(traced)
    new = {answer: f"{node.name}:output:0", waited: f"^{node.name}"}
    for other in function.node_def:
        other.input[:] = [new.get(name, name) for name in other.input]
    for name, value in function.ret.items():
        function.ret[name] = new.get(value, value)
