"""tflite-runtime 2.14, the interpreter of older Raspberry Pis: int8 runs on the builtin kernels."""

from __future__ import annotations

import sys
from pathlib import Path

import tflite_runtime
from tflite_runtime import interpreter

from edgekit.errors import SetupError
from edgekit.runtime.interpreter import InterpreterSession


def open_model(path: Path, *, threads: int, keep_tensors: bool) -> InterpreterSession:
    """Open a .tflite file; see `edgekit.runtime.open_model`.

    Raises:
        SetupError: TensorFlow is in this process; the two cannot share one.
    """
    if "tensorflow" in sys.modules:
        raise SetupError(
            f"{path}: tflite-runtime fails in a process that has imported TensorFlow",
            do="open it with edgekit.runtime.sandbox.open_isolated",
        )
    version = tflite_runtime.__version__
    return InterpreterSession(path, interpreter, "tflite-runtime", version, threads, keep_tensors)
