"""A child process that answers frames, under limits and a watchdog.

However it ends, the parent gets one line that says so.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any
from weakref import finalize

import numpy.typing as npt

from edgekit.errors import EdgekitError, InputError, SetupError
from edgekit.runtime.frames import Arrays, FrameError, read_frame, write_frame

# The parent's own path, and nothing from the working directory, decides what the child imports.
_START = (
    "import sys; sys.path[:] = sys.argv[1:]; import edgekit.runtime.sandbox_child as c; c.start()"
)
_LINE_BYTES = 4096  # of a line that the child prints; what is longer is cut
_LINES = 100  # that are kept: a stack trace goes by before the end
# What a dying library says of the cause, between its banners and the stack.
_REASON = re.compile(r"^(?!I\d{4} ).*(error|fail|what\(\)|bad_alloc)", re.IGNORECASE)
_LAST_WORDS_S = 2.0  # to read what a dead child left in the pipe; its own children may hold it open


@dataclass(frozen=True)
class Limits:
    """What a child may take."""

    timeout_s: float = 60.0  # wall clock of opening and of each call
    memory_bytes: int = 4 << 30  # address space beyond what the runtime has when it is loaded
    file_bytes: int = 0  # the largest file that it may write
    open_files: int = 64


class ChildProcess:
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
        self._last_lines: deque[str] = deque(maxlen=_LINES)
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
        """Kill the child and hear what it said to the end; a second call does nothing."""
        self._finalizer()
        self._listener.join(timeout=_LAST_WORDS_S)

    def _end(self, late: threading.Event) -> None:
        late.set()
        self._process.kill()

    def _failure(self, error: Exception, late: bool) -> EdgekitError:
        """Return the one line that says how the child ended."""
        if isinstance(error, FrameError) and self._process.poll() is None:
            self.stop()
            return InputError(f"{self._what}: the sandbox answered nonsense", got=error)
        code = self._process.wait()
        self.stop()
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
                got=next(filter(_REASON.search, reversed(self._last_lines)), ""),
                do=f"the file is damaged, made to do harm, or beyond {self._runner}; take it from "
                "its source again, or ask for one scheme at a time",
            )
        said = self._last_lines[-1] if self._last_lines else ""
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
