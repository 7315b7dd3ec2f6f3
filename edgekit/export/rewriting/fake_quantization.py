"""A network that learned to be rounded, without its rounding: for files of other schemes.

tfmot and others train with ops that round to 8 bits in float. TensorFlow's converter makes integers
of them, half of an integer network where a float one is asked for, and stumbles over them where it
is to find ranges of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf

from edgekit.export.rewriting.functions import SavedFunctions, inputs_of
from edgekit.export.tracing.lowering import Lowered

_KINDS = {
    "FakeQuantWithMinMaxArgs", "FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel",
}  # fmt: skip
_CALLS = (
    "fake_quant_with_min_max_args", "fake_quant_with_min_max_vars",
    "fake_quant_with_min_max_vars_per_channel",
)  # fmt: skip


def is_fake_quantized(network: Lowered) -> bool:
    """Whether a network rounds what it computes with."""
    return any(True for _ in _nodes(SavedFunctions(network)))


def without_fake_quantization(network: Lowered, folder: Path) -> Lowered:
    """Return the network that passes every value on as it is, saved in the free `folder`."""
    saved = SavedFunctions(network)
    passing: dict[str, str] = {}
    for node in _nodes(saved):
        passing[f"{node.name}:outputs:0"] = f"{node.name}:output:0"
        value, *_ = inputs_of(node)
        node.op, node.input[:] = "Identity", [value]
        node.attr.clear()
        node.attr["T"].type = tf.float32.as_datatype_enum
    for function in saved.all:
        for node in function.node_def:
            node.input[:] = [passing.get(name, name) for name in node.input]
        for name, value in function.ret.items():
            function.ret[name] = passing.get(value, value)
    return saved.save(folder)


@contextmanager
def unrounded() -> Iterator[None]:
    """Let a Keras model be traced as if its layers did not round."""
    usual = {name: getattr(tf.quantization, name) for name in _CALLS}
    try:
        for name in _CALLS:
            setattr(tf.quantization, name, lambda inputs, *_, **__: inputs)
        yield
    finally:
        for name, call in usual.items():
            setattr(tf.quantization, name, call)


def _nodes(saved: SavedFunctions) -> Iterator[Any]:
    for function in saved.all:
        yield from (node for node in function.node_def if node.op in _KINDS)
