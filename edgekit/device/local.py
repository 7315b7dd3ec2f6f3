"""This machine as a device: a temporary folder and a child process."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from edgekit.device import Kind, ProgramError
from edgekit.errors import InputError, SetupError


class LocalDevice:
    """The machine that edgekit itself runs on, with the same Python."""

    url = "local"
    kind: Kind = "measured"
    python = sys.executable

    def __init__(self) -> None:
        self._folder: Path | None = None

    @property
    def facts(self) -> Mapping[str, Any]:
        """Nothing that the program cannot read for itself."""
        return {}

    def __enter__(self) -> LocalDevice:
        """Make the folder."""
        try:
            self._folder = Path(tempfile.mkdtemp(prefix="edgekit-"))
        except OSError as error:
            raise SetupError(
                "local: no temporary folder", got=error.strerror or error, do="set TMPDIR"
            ) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the folder."""
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None

    def put(self, source: Path, name: str) -> None:
        """Copy a file into the folder."""
        try:
            file = source.open("rb")
        except OSError as error:
            raise InputError(f"{source}: cannot be read", got=error.strerror) from None
        with file:
            try:
                with (self._inside() / name).open("wb") as copy:
                    shutil.copyfileobj(file, copy)
            except OSError as error:
                raise SetupError(f"local: {source} cannot be copied", got=error.strerror) from None

    def run(self, argv: Sequence[str], *, timeout_s: float) -> Iterator[str]:
        """Run a program in the folder and give its lines as they come."""
        # stderr goes to a file: a pipe that nobody reads would block a talkative program.
        with tempfile.TemporaryFile() as stderr:
            process = self._start(argv, stderr)
            late = threading.Event()

            def expire() -> None:
                late.set()
                _kill(process)

            timer = threading.Timer(timeout_s, expire)
            timer.daemon = True  # an interrupt at any moment must not wait for it
            try:
                timer.start()
                yield from process.stdout or ()
                process.wait()
            finally:
                timer.cancel()
                _kill(process)
                if process.stdout:
                    process.stdout.close()
            if late.is_set():
                raise ProgramError(
                    f"local: {Path(argv[0]).name} took too long", None, ending=f"{timeout_s:g} s"
                )
            if process.returncode:
                raise _bad_end(argv, process.returncode, stderr)

    def get(self, name: str, target: Path) -> None:
        """Copy a file out of the folder."""
        try:
            shutil.copyfile(self._inside() / name, target)
        except OSError as error:
            raise SetupError(f"local: {name} cannot be fetched", got=error.strerror) from None

    def _start(self, argv: Sequence[str], stderr: IO[bytes]) -> subprocess.Popen[str]:
        try:
            return subprocess.Popen(
                list(argv),
                cwd=self._inside(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,  # so that its children can be ended with it
            )
        except OSError as error:
            raise SetupError(f"local: {argv[0]} cannot be run", got=error.strerror) from None

    def _inside(self) -> Path:
        if self._folder is None:
            raise RuntimeError("a device is used in a `with`")
        return self._folder


def open_url(url: str) -> LocalDevice:
    """Return this machine.

    Raises:
        InputError: `url` says more than "local".
    """
    if url != "local":
        raise InputError(f"device {url}: unknown", expected="local")
    return LocalDevice()


def _kill(process: subprocess.Popen[str]) -> None:
    """End the process and its children, and reap it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _bad_end(argv: Sequence[str], code: int, stderr: IO[bytes]) -> ProgramError:
    status = 128 - code if code < 0 else code
    got = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    stderr.seek(0)
    lines = stderr.read()[-4000:].decode("utf-8", "replace").strip().splitlines()
    return ProgramError(
        f"local: {Path(argv[0]).name} failed", status, ending=": ".join([got, *lines[-1:]])
    )
