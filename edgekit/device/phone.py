"""Set a phone up: Debian's Python with its C library, NumPy and runtimes, in adb's own folder.

Android has no Python that adb's shell may run, and no glibc, which the runtimes' wheels are built
for. Both are pushed; Debian's loader is called by name, so that neither root nor an app is needed,
and nothing of the phone's system is changed.
"""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgekit.device.board import MODULES, Board, fetch
from edgekit.device.emulator import userland
from edgekit.device.installation import TESTED
from edgekit.device.remote import COPY_SECONDS, RemoteCommand, RemoteDevice
from edgekit.errors import SetupError

MACHINE = "aarch64"
GLIBC = 36  # Debian 12's
NEEDED = ("lib", "usr/bin/python3.11", "usr/lib")
NOT_NEEDED = ("usr/lib/systemd", "usr/lib/binfmt.d", "usr/lib/valgrind")
LAUNCHER = f"""
here=${{0%/bin/python}}
lib=$here/usr/lib
unset LD_PRELOAD LD_LIBRARY_PATH
export PYTHONHOME=$here/usr PYTHONPATH=$here/{userland.SITE} PYTHONNOUSERSITE=1 PYTHONUTF8=1
exec "$lib/ld-linux-{MACHINE}.so.1" --library-path "$lib/{MACHINE}-linux-gnu" \
    "$here/usr/bin/python{userland.PYTHON}" "$@"
"""
UNPACK = """
    cd "$1" && home="$2" && mkdir -p "$home" && rm -rf "$home/fresh" && mkdir "$home/fresh" &&
    tar -xf userland.tar -C "$home/fresh" && rm userland.tar && mkdir "$home/fresh/bin" &&
    { echo "#!$(command -v sh)"; echo "$3"; } > "$home/fresh/bin/python" &&
    chmod 755 "$home/fresh/bin/python" && "$home/fresh/bin/python" -c "$4" &&
    rm -rf "$home/venv" && mv "$home/fresh" "$home/venv" && echo "$home/venv"
"""


def set_up(
    device: RemoteDevice,
    runtimes: Sequence[str] = (),
    progress: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Make the environment on a phone that was entered, and return what it holds.

    Args:
        device: the phone.
        runtimes: as `--runtime` names them; LiteRT if none is given.
        progress: told what is done next.

    Raises:
        InputError: no such runtime.
        SetupError: a 32-bit phone; a tool or the network is missing here; it does not work there.
    """
    progress("looking at the phone")
    machine = device.call(RemoteCommand("uname -m")).strip()
    if machine != MACHINE:
        raise SetupError(f"{device.url}: no packages for it", got=machine, expected=MACHINE)
    progress("packages")
    root = userland.packages()
    board = Board(MACHINE, userland.PYTHON_VERSION, GLIBC, numpy=None)
    with tempfile.TemporaryDirectory() as scratch:
        progress("fetching wheels")
        site, archive = Path(scratch) / "site", Path(scratch) / "userland.tar"
        chosen = fetch(board, runtimes, site, device.url)
        with tarfile.open(archive, "w") as tar:
            for name in NEEDED:
                tar.add(root / name, name, filter=_leave_out)
            tar.add(site, userland.SITE)
        progress(f"pushing {archive.stat().st_size / 1e6:.0f} MB")
        device.put(archive, "userland.tar")
    progress("making the environment")
    test = "; ".join(["import numpy", *(f"import {MODULES[name]}" for name in chosen)])
    command = RemoteCommand(UNPACK, (device.folder, device.home, LAUNCHER.strip(), test))
    text = device.call(command, what="the environment does not work", timeout_s=COPY_SECONDS)
    return {
        "place": text.strip(), "machine": machine, "numpy": TESTED["numpy"],
        "python": userland.PYTHON, "runtimes": {name: TESTED[name] for name in chosen},
    }  # fmt: skip


def _leave_out(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if member.name.startswith(NOT_NEEDED) or "__pycache__" in member.name else member
