"""qemu:CORE, an emulated ARM core: exact instruction counts and ARM's own answers; never times.

QEMU's user-mode emulator runs the worker in an aarch64 userland (`edgekit device create qemu`) and
a plugin counts what it executes (`emulator/count_instructions.c`).
"""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.device import Kind
from edgekit.device.emulator import userland
from edgekit.device.local import LocalDevice
from edgekit.device.process import stream
from edgekit.errors import InputError

ARMV8_0 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
ARMV8_2 = f"{ARMV8_0} atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"


@dataclass(frozen=True)
class Core:
    """A core that QEMU knows, and the data caches that it is taken to have."""

    part: str  # in /proc/cpuinfo
    features: str  # the same
    l1: str  # bytes:ways of the first level, from Arm's reference manual
    l2: str  # of the second, as the board has it
    board: str  # that the second level is taken from


CORES = {
    "cortex-a53": Core("0xd03", ARMV8_0, "32768:4", "524288:16", "Raspberry Pi 3"),
    "cortex-a57": Core("0xd07", ARMV8_0, "32768:2", "2097152:16", "Jetson TX1"),
    "cortex-a72": Core("0xd08", ARMV8_0, "32768:2", "1048576:16", "Raspberry Pi 4"),
    "cortex-a76": Core("0xd0b", ARMV8_2, "65536:4", "524288:8", "Raspberry Pi 5"),
    "neoverse-n1": Core("0xd0c", ARMV8_2, "65536:4", "1048576:8", "Graviton 2"),
}  # fmt: skip
CPUINFO = """processor\t: 0
BogoMIPS\t: 100.00
Features\t: {core.features}
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x1
CPU part\t: {core.part}
CPU revision\t: 0

"""
# Whatever changes what a program does from run to run; no address is chosen by chance.
STEADY = {
    "PYTHONHASHSEED": "0", "PYTHONNOUSERSITE": "1", "PYTHONDONTWRITEBYTECODE": "1",
    "OPENBLAS_NUM_THREADS": "1", "LC_ALL": "C.UTF-8",
}  # fmt: skip
FIXED_ADDRESSES = ("setarch", "--addr-no-randomize")


class EmulatedCore(LocalDevice):
    """One ARM core, emulated on this machine.

    Args:
        core: a key of CORES.
        caches: simulate the core's data caches as well, which takes several times as long.
        cpuinfo: what programs read in /proc/cpuinfo, by which runtimes choose kernels; by default
            what that core says.
        packages: a folder of Python packages to find before those of the userland.
    """

    kind: Kind = "simulated"
    counter: str | None = "instructions.txt"
    setup_command: str | None = "edgekit device create qemu"

    def __init__(
        self, core: str, *, caches: bool = False, cpuinfo: str = "", packages: Path | None = None
    ) -> None:
        self.url = f"qemu:{core}"
        self._core = core
        self._caches = caches
        self._cpuinfo = cpuinfo or CPUINFO.format(core=CORES[core])
        self._packages = f"{packages}:" if packages else ""

    @property
    def facts(self) -> Mapping[str, Any]:
        """The emulated core; what a program reads of clocks and memory is this machine's."""
        core = CORES[self._core]
        caches = {"l1_data": core.l1, "l2": core.l2, "as_on": core.board} if self._caches else None
        return {
            "board": None, "cpu": self._core, "cores": 1, "governor": None, "memory_bytes": None,
            "features": sorted({"asimd", "asimddp", "asimdhp"} & set(core.features.split())),
            "emulator": _emulator(), "caches": caches,
        }  # fmt: skip

    def run(self, argv: Sequence[str], *, timeout_s: float) -> Iterator[str]:
        """Run a program of the userland in the folder, counting."""
        core = CORES[self._core]
        plugin = f"{self._userland / 'count_instructions.so'},out={self.counter}"
        if self._caches:
            plugin += f",l1={core.l1},l2={core.l2}"
        environment = {**STEADY, "PYTHONPATH": f"{self._packages}/{userland.SITE}"}
        emulator = [*FIXED_ADDRESSES, "qemu-aarch64", "-cpu", self._core, "-L", str(self._root)]
        emulator += [part for k, v in environment.items() for part in ("-E", f"{k}={v}")]
        emulator += ["-plugin", plugin]
        what = f"{self.url}: {Path(argv[0]).name}"
        folder = Path(self.folder)
        return stream([*emulator, *argv], what=what, timeout_s=timeout_s, folder=folder)

    def _make(self) -> str:
        """Look for the userland and make the folder.

        Raises:
            SetupError: it has not been set up.
        """
        self._userland = userland.find()
        self._root = userland.core_root(self._userland, self._core, self._cpuinfo)
        self.python = str(self._root / "usr/bin/python3.11")
        return super()._make()


@functools.cache
def _emulator() -> str:
    """Return the emulator's name and version, as it says them itself."""
    argv = ["qemu-aarch64", "--version"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0]


def open_url(url: str) -> EmulatedCore:
    """Return the core of "qemu:CORE", or of "qemu:CORE+caches".

    Raises:
        InputError: no such core.
    """
    core, plus, extra = url.partition(":")[2].partition("+")
    if core not in CORES or extra != ("caches" if plus else ""):
        expected = f"qemu:CORE or qemu:CORE+caches, CORE one of {', '.join(CORES)}"
        raise InputError(f"device {url}: unknown", expected=expected)
    return EmulatedCore(core, caches=bool(plus))
