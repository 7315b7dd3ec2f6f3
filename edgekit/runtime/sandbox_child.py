"""The inside of the sandbox: a process that opens one file, or runs one function, under limits.

What is ours is imported first; the limits stand before the first untrusted byte is read.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from edgekit.errors import EdgekitError, one_line
from edgekit.runtime import Session, opener
from edgekit.runtime.frames import FrameError, read_frame, write_frame

_CPU_GRACE_S = 2  # beyond the wall clock, which the parent watches


def start() -> None:
    """Run `main`; the last line of stderr is what the parent quotes if it fails."""
    try:
        main()
    except Exception as error:
        sys.exit(one_line(f"{type(error).__name__}: {error}"))


def main() -> None:
    """Answer the parent's frames until it closes the pipe."""
    requests, answers = _take_pipes()
    try:
        first, _ = read_frame(requests)
    except EOFError:
        return
    try:
        if "function" in first:
            write_frame(answers, {"result": _run(first)})
        else:
            _serve(first, requests, answers)
    except EdgekitError as error:
        write_frame(answers, {"error": str(error), "exit_code": error.exit_code})
    except MemoryError:
        write_frame(answers, {"error": _out_of_memory(first), "exit_code": 2})


def _serve(first: Mapping[str, Any], requests: IO[bytes], answers: IO[bytes]) -> None:
    """Open the file, say what it takes, then answer one frame an inference."""
    open_in = opener(first["runtime"], first["path"])
    limits = first["limits"]
    _limit(limits, first["threads"])
    session: Session = open_in(
        Path(first["path"]), threads=first["threads"], keep_tensors=first["keep_tensors"]
    )
    signatures = {name: asdict(signature) for name, signature in session.signatures.items()}
    write_frame(answers, {"signatures": signatures, "facts": dict(session.facts)})
    while True:
        try:
            header, inputs = read_frame(requests)
        except EOFError:
            return
        _limit_cpu(limits["timeout_s"], first["threads"])
        try:
            outputs = session(inputs, header["signature"])
            write_frame(answers, {}, outputs)
        except EdgekitError as error:
            write_frame(answers, {"error": str(error), "exit_code": error.exit_code})
        except FrameError as error:
            write_frame(answers, {"error": f"{first['path']}: output: {error}", "exit_code": 2})
        except MemoryError:
            write_frame(answers, {"error": _out_of_memory(first), "exit_code": 2})


def _run(first: Mapping[str, Any]) -> Any:
    module, _, name = first["function"].partition(":")
    function = getattr(import_module(module), name)
    _limit(first["limits"], os.cpu_count() or 1)
    result = function(first["request"])
    sys.stdout.flush()  # before the answer, after which the parent waits for nothing
    return result


def _take_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Keep the two pipes for frames; what libraries print goes to stderr."""
    requests, answers = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # so that progress is seen
    return os.fdopen(requests, "rb"), os.fdopen(answers, "wb")


def _limit(limits: Mapping[str, Any], threads: int) -> None:
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, limits["file_bytes"])
    _lower(resource.RLIMIT_NOFILE, limits["open_files"])
    # Address space, beyond what the runtime itself has reserved by now.
    _lower(resource.RLIMIT_AS, limits["memory_bytes"] + _address_space_bytes())
    _limit_cpu(limits["timeout_s"], threads)


def _lower(kind: int, most: int) -> None:
    """Set a limit that cannot be raised again, unless the user's own is lower."""
    allowed = resource.getrlimit(kind)[1]
    value = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
    resource.setrlimit(kind, (value, value))


def _limit_cpu(timeout_s: float, threads: int) -> None:
    """Grant CPU time for one more call: should the parent die, nothing spins on for ever."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(usage.ru_utime + usage.ru_stime + timeout_s * threads) + _CPU_GRACE_S
    allowed = resource.getrlimit(resource.RLIMIT_CPU)[1]
    if allowed == resource.RLIM_INFINITY or soft < allowed:
        resource.setrlimit(resource.RLIMIT_CPU, (soft, allowed))


def _address_space_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _out_of_memory(first: Mapping[str, Any]) -> str:
    granted = first["limits"]["memory_bytes"] / (1 << 30)
    what = first.get("path") or first["function"]
    return f"{what}: needs more memory than the {granted:g} GiB that the sandbox grants"
