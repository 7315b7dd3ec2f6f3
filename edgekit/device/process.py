"""A program on this machine, watched: its lines as they come, and any bad ending in one line."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from edgekit.device import ProgramError
from edgekit.errors import SetupError

_running: set[_Program] = set()


class _Program:
    """A process with all its children, and why it was ended, if it was."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.ended: str | None = None

    def end(self, why: str) -> None:
        """End it because of `why`; whoever reads its lines gets a ProgramError."""
        self.ended = why
        self.kill()

    def kill(self) -> None:
        """End it, wherever it is by now, and reap it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def end_all() -> None:
    """End what runs at this moment, in whatever thread: the user interrupts."""
    for program in tuple(_running):
        program.end("was interrupted")


def stream(
    argv: Sequence[str],
    *,
    what: str,
    timeout_s: float,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    stdin: IO[bytes] | None = None,
    stdout: IO[bytes] | None = None,
) -> Iterator[str]:
    """Run a program and give the lines of its stdout as they come.

    Args:
        argv: the program and its arguments; no shell parses them.
        what: starts the line of an error, as "local: python".
        timeout_s: wall clock.
        folder: to run in.
        environment: beside this process's own.
        stdin: what it may read; nothing where None.
        stdout: takes what it writes; no lines are given then.

    Raises:
        ProgramError: it ended badly or took too long; the lines before that were given.
        SetupError: it could not be started.
    """
    # stderr goes to a file: a pipe that nobody reads would block a talkative program.
    with tempfile.TemporaryFile() as stderr:
        try:
            process = subprocess.Popen(
                list(argv),
                cwd=folder,
                env={**os.environ, **(environment or {})},
                stdin=stdin or subprocess.DEVNULL,
                stdout=stdout or subprocess.PIPE,
                stderr=stderr,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,  # so that its children can be ended with it
            )
        except OSError as error:
            raise SetupError(f"{what} cannot be run", got=error.strerror) from None
        program = _Program(process)
        _running.add(program)
        timer = threading.Timer(timeout_s, program.end, ("took too long",))
        timer.daemon = True  # an interrupt at any moment must not wait for it
        try:
            timer.start()
            yield from process.stdout or ()
            process.wait()
        finally:
            timer.cancel()
            program.kill()
            _running.discard(program)
            if process.stdout:
                process.stdout.close()
        if program.ended:
            raise ProgramError(f"{what} {program.ended}", None, ending=f"{timeout_s:g} s")
        if process.returncode:
            raise _bad_end(what, process.returncode, stderr)


def finish(
    argv: Sequence[str],
    *,
    what: str,
    timeout_s: float,
    stdin: IO[bytes] | None = None,
    stdout: IO[bytes] | None = None,
) -> str:
    """Run a program to its end and return its stdout.

    Raises:
        ProgramError: it ended badly or took too long.
        SetupError: it could not be started.
    """
    lines = stream(argv, what=what, timeout_s=timeout_s, stdin=stdin, stdout=stdout)
    return "".join(lines)


def _bad_end(what: str, code: int, stderr: IO[bytes]) -> ProgramError:
    status = 128 - code if code < 0 else code
    got = signal.Signals(-code).name if code < 0 else ending_of(status)
    stderr.seek(0)
    words = stderr.read()[-4000:].decode("utf-8", "replace").strip()
    ending = ": ".join([got, *words.splitlines()[-1:]])
    return ProgramError(f"{what} failed", status, ending=ending, words=words)


def ending_of(status: int) -> str:
    """Return an exit code in words: a shell gives 128 + N for signal N."""
    try:
        return signal.Signals(status - 128).name
    except ValueError:
        return f"exit code {status}"
