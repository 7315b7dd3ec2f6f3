"""Which kinds of device this machine can use, and what is missing for the others."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from edgekit.device import DEVICES
from edgekit.device.adb import list_phones
from edgekit.device.emulator import userland
from edgekit.errors import SetupError

# The Debian packages that each kind needs on this machine.
PACKAGES = {
    "local": (),
    "ssh": ("openssh-client",),
    "adb": ("adb",),
    "qemu": ("qemu-user", "gcc"),
}
CLIENTS = {"ssh": "ssh", "adb": "adb"}


@dataclass(frozen=True)
class Reach:
    """One kind of device."""

    kind: str
    packages: tuple[str, ...]  # of Debian
    ready: bool
    found: tuple[str, ...]  # devices in reach, or where the client is
    remedy: str  # what to do where it is not ready


def look_around() -> list[Reach]:
    """Return every kind of device with what is missing; connects to none."""
    return [_look(kind) for kind in DEVICES]


def _look(kind: str) -> Reach:
    packages = PACKAGES[kind]
    if kind == "qemu":
        try:
            place = userland.find()
        except SetupError as error:
            return Reach(kind, packages, False, (), str(error).removeprefix("qemu: "))
        return Reach(kind, packages, True, (str(place),), "")
    client = shutil.which(CLIENTS[kind]) if kind in CLIENTS else "this machine"
    if not client:
        return Reach(kind, packages, False, (), f"run: apt install {' '.join(packages)}")
    phones = [f"{serial} ({state})" for serial, state in list_phones()] if kind == "adb" else []
    return Reach(kind, packages, True, (client, *phones), "")
