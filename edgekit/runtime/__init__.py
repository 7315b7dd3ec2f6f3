"""Sessions: a model file opened in one runtime.

The host runs the same interpreter as the device; nothing here falls back to TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError, MissingExtraError
from edgekit.signature import DEFAULT_SIGNATURE, Signature

Arrays = Mapping[str, npt.NDArray[Any]]


class Session(Protocol):
    """A loaded model. Raw tensors in, raw tensors out, both by name."""

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """The entry points of the file."""
        ...

    takes_rows: bool
    """Whether one call may hold many rows for a file of batch 1: each is then an inference."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Runtime, its version, threads, and how many of the nodes a delegate took."""
        ...

    def __call__(
        self, inputs: Arrays, signature: str = DEFAULT_SIGNATURE
    ) -> dict[str, npt.NDArray[Any]]:
        """Run one inference."""
        ...

    def close(self) -> None:
        """Free the model; a second call does nothing."""
        ...


# runtime -> (file format, module, extra)
RUNTIMES: dict[str, tuple[str, str, str]] = {
    "litert": ("tflite", "edgekit.runtime.litert", "litert"),
    "tflite-runtime": ("tflite", "edgekit.runtime.tflite_runtime", "tflite"),
    "onnxruntime": ("onnx", "edgekit.runtime.onnxruntime", "onnx"),
}
SIGNATURE = "signature"  # in the metadata of an .onnx that is one entry point of several
FORMATS = {".tflite": "tflite", ".onnx": "onnx"}


def file_format(path: str | Path) -> str:
    """Return "tflite" or "onnx" by what the file is called.

    Raises:
        InputError: neither.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        nothing = "no suffix" if Path(path).exists() else "no such file or folder"
        raise InputError(
            f"{path}: not a model file", got=suffix or nothing, expected=".tflite or .onnx"
        )
    return FORMATS[suffix]


def default_runtime(path: str | Path) -> str:
    """Return the runtime that opens `path` unless another is asked for."""
    return "litert" if file_format(path) == "tflite" else "onnxruntime"


def opener(runtime: str, path: str | Path) -> Callable[..., Session]:
    """Return the function that opens `path` in `runtime`.

    Raises:
        InputError: no such runtime, or it reads another format.
        MissingExtraError: it is not installed.
    """
    if runtime not in RUNTIMES:
        raise InputError(f"runtime {runtime}: unknown", expected="one of " + ", ".join(RUNTIMES))
    format, module, extra = RUNTIMES[runtime]
    if file_format(path) != format:
        raise InputError(f"{path}: not for {runtime}", expected=f"a .{format} file")
    try:
        return import_module(module).open_model  # type: ignore[no-any-return]
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or runtime, extra) from None


def open_model(
    path: str | Path, *, runtime: str | None = None, threads: int = 1, keep_tensors: bool = False
) -> Session:
    """Open a trusted model file in this process.

    Args:
        path: a .tflite or .onnx file.
        runtime: a key of RUNTIMES; by default LiteRT or ONNX Runtime, by format.
        threads: of the interpreter.
        keep_tensors: return every intermediate tensor beside the outputs, on reference-order
            kernels without a delegate, for looking inside a network; the signature lists them
            as outputs, after the file's own and in the order in which they are written.

    Raises:
        InputError: not a model, or damaged in a way that the runtime notices.
        MissingExtraError: the runtime is not installed.
    """
    if threads < 1:
        raise InputError("threads", got=threads, expected="1 or more")
    open_in = opener(runtime or default_runtime(path), path)
    return open_in(Path(path), threads=threads, keep_tensors=keep_tensors)


def check_inputs(
    inputs: Arrays, signatures: Mapping[str, Signature], name: str, where: str
) -> None:
    """Compare names, shapes and dtypes with what the signature called `name` takes.

    Raises:
        InputError: there is no such signature, or something differs; the line names it.
    """
    if name not in signatures:
        raise InputError(f"{where}: no signature {name}", expected=", ".join(signatures))
    signature = signatures[name]
    names = [spec.name for spec in signature.inputs]
    if set(inputs) != set(names):
        raise InputError(
            f"{where}: wrong inputs", got=", ".join(inputs) or "none", expected=", ".join(names)
        )
    for spec in signature.inputs:
        array = inputs[spec.name]
        fits = len(array.shape) == len(spec.shape) and all(
            want in (-1, got) for got, want in zip(array.shape, spec.shape, strict=True)
        )
        if not fits or array.dtype != np.dtype(spec.dtype):
            raise InputError(
                f"{where}: input {spec.name} does not fit",
                got=f"{array.dtype} {list(array.shape)}",
                expected=f"{spec.dtype} {list(spec.shape)}",
            )


def read_model(path: Path) -> bytes:
    """Return the bytes of a model file: what is hashed, parsed and run is then the same.

    Raises:
        InputError: it cannot be read, or it is empty.
    """
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise InputError(f"{path}: cannot be read", got=_reason(error)) from None
    if not content:
        raise InputError(f"{path}: empty", expected="a model")
    return content


@contextmanager
def runtime_errors(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a runtime raises into one line with its own reason."""
    try:
        yield
    except InputError:
        raise
    # The runtimes raise RuntimeError, ValueError, TypeError, MemoryError and types of their own.
    except Exception as error:
        raise InputError(f"{path}: {what}", got=_reason(error)) from None


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "out of memory"
    # LiteRT says nothing where an allocation failed.
    silent = f"{type(error).__name__} without a reason, as when memory runs out"
    text = getattr(error, "strerror", None) or str(error) or silent
    return " ".join(str(text).split())[:300]
