"""Make the folder that an emulated core runs in: Debian packages, wheels, and the counter.

A phone gets the same packages (`device/phone.py`).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from edgekit.device.emulator.debian import CODENAME, Archive
from edgekit.device.installation import TESTED
from edgekit.errors import SetupError

PACKAGES = ("python3", "libstdc++6", "libgomp1", "zlib1g", "dash", "coreutils")
WHEELS = ("numpy", "ai-edge-litert", "tflite-runtime", "onnxruntime")
PYTHON_VERSION = (3, 11)  # Debian 12's
PYTHON = ".".join(map(str, PYTHON_VERSION))
PLATFORMS = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_27", "manylinux2014")
SITE = "opt/site"  # where the wheels lie in the root
COUNTER = "count_instructions.c"
HEADER = "include/qemu/qemu-plugin.h"
# Programs that setting up calls -> the Debian package that has them.
UNPACKERS = {"apt-get": "apt", "dpkg-deb": "dpkg", "tar": "tar"}
TOOLS = {"qemu-aarch64": "qemu-user", **UNPACKERS, "gcc": "gcc"}
LINKED = ("bin", "etc", "lib", "opt", "sbin", "usr")


def cache() -> Path:
    """Return the folder for what is set up once: EDGEKIT_CACHE, else edgekit in the user's."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("EDGEKIT_CACHE") or Path(home) / "edgekit")


def place() -> Path:
    """Return where the userland of this version of the recipe is, or will be."""
    counter = (Path(__file__).parent / COUNTER).read_text(encoding="utf-8")
    recipe = repr((CODENAME, PACKAGES, _wheels(), counter))
    return cache() / f"qemu-aarch64-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def check_tools() -> None:
    """Look for what setting up needs.

    Raises:
        SetupError: a program is missing, or the emulator takes no plugins.
    """
    _check("qemu", TOOLS)
    usage = subprocess.run(["qemu-aarch64", "-help"], capture_output=True, text=True, check=False)
    if "-plugin" not in usage.stdout:
        raise SetupError(
            "qemu: this qemu-aarch64 takes no plugins",
            expected="the dynamically linked qemu-user of Debian 12",
            do="run: apt install qemu-user",
        )


def _check(what: str, tools: Mapping[str, str]) -> None:
    missing = [package for tool, package in tools.items() if not shutil.which(tool)]
    if missing:
        raise SetupError(
            f"{what}: {', '.join(missing)} missing", do=f"run: apt install {' '.join(missing)}"
        )


def find() -> Path:
    """Return the userland.

    Raises:
        SetupError: it has not been made, or the emulator is missing.
    """
    check_tools()
    if not place().is_dir():
        raise SetupError("qemu: not set up", do="run: edgekit device create qemu")
    return place()


def create(progress: Callable[[str], None] = lambda line: None) -> Path:
    """Make the userland, unless it is there, and return it: whole or not at all.

    Raises:
        SetupError: a tool is missing, a download failed, or the folder cannot be written.
    """
    check_tools()

    def fill(fresh: Path, state: Path) -> None:
        progress("packages")
        archive = Archive(state, "arm64")
        archive.unpack(PACKAGES, fresh / "root")
        progress("runtimes")
        install_wheels(fresh / "root" / SITE)
        progress("counter")
        _compile_counter(archive.source("qemu", state), fresh)

    return _make(place(), fill)


def packages() -> Path:
    """Make a root of the Debian packages alone, unless it is there, and return it.

    Raises:
        SetupError: a tool is missing, a download failed, or the folder cannot be written.
    """
    _check("Debian packages", UNPACKERS)
    recipe = hashlib.sha256(repr((CODENAME, PACKAGES)).encode()).hexdigest()[:12]

    def fill(fresh: Path, state: Path) -> None:
        Archive(state, "arm64").unpack(PACKAGES, fresh / "root")

    return _make(cache() / f"debian-aarch64-{recipe}", fill) / "root"


def _make(target: Path, fill: Callable[[Path, Path], None]) -> Path:
    """Let `fill` make a folder, with another for what it downloads, unless it is there."""
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".making-", dir=target.parent) as scratch:
            fresh, state = Path(scratch) / "made", Path(scratch) / "apt"
            (fresh / "root").mkdir(parents=True)
            fill(fresh, state)
            fresh.rename(target)
    except OSError as error:
        raise SetupError(f"{target} cannot be made", got=error.strerror or error) from None
    return target


def core_root(userland: Path, core: str, cpuinfo: str) -> Path:
    """Return the root as one core sees it: the same files, and a /proc/cpuinfo of its own.

    QEMU 7.2 would show the host's, which no ARM runtime understands.
    """
    name = f"{core}-{hashlib.sha256(cpuinfo.encode()).hexdigest()[:8]}"
    root = userland / "cores" / name
    (root / "proc").mkdir(parents=True, exist_ok=True)
    (root / "proc" / "cpuinfo").write_text(cpuinfo, encoding="ascii")
    for name in LINKED:
        if not (root / name).is_symlink():
            (root / name).symlink_to(userland / "root" / name)
    return root


def install_wheels(site: Path, machine: str = "aarch64") -> None:
    """Lay the wheels of every runtime into `site`; nothing of this machine's Python is touched."""
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
            "--no-input", "--target", str(site), "--python-version", PYTHON,
            "--only-binary=:all:"]  # fmt: skip
    argv += [part for p in PLATFORMS for part in ("--platform", f"{p}_{machine}")]
    done = subprocess.run([*argv, *_wheels()], capture_output=True, text=True, check=False)
    if done.returncode:
        problems = [line for line in done.stderr.splitlines() if "ERROR" in line]
        got = problems[-1] if problems else f"pip's exit code {done.returncode}"
        raise SetupError(f"qemu: no wheels for {machine}", got=got, do="look at the network")


def _wheels() -> list[str]:
    return [f"{name}=={TESTED[name]}" for name in WHEELS]


def _compile_counter(source: Path, target: Path) -> None:
    """Compile the plugin against the header of the emulator's own source."""
    with tarfile.open(source) as archive:
        for member in archive:
            if member.name.endswith(HEADER) and (header := archive.extractfile(member)):
                (source.parent / Path(HEADER).name).write_bytes(header.read())
                break
    library, code = target / "count_instructions.so", Path(__file__).parent / COUNTER
    argv = ["gcc", "-shared", "-fPIC", "-O2", f"-I{source.parent}", "-o", str(library), str(code)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        got = (done.stderr.strip().splitlines() or ["no reason"])[0]
        raise SetupError("qemu: the counter cannot be compiled", got=got)
