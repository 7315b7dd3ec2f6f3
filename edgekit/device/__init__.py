"""Devices: where a model runs. A device takes files, runs a program and gives its lines back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol

from edgekit.errors import InputError, SetupError

# How a figure was obtained; figures of different kinds are never printed in one column.
Kind = Literal["measured", "simulated", "predicted"]

# URL scheme -> module with `open_url(url) -> Device`
DEVICES: dict[str, str] = {
    "local": "edgekit.device.local",
    "ssh": "edgekit.device.ssh",
    "adb": "edgekit.device.adb",
    "qemu": "edgekit.device.qemu",
}


class ProgramError(SetupError):
    """A program on the device ended badly.

    Attributes:
        status: the exit code as a shell gives it (128 + N for signal N), None after a timeout.
        ending: the same in words, as "SIGSEGV".
        words: the end of what it wrote to stderr.
    """

    def __init__(self, what: str, status: int | None, *, ending: str, words: str = "") -> None:
        super().__init__(what, got=ending)
        self.status = status
        self.ending = ending
        self.words = words


class Device(Protocol):
    """A machine with a folder of its own for us, from `__enter__` to `__exit__`.

    Names on the device are ours (plain ASCII, generated), whatever the files are called here.
    """

    @property
    def url(self) -> str:
        """What the user asked for."""
        ...

    @property
    def kind(self) -> Kind:
        """What a time taken there is."""
        ...

    @property
    def python(self) -> str:
        """The interpreter to run programs with, as the device knows it.

        Raises:
            SetupError: there is none.
        """
        ...

    @property
    def setup_command(self) -> str | None:
        """What installs runtimes there; None where it is the pip of edgekit itself."""
        ...

    @property
    def counter(self) -> str | None:
        """The file in the folder that gets the instructions up to each mark of a program.

        None where time is measured instead.
        """
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the connection knows better than a program that looks around on the device."""
        ...

    def __enter__(self) -> Device:
        """Connect and make the folder.

        Raises:
            SetupError: out of reach.
        """
        ...

    def __exit__(self, *_: object) -> None:
        """Remove the folder and disconnect."""
        ...

    def put(self, source: Path, name: str) -> None:
        """Copy a file of this machine into the folder.

        Raises:
            InputError: it cannot be read here.
            SetupError: it cannot be written there.
        """
        ...

    def run(self, argv: Sequence[str], *, timeout_s: float) -> Iterator[str]:
        """Run a program in the folder and give the lines of its stdout as they come.

        Raises:
            ProgramError: it ended badly or took too long; the lines before that were given.
            SetupError: it could not be started, or the device was lost.
        """
        ...

    def get(self, name: str, target: Path) -> None:
        """Copy a file of the folder to this machine.

        Raises:
            SetupError: it is not there.
        """
        ...


def open_device(url: str) -> Device:
    """Return the device that `url` names, to be used in a `with`.

    Raises:
        InputError: no such kind of device.
    """
    scheme = url.partition(":")[0]
    if scheme not in DEVICES:
        raise InputError(f"device {url}: unknown", expected="one of " + ", ".join(DEVICES))
    device: Device = import_module(DEVICES[scheme]).open_url(url)
    return device
