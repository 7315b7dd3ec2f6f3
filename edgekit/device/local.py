"""This machine as a device: a temporary folder and a child process."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from edgekit.device.folder import FolderDevice
from edgekit.device.process import stream
from edgekit.errors import InputError, SetupError


class LocalDevice(FolderDevice):
    """The machine that edgekit itself runs on, with the same Python."""

    url = "local"
    python = sys.executable

    def run(self, argv: Sequence[str], *, timeout_s: float) -> Iterator[str]:
        """Run a program in the folder and give its lines as they come."""
        what = f"{self.url}: {Path(argv[0]).name}"
        return stream(argv, what=what, timeout_s=timeout_s, folder=Path(self.folder))

    def get(self, name: str, target: Path) -> None:
        """Copy a file out of the folder."""
        try:
            shutil.copyfile(Path(self.folder) / name, target)
        except OSError as error:
            raise SetupError(f"{self.url}: {name} cannot be fetched", got=error.strerror) from None

    def _make(self) -> str:
        try:
            return tempfile.mkdtemp(prefix="edgekit-")
        except OSError as error:
            raise SetupError(
                f"{self.url}: no temporary folder", got=error.strerror or error, do="set TMPDIR"
            ) from None

    def _remove(self, folder: str) -> None:
        shutil.rmtree(folder, ignore_errors=True)

    def _write(self, file: IO[bytes], name: str, *, what: str) -> None:
        try:
            with (Path(self.folder) / name).open("wb") as copy:
                shutil.copyfileobj(file, copy)
        except OSError as error:
            raise SetupError(f"{self.url}: {what}", got=error.strerror) from None


def open_url(url: str) -> LocalDevice:
    """Return this machine.

    Raises:
        InputError: `url` says more than "local".
    """
    if url != "local":
        raise InputError(f"device {url}: unknown", expected="local")
    return LocalDevice()
