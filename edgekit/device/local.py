"""This machine as a device: a temporary folder and a child process."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from edgekit.device import Kind
from edgekit.device.process import stream
from edgekit.errors import InputError, SetupError


class LocalDevice:
    """The machine that edgekit itself runs on, with the same Python."""

    url = "local"
    kind: Kind = "measured"
    python = sys.executable
    setup_command: str | None = None
    counter: str | None = None

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
                f"{self.url}: no temporary folder", got=error.strerror or error, do="set TMPDIR"
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
                raise SetupError(
                    f"{self.url}: {source} cannot be copied", got=error.strerror
                ) from None

    def run(self, argv: Sequence[str], *, timeout_s: float) -> Iterator[str]:
        """Run a program in the folder and give its lines as they come."""
        what = f"{self.url}: {Path(argv[0]).name}"
        return stream(argv, what=what, timeout_s=timeout_s, folder=self._inside())

    def get(self, name: str, target: Path) -> None:
        """Copy a file out of the folder."""
        try:
            shutil.copyfile(self._inside() / name, target)
        except OSError as error:
            raise SetupError(f"{self.url}: {name} cannot be fetched", got=error.strerror) from None

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
