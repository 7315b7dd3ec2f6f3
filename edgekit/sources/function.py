"""A Keras model in memory, or a function of the user's own that returns one: MODULE:FUNCTION."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import keras as keras3
import tf_keras

from edgekit.errors import EdgekitError, InputError
from edgekit.export.source import Source
from edgekit.sources.keras_quantized import without_quantization
from edgekit.sources.weights import check_finite, keras_weights, sha256_of


def load(text: str, *, seed: int = 0) -> Source:
    """Import the module, with the working directory first in line, call the function.

    Args:
        text: MODULE:FUNCTION.
        seed: of the weights that the function leaves to chance, so that a second call answers
            the same.

    Raises:
        InputError: no such module or function, it raises, or returns no Keras model.
    """
    module_name, _, name = text.partition(":")
    function = getattr(_import(module_name, text), name, None)
    if not callable(function):
        raise InputError(f"{text}: no function {name} in {module_name}")
    for keras in (tf_keras, keras3):
        keras.utils.set_random_seed(seed)
    try:
        model = function()
    except (EdgekitError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"{text}: failed", got=_brief(error)) from None
    return source_of(model, name, text)


def source_of(model: Any, name: str, origin: str | None = None) -> Source:
    """Return a Keras model in memory, of Keras 2 (tf_keras) or 3, as what `convert` takes.

    Args:
        model: built, so that its inputs have shapes.
        name: of the files.
        origin: what the manifest says that it comes from; memory if not given.

    Raises:
        InputError: no Keras model, not built, or with weights that are no numbers.
    """
    text = origin or name
    if not isinstance(model, tf_keras.Model | keras3.Model):
        raise InputError(f"{text}: no Keras model", got=type(model).__name__)
    if not model.built:
        raise InputError(f"{text}: a model without input shape", do="build or call it first")
    check_finite(keras_weights(model), text)
    kind = "tf_keras" if isinstance(model, tf_keras.Model) else "keras3"
    keras = tf_keras if kind == "tf_keras" else keras3
    provenance = {
        "source": origin or "memory",
        "keras_version": keras.__version__,
        "weights_sha256": sha256_of(model),
    }
    return without_quantization(Source(name=name, model=model, kind=kind, provenance=provenance))


def _import(module: str, text: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return import_module(module)
    except (Exception, SystemExit) as error:
        raise InputError(f"{text}: cannot import {module}", got=_brief(error)) from None


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
