"""Which devices this machine can use, and what is missing for the others."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from edgekit.device import DEVICES
from edgekit.device.adb import list_phones
from edgekit.device.emulator import userland
from edgekit.device.qemu import CORES
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


@dataclass(frozen=True)
class Place:
    """One device as `--on` takes it."""

    url: str
    what: str
    remedy: str  # what to do before it can be used; "" where it can


def list_places() -> list[Place]:
    """Return every device that can be named, phones and emulated cores one by one."""
    kinds = {reach.kind: reach.remedy for reach in look_around()}
    phones = {serial: "" if state == "device" else state for serial, state in list_phones()}
    if not phones and not kinds["adb"]:
        phones = {"": "none: allow USB debugging"}
    if kinds["adb"]:
        phones = {"": kinds["adb"]}
    return [
        Place("local", "this machine", kinds["local"]),
        Place("ssh://HOST", "a board with Linux", kinds["ssh"]),
        *(Place(f"adb:{serial}", "a phone", remedy) for serial, remedy in phones.items()),
        *(Place(f"qemu:{name}", f"emulated {core.board} core", kinds["qemu"])
          for name, core in CORES.items()),
    ]  # fmt: skip


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
