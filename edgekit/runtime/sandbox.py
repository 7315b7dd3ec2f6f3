"""The sandbox: a file that nobody vouches for is opened in a child process under limits.

A model is code to the runtime that reads it, and runtimes crash, hang and swallow memory on bad
ones; in the child that costs one line. The limits bound accidents and bombs. They are no jail for
an exploit that takes the runtime over.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any
from weakref import finalize

import numpy as np
import numpy.typing as npt

from edgekit.artifact import DEFAULT_SIGNATURE, Signature, TensorSpec
from edgekit.errors import EdgekitError, InputError, SetupError
from edgekit.runtime import Arrays, check_inputs, default_runtime
from edgekit.runtime.frames import FrameError, read_frame, write_frame

# The parent's own path, and nothing from the working directory, decides what the child imports.
_START = (
    "import sys; sys.path[:] = sys.argv[1:]; import edgekit.runtime.sandbox_child as c; c.start()"
)
_LINE_BYTES = 4096  # of a line that the child prints; what is longer is cut


@dataclass(frozen=True)
class Limits:
    """What a child may take."""

    timeout_s: float = 60.0  # wall clock of opening and of each call
    memory_bytes: int = 4 << 30  # address space beyond what the runtime has when it is loaded
    file_bytes: int = 0  # the largest file that it may write
    open_files: int = 64


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
    child = _Child(what, runner, limits, on_line)
    try:
        header, _ = child.ask({"function": function, "request": request, "limits": asdict(limits)})
    finally:
        child.stop()
    return header["result"]


class IsolatedSession:
    """A Session whose model lives in a child process; see `edgekit.runtime.Session`."""

    def __init__(self, path: Path, request: Mapping[str, Any], limits: Limits) -> None:
        self._path = path
        self._child = _Child(str(path), str(request["runtime"]), limits)
        header, _ = self._child.ask({**request, "limits": asdict(limits)})
        try:
            self.signatures: Mapping[str, Signature] = {
                str(name): _signature(item) for name, item in header["signatures"].items()
            }
            self.facts: Mapping[str, Any] = {str(k): v for k, v in header["facts"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self.close()
            raise InputError(f"{path}: the sandbox answered nonsense", got=repr(error)) from None

    def __call__(
        self, inputs: Arrays, signature: str = DEFAULT_SIGNATURE
    ) -> dict[str, npt.NDArray[Any]]:
        """Run one inference."""
        if signature not in self.signatures:
            raise InputError(
                f"{self._path}: no signature {signature}", expected=", ".join(self.signatures)
            )
        check_inputs(inputs, self.signatures[signature], str(self._path))
        _, outputs = self._child.ask({"signature": signature}, inputs)
        return outputs

    def close(self) -> None:
        """End the child."""
        self._child.stop()


class _Child:
    """A child process and the frames to it; a watchdog kills it when a call takes too long."""

    def __init__(
        self,
        what: str,
        runner: str,
        limits: Limits,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        self._what = what
        self._runner = runner
        self._limits = limits
        # Big machines: OpenBLAS would reserve memory for every core, and the child uses none.
        environment = {"OPENBLAS_NUM_THREADS": "1", **os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        self._last_lines: deque[str] = deque(maxlen=5)
        assert self._process.stderr
        self._listener = threading.Thread(
            target=_listen, args=(self._process.stderr, self._last_lines, on_line), daemon=True
        )
        self._listener.start()
        self._finalizer = finalize(self, _stop, self._process)

    def ask(
        self, header: Mapping[str, Any], arrays: Arrays | None = None
    ) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Send a frame and return the answer; whatever goes wrong ends the child.

        Raises:
            EdgekitError: what the child reported, or how it died.
        """
        if not self._finalizer.alive:
            raise ValueError("the session is closed")
        late = threading.Event()
        watchdog = threading.Timer(self._limits.timeout_s, self._end, [late])
        watchdog.daemon = True
        watchdog.start()
        try:
            assert self._process.stdin
            assert self._process.stdout
            write_frame(self._process.stdin, header, arrays)
            answer, outputs = read_frame(self._process.stdout)
        except (EOFError, OSError, FrameError, ValueError) as error:
            raise self._failure(error, late.is_set()) from None
        except BaseException:  # an interrupt: what the child would answer, nobody waits for
            self.stop()
            raise
        finally:
            watchdog.cancel()
        if "error" in answer:
            kind = SetupError if answer.get("exit_code") == SetupError.exit_code else InputError
            raise kind(str(answer["error"])[:1000])
        return answer, outputs

    def stop(self) -> None:
        """Kill the child and wait for it; a second call does nothing."""
        self._finalizer()

    def _end(self, late: threading.Event) -> None:
        late.set()
        self._process.kill()

    def _failure(self, error: Exception, late: bool) -> EdgekitError:
        """Return the one line that says how the child ended."""
        if isinstance(error, FrameError) and self._process.poll() is None:
            self.stop()
            return InputError(f"{self._what}: the sandbox answered nonsense", got=error)
        code = self._process.wait()
        self._listener.join(timeout=1)
        self.stop()
        said = self._last_lines[-1] if self._last_lines else ""
        if late:
            return InputError(
                f"{self._what}: no answer from {self._runner}",
                got=f"nothing in {self._limits.timeout_s:g} s",
                do="it may never end; do not use this file, or grant it more time",
            )
        if code == -signal.SIGXCPU:
            return InputError(
                f"{self._what}: no answer from {self._runner}", got="its CPU time used up"
            )
        if code < 0:
            return InputError(
                f"{self._what}: crashed {self._runner} ({signal.Signals(-code).name})",
                got=said,
                do="the file is damaged or made to do harm; take it from its source again",
            )
        return SetupError(f"{self._what}: the sandbox ended", got=said or f"exit code {code}")


def _listen(
    stream: IO[bytes], last_lines: deque[str], on_line: Callable[[str], None] | None
) -> None:
    with stream:
        while line := stream.readline(_LINE_BYTES):
            text = line.decode("utf-8", "replace").rstrip()
            if text:
                last_lines.append(text[:300])
            if on_line:
                on_line(text)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        # Closing flushes what the child never took.
        with suppress(OSError):
            if stream:
                stream.close()


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
