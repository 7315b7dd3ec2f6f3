"""Recurrent layers written out step by step, so that files hold plain ops and no state.

Keras traces an LSTM or a GRU as a loop, or (Keras 2's LSTM) as one op of TFLite's. No converter
makes a loop's body integer; and TFLite's op keeps its state from one inference to the next, so that
an answer would depend on the question before. Written out, a step is a few dense and elementwise
ops that every runtime has kernels for, in integers too. The price is 3 kB a step in float, and 9 in
8 bits, where each step has scales of its own.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras as keras3
import tensorflow as tf
import tf_keras

from edgekit.errors import InputError
from edgekit.export.tracing.replaced_calls import called_by

_log = logging.getLogger("edgekit")

MOST_STEPS = 256  # beyond, a layer stays a loop: a file of some MB would take minutes to make


@contextmanager
def written_out(model: Any) -> Iterator[None]:
    """Let recurrent layers of a Keras model (Keras 2 or 3) be traced step by step meanwhile.

    One of more than MOST_STEPS, or of an open number, is traced as a loop.

    Raises:
        InputError: a layer keeps its state from one call to the next, which files do not.
    """
    for layer in _recurrent(model):
        if layer.stateful:
            raise InputError(
                f"layer {layer.name}: stateful", expected="what starts anew with every inference",
                do="build it with stateful=False, its states as inputs and outputs of the model",
            )  # fmt: skip
    with ExitStack() as stack:
        for layer in _recurrent(model):
            stack.enter_context(_deciding(layer))
        yield


def check_written_out(model: Any, function: Any) -> None:
    """Refuse what was traced as a loop, before a converter that would make it integer crashes.

    Args:
        model: of Keras, or a SavedModel's function, of which this knows nothing.
        function: what was traced of it.

    Raises:
        InputError: a recurrent layer is still a loop.
    """
    loops = any(op.type in ("While", "StatelessWhile") for op in function.graph.get_operations())
    if loops and (layers := _recurrent(model)):
        raise InputError(
            f"{', '.join(layer.name for layer in layers)}: a loop cannot be in integers",
            got=f"more than {MOST_STEPS} steps, an open number, or a ConvLSTM of Keras 2",
            do="take f32, f16 or w8, or say with --shape how many steps there are",
        )


def _recurrent(model: Any) -> list[Any]:
    if not hasattr(model, "_flatten_layers"):  # a SavedModel's function
        return []
    kinds = (keras3.layers.RNN, tf_keras.layers.RNN)
    return [layer for layer in model._flatten_layers() if isinstance(layer, kinds)]


@contextmanager
def _deciding(layer: Any) -> Iterator[None]:
    """Let a layer decide at each call, when the number of steps is known."""
    call, before = layer.call, {name: getattr(layer, name) for name in _settings(layer, 0)}

    @functools.wraps(call)
    def decide(*inputs: Any, **options: Any) -> Any:
        sequences = tf.nest.flatten(inputs or options)[0]
        steps = sequences.shape[0 if getattr(layer, "time_major", False) else 1]
        for name, value in _settings(layer, steps).items():
            setattr(layer, name, value)
        if layer.unroll:
            _log.info("%s: written out in %d steps", layer.name, steps)
        return call(*inputs, **options)

    try:
        with called_by(layer, decide):
            yield
    finally:
        for name, value in before.items():
            setattr(layer, name, value)


def _settings(layer: Any, steps: int | None) -> dict[str, bool]:
    """Return what makes a layer a loop or written out, and Keras 2's never an op with a state."""
    wanted = {"unroll": steps is not None and steps <= MOST_STEPS, "_could_use_gpu_kernel": False}
    return {name: value for name, value in wanted.items() if hasattr(layer, name)}
