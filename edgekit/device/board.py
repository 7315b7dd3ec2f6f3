"""Set a board up: a virtual environment of its own there, with NumPy and runtimes.

The wheels are chosen and fetched here and pushed, so that the board needs no network, no pip and no
compiler: only Python 3.9 or later. Nothing of its system is changed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.device.installation import TESTED
from edgekit.device.remote import COPY_SECONDS, RemoteCommand, RemoteDevice
from edgekit.errors import InputError, SetupError

# Newest glibc first: pip takes any of them.
GLIBC = (39, 38, 36, 35, 34, 31, 28, 27, 24, 17)
MANYLINUX_2014 = 17
MODULES = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
    "onnxruntime": "onnxruntime",
}
PACKAGES = {"litert": "ai-edge-litert", "tflite-runtime": "tflite-runtime",
            "onnxruntime": "onnxruntime"}  # fmt: skip
PROBE = """
import json, platform, struct, sys
try:
    import numpy
    version = numpy.__version__
except ImportError:
    version = None
machine = platform.machine()
if struct.calcsize("P") == 4 and machine == "aarch64":  # a 64-bit kernel under 32-bit programs
    machine = "armv7l"
print(json.dumps({"python": list(sys.version_info[:2]), "machine": machine, "numpy": version,
                  "libc": platform.libc_ver()[1]}))
"""
UNPACK = """
import json, pathlib, subprocess, sys, sysconfig, tarfile, venv
target = pathlib.Path(sys.argv[1])
venv.EnvBuilder(system_site_packages=True, clear=True, symlinks=True).create(target)
site = next(target.glob("lib/python3.*/site-packages"))
with tarfile.open("wheels.tar.gz") as archive:
    archive.extractall(site)
modules = "; ".join("import " + name for name in sys.argv[2:])
done = subprocess.run([str(target / "bin/python"), "-c", modules], stderr=subprocess.PIPE)
sys.stderr.buffer.write(done.stderr[-500:])
sys.exit(done.returncode)
"""


@dataclass(frozen=True)
class Board:
    """What decides which wheels fit."""

    machine: str  # aarch64, armv7l, armv6l, x86_64
    python: tuple[int, int]
    glibc: int  # minor version of glibc 2
    numpy: str | None  # version of the system's own

    @property
    def platforms(self) -> list[str]:
        """The platform tags of wheels that it can load."""
        tags = [f"manylinux_2_{v}_{self.machine}" for v in GLIBC if v <= self.glibc]
        tags += [f"manylinux2014_{self.machine}"] * (self.glibc >= MANYLINUX_2014)
        return [*tags, f"linux_{self.machine}"]


def set_up(
    device: RemoteDevice,
    runtimes: Sequence[str] = (),
    progress: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Make the environment on a device that was entered, and return what it holds.

    Args:
        device: the board.
        runtimes: as `--runtime` names them; LiteRT, or tflite-runtime where there is no such wheel,
            if none is given.
        progress: told what is done next.

    Raises:
        InputError: no such runtime.
        SetupError: no wheels for the board, or they do not work there.
    """
    progress("looking at the board")
    board = _look(device)
    with tempfile.TemporaryDirectory() as scratch:
        progress("fetching wheels")
        site = Path(scratch) / "site"
        chosen = fetch(board, runtimes, site, device.url)
        archive = Path(scratch) / "wheels.tar.gz"
        with tarfile.open(archive, "w:gz", compresslevel=3) as tar:
            tar.add(site, ".")
        progress(f"pushing {archive.stat().st_size / 1e6:.0f} MB")
        device.put(archive, "wheels.tar.gz")
    progress("making the environment")
    modules = [MODULES[name] for name in chosen]
    script = f"""
        cd "$1" && home="{device.home}" && mkdir -p "$home" && rm -rf "$home/fresh" &&
        python=$(command -v python3 || command -v python) && shift && code=$1 && shift &&
        "$python" -c "$code" "$home/fresh" "$@" && rm -rf "$home/venv" &&
        mv "$home/fresh" "$home/venv" && rm wheels.tar.gz && echo "$home/venv"
    """
    command = RemoteCommand(script, (device.folder, UNPACK, *modules))
    text = device.call(command, what="the environment does not work", timeout_s=COPY_SECONDS)
    return {
        "place": text.strip(), "machine": board.machine, "numpy": board.numpy or TESTED["numpy"],
        "python": ".".join(map(str, board.python)), "runtimes": {n: TESTED[n] for n in chosen},
    }  # fmt: skip


def _look(device: RemoteDevice) -> Board:
    # Not ours, which may be there from an earlier call and has packages of its own.
    script = 'python=$(command -v python3 || command -v python) && "$python" -c "$1"'
    text = device.call(RemoteCommand(script, (PROBE,)))
    try:
        facts = json.loads(text)
        glibc = int(facts["libc"].split(".")[1]) if facts["libc"] else 0
        return Board(facts["machine"], tuple(facts["python"]), glibc, facts["numpy"])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise SetupError(f"{device.url}: an unknown board", got=repr(error)) from None


def fetch(board: Board, runtimes: Sequence[str], site: Path, url: str) -> list[str]:
    """Lay the wheels into `site` and return the distributions of the runtimes that fitted.

    Args:
        board: that they are for.
        runtimes: as `--runtime` names them; LiteRT, or else tflite-runtime, if none is given.
        site: a folder that is not there yet.
        url: the board's, for an error's line.

    Raises:
        InputError: no such runtime.
        SetupError: no wheels for the board.
    """
    for name in runtimes:
        if name not in PACKAGES:
            raise InputError("deploy: runtime", got=name, expected=", ".join(PACKAGES))
    wanted = [[PACKAGES[name]] for name in runtimes] or [["ai-edge-litert", "tflite-runtime"]]
    numpy = [] if board.numpy else [f"numpy=={TESTED['numpy']}"]
    chosen = []
    for candidates in wanted:
        for name in candidates:
            problem = _pip(board, [f"{name}=={TESTED[name]}", *numpy], site)
            if not problem:
                chosen.append(name)
                break
        else:
            python = ".".join(map(str, board.python))
            numpy_too = "" if board.numpy else "; on 32 bit run there: apt install python3-numpy"
            raise SetupError(
                f"{url}: no wheels of {' or '.join(candidates)} for {board.machine}, "
                f"Python {python}, glibc 2.{board.glibc}",
                got=problem, do=f"look at the network{numpy_too}",
            )  # fmt: skip
    return chosen


def _pip(board: Board, requirements: Sequence[str], site: Path) -> str:
    """Fetch wheels for the board; return what was wrong, or nothing."""
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
            "--no-input", "--target", str(site), "--upgrade", "--only-binary=:all:",
            "--python-version", "".join(map(str, board.python))]  # fmt: skip
    # The board's own NumPy serves where there is one: on 32 bit there is no wheel of it.
    argv += ["--no-deps"] if board.numpy else []
    argv += [part for tag in board.platforms for part in ("--platform", tag)]
    done = subprocess.run([*argv, *requirements], capture_output=True, text=True, check=False)
    problems = [line for line in done.stderr.splitlines() if "ERROR" in line]
    return (problems or [f"pip's exit code {done.returncode}"])[-1] if done.returncode else ""
