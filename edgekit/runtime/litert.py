"""LiteRT, the default for .tflite files: int8 runs on XNNPACK, as on today's phones."""

from __future__ import annotations

from pathlib import Path

import ai_edge_litert
from ai_edge_litert import interpreter

from edgekit.runtime.interpreter import InterpreterSession


def open_model(path: Path, *, threads: int, keep_tensors: bool) -> InterpreterSession:
    """Open a .tflite file; see `edgekit.runtime.open_model`."""
    version = ai_edge_litert.__version__
    return InterpreterSession(path, interpreter, "litert", version, threads, keep_tensors)
