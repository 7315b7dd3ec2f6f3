"""What every device does alike: a folder for us, made on entering and removed on leaving."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from edgekit.device import Kind
from edgekit.errors import InputError


class FolderDevice(ABC):
    """A device but for how its folder is made, filled, used and removed."""

    url: str
    kind: Kind = "measured"
    setup_command: str | None = None
    counter: str | None = None
    _folder: str | None = None

    @property
    def facts(self) -> Mapping[str, Any]:
        """Nothing that the program cannot read for itself."""
        return {}

    @property
    def folder(self) -> str:
        """Our folder there, as the device knows it."""
        if self._folder is None:
            raise RuntimeError("a device is used in a `with`")
        return self._folder

    def __enter__(self) -> FolderDevice:
        """Connect and make the folder."""
        try:
            self._folder = self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the folder and disconnect."""
        if self._folder is not None:
            self._remove(self._folder)
        self._folder = None

    def put(self, source: Path, name: str) -> None:
        """Copy a file of this machine into the folder."""
        try:
            file = source.open("rb")
        except OSError as error:
            raise InputError(f"{source}: cannot be read", got=error.strerror) from None
        with file:
            self._write(file, name, what=f"{source} cannot be copied")

    @property
    @abstractmethod
    def python(self) -> str:
        """The interpreter to run programs with."""

    @abstractmethod
    def run(self, argv: Sequence[str], *, timeout_s: float) -> Iterator[str]:
        """Run a program in the folder and give its lines as they come."""

    @abstractmethod
    def get(self, name: str, target: Path) -> None:
        """Copy a file out of the folder."""

    @abstractmethod
    def _make(self) -> str:
        """Make the folder and return its name there."""

    @abstractmethod
    def _remove(self, folder: str) -> None:
        """Remove the folder; the device may be gone."""

    @abstractmethod
    def _write(self, file: IO[bytes], name: str, *, what: str) -> None:
        """Copy an open file into the folder; `what` is the start of an error's line."""
