"""The sandbox: a file that nobody vouches for is opened in a child process under limits.

A model is code to the runtime that reads it, and runtimes crash, hang and swallow memory on bad
ones; in the child that costs one line. The limits bound accidents and bombs. They are no jail for
an exploit that takes the runtime over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import EdgekitError, InputError
from edgekit.runtime import Arrays, check_inputs, default_runtime
from edgekit.runtime.child_process import ChildProcess, Limits
from edgekit.signature import DEFAULT_SIGNATURE, Signature, TensorSpec

DEFAULT_LIMITS = Limits()


def open_isolated(
    path: str | Path,
    *,
    runtime: str | None = None,
    threads: int = 1,
    keep_tensors: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> IsolatedSession:
    """Open an untrusted model file in a child process; see `edgekit.runtime.open_model`.

    Raises:
        InputError: not a model, or it crashed the runtime, hung it or asked for too much memory.
        SetupError: the runtime is not installed.
    """
    if threads < 1:
        raise InputError("threads", got=threads, expected="1 or more")
    path = Path(path)
    request = {
        "path": str(path),
        "runtime": runtime or default_runtime(path),
        "threads": threads,
        "keep_tensors": keep_tensors,
    }
    return IsolatedSession(path, request, limits)


def run_isolated(
    function: str,
    request: Any,
    *,
    what: str,
    runner: str = "Python",
    limits: Limits = DEFAULT_LIMITS,
    on_line: Callable[[str], None] | None = None,
) -> Any:
    """Call `function` with `request` in a child process and return what it returns.

    Args:
        function: "module:name"; the module is imported before the limits stand.
        request: its argument, of JSON types; so must be the result.
        what: the file that an error line names.
        runner: the library that such a line says has crashed or hung.
        limits: `timeout_s` bounds the import and the call together.
        on_line: called with each line that the child prints, on another thread.

    Raises:
        EdgekitError: as the function raised it, or as InputError where it crashed or hung.
    """
    child = ChildProcess(what, runner, limits, on_line)
    try:
        header, _ = child.ask({"function": function, "request": request, "limits": asdict(limits)})
    finally:
        child.stop()
    return header["result"]


class IsolatedSession:
    """A Session whose model lives in a child process; see `edgekit.runtime.Session`."""

    takes_rows = False

    def __init__(self, path: Path, request: Mapping[str, Any], limits: Limits) -> None:
        self._path = path
        self._child = ChildProcess(str(path), str(request["runtime"]), limits)
        try:
            header, _ = self._child.ask({**request, "limits": asdict(limits)})
            self.signatures: Mapping[str, Signature] = {
                str(name): _signature(item) for name, item in header["signatures"].items()
            }
            self.facts: Mapping[str, Any] = {str(k): v for k, v in header["facts"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self.close()
            raise InputError(f"{path}: the sandbox answered nonsense", got=repr(error)) from None
        except EdgekitError:
            self.close()
            raise

    def __call__(
        self, inputs: Arrays, signature: str = DEFAULT_SIGNATURE
    ) -> dict[str, npt.NDArray[Any]]:
        """Run one inference."""
        check_inputs(inputs, self.signatures, signature, str(self._path))
        _, outputs = self._child.ask({"signature": signature}, inputs)
        return outputs

    def close(self) -> None:
        """End the child."""
        self._child.stop()


def _signature(item: Mapping[str, Any]) -> Signature:
    """Build a signature from what the child says, which is not trusted."""
    return Signature(
        tuple(_spec(spec) for spec in item["inputs"]),
        tuple(_spec(spec) for spec in item["outputs"]),
    )


def _spec(item: Mapping[str, Any]) -> TensorSpec:
    scale, zero_point = item["scale"], item["zero_point"]
    return TensorSpec(
        str(item["name"]),
        tuple(int(size) for size in item["shape"]),
        np.dtype(str(item["dtype"])).name,
        None if scale is None else float(scale),
        None if zero_point is None else int(zero_point),
    )
