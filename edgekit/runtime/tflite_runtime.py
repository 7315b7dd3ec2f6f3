"""tflite-runtime 2.14, the interpreter of older Raspberry Pis: int8 runs on the builtin kernels."""

from __future__ import annotations

from pathlib import Path

import tflite_runtime
from tflite_runtime import interpreter

from edgekit.runtime.interpreter import InterpreterSession


def open_model(path: Path, *, threads: int, keep_tensors: bool) -> InterpreterSession:
    """Open a .tflite file; see `edgekit.runtime.open_model`."""
    version = tflite_runtime.__version__
    return InterpreterSession(path, interpreter, "tflite-runtime", version, threads, keep_tensors)
