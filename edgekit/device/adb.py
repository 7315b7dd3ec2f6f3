"""adb:[SERIAL]: a phone, by Android's debug bridge, with a Python that was pushed there."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from edgekit.device import ProgramError, phone
from edgekit.device.remote import RemoteCommand, RemoteDevice
from edgekit.errors import InputError, SetupError

SERIAL = re.compile(r"[A-Za-z0-9][\w.:-]*")
PLACE = "/data/local/tmp"
# What the client says -> what it means, what to do; the first that fits.
REASONS = (
    ("unauthorized", "not allowed yet", "unlock the phone and allow debugging by this computer"),
    ("offline", "offline", "unlock the phone, and plug it in again"),
    ("no devices/emulators found", "no phone", "plug one in and switch USB debugging on"),
    ("more than one device", "several phones", "name one: edgekit doctor lists them"),
    ("not found", "no such phone", "edgekit doctor lists those in reach"),
    ("no permissions", "this user may not use it", "add udev rules for the phone"),
    ("closed", "connection lost", "plug it in again and run the command again"),
    ("protocol fault", "connection lost", "plug it in again and run the command again"),
    ("cannot connect to daemon", "adb's server does not start", "run: adb start-server"),
)
PROPERTIES = {
    "board": "ro.product.model", "brand": "ro.product.brand", "soc": "ro.soc.model",
    "platform": "ro.board.platform", "android": "ro.build.version.release",
    "build": "ro.build.fingerprint", "abi": "ro.product.cpu.abi",
}  # fmt: skip


class AdbDevice(RemoteDevice):
    """A phone in developer mode, Android 7 or later (before that the shell gave no exit codes)."""

    set_up = phone.set_up  # a Python with all that it needs is pushed

    def __init__(self, url: str, serial: str) -> None:
        home = f"{PLACE}/edgekit"
        super().__init__(url, place=PLACE, home=home, shelf=f"{home}/artifacts")
        self.no_python = f"run: {self.setup_command}"
        self._serial = serial
        self._facts: dict[str, Any] = {}

    @property
    def facts(self) -> Mapping[str, Any]:
        """What getprop says."""
        return self._facts

    def _make(self) -> str:
        if not shutil.which("adb"):
            raise SetupError(f"{self.url}: no adb here", do="run: apt install adb")
        self._facts = self._ask()
        return super()._make()

    def _client(self, command: RemoteCommand) -> list[str]:
        which = ["-s", self._serial] if self._serial else []
        return ["adb", *which, "shell", "-T", command.line]

    def _ask(self) -> dict[str, Any]:
        """Return the phone's properties; what it does not say is left out."""
        script = 'for p; do echo "$p=$(getprop "$p" 2>/dev/null)"; done'
        text = self.call(RemoteCommand(script, tuple(PROPERTIES.values())))
        values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        return {key: values[p] for key, p in PROPERTIES.items() if values.get(p)}

    def _explain(self, error: ProgramError) -> SetupError | None:
        ours = next((w for w in error.words.splitlines() if w.startswith(("error:", "adb:"))), "")
        for words, meaning, remedy in REASONS:
            if ours and words in ours:
                return SetupError(f"{self.url}: {meaning}", do=remedy)
        if ours:
            return SetupError(f"{self.url}: adb failed", got=ours, do="run the command again")
        return super()._explain(error)


def list_phones() -> list[tuple[str, str]]:
    """Return serial and state ("device", "unauthorized", "offline") of every phone in reach."""
    if not shutil.which("adb"):
        return []
    done = subprocess.run(["adb", "devices"], capture_output=True, text=True, check=False)
    rows = [line.split("\t") for line in done.stdout.splitlines()[1:] if "\t" in line]
    return [(row[0], row[1]) for row in rows]


def open_url(url: str) -> AdbDevice:
    """Return the phone of that serial; of the only one in reach where none is given.

    Raises:
        InputError: no serial; one that begins with a dash would be an option.
    """
    serial = url.partition(":")[2]
    if serial and not SERIAL.fullmatch(serial):
        raise InputError(f"device {url}: no serial", expected="adb: or adb:SERIAL")
    return AdbDevice(url, serial)
