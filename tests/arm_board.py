"""A real ARM machine on loopback: sshd, and adbd on 64 bits, emulated, in a network of its own.

Everything lives in namespaces that end with one process. The machine's files are an overlay on a
cached folder, so that each session starts with a fresh board.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from fake_clients import write_client

from edgekit.device.emulator import userland
from edgekit.device.emulator.debian import CODENAME, Archive
from edgekit.device.qemu import CORES, CPUINFO
from edgekit.errors import EdgekitError

SSH_PORT, ADB_PORT, ADB_SERVER = 2222, 5555, 6037
TOOLS = {
    "unshare": "util-linux", "nsenter": "util-linux", "ip": "iproute2", "ssh": "openssh-client",
    "adb": "adb", "qemu-aarch64-static": "qemu-user-static",
    "qemu-arm-static": "qemu-user-static",
}  # fmt: skip
START = r"""
set -e
root=$1 core=$2
mount -t overlay overlay -o "lowerdir=$3,upperdir=$4,workdir=$5" "$root"
ip link set lo up
formats=/proc/sys/fs/binfmt_misc
[ -e $formats/register ] || mount -t binfmt_misc none $formats
[ -e $formats/$7 ] || printf '%s' "$6" > $formats/register
mount -t proc proc "$root/proc"
mount --bind "$root/cpuinfo" "$root/proc/cpuinfo"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o size=300m,mode=1777 tmpfs "$root/tmp"
chroot "$root" env QEMU_CPU=$core /usr/sbin/sshd -D -e &
[ ! -e "$root/usr/sbin/adbd" ] || chroot "$root" env QEMU_CPU=$core /usr/sbin/adbd &
wait
"""
# An ELF file for one machine, by the emulator that is opened when this is registered (F).
FORMAT = (
    r":{name}:M::\x7f\x45\x4c\x46\x0{size}\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00"
    r"\x{machine}\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff"
    r"\xff\xff:{emulator}:OCF"
)


@dataclass(frozen=True)
class Machine:
    """What is emulated."""

    architecture: str  # as Debian calls it
    core: str  # as QEMU calls it
    cpuinfo: str
    emulator: str  # of which there is a static program
    elf: tuple[str, str]  # class and machine in the header of its programs
    packages: tuple[str, ...] = ()  # beside Python and sshd


PI = Machine(
    "arm64", "cortex-a72", CPUINFO.format(core=CORES["cortex-a72"]), "qemu-aarch64", ("2", "b7")
)
# Raspberry Pi OS of 32 bits brings its own NumPy: there is no wheel of it.
PI_32 = Machine(
    "armhf", "cortex-a15",
    "processor\t: 0\nFeatures\t: half thumb fastmult vfp edsp neon vfpv3 vfpv4 idiva idivt\n"
    "CPU implementer\t: 0x41\nCPU architecture: 7\nCPU part\t: 0xc0f\n\n",
    "qemu-arm", ("1", "28"), ("python3-numpy",),
)  # fmt: skip
SSHD = f"""UsePAM no
ListenAddress 127.0.0.1
Port {SSH_PORT}
HostKey /etc/ssh/host
PidFile none
SetEnv QEMU_CPU={{core}}
"""
PASSWD = """root:x:0:0:root:/root:/bin/sh
sshd:x:101:65534::/run/sshd:/usr/sbin/nologin
shell:x:2000:2000::/data:/bin/sh
"""
GROUP = "root:x:0:\nnogroup:x:65534:\nshell:x:2000:\n"


@dataclass(frozen=True)
class Board:
    """The running machine."""

    root: Path  # its files, seen from its own namespaces alone
    pid: int  # of the process that all of it ends with
    clients: Path  # a folder with ssh and adb that reach it, for PATH
    config: Path  # of that ssh

    ssh = "ssh://pi"
    adb = f"adb:127.0.0.1:{ADB_PORT}"

    def run(self, script: str) -> str:
        """Run a script as root in the board's namespaces, outside its userland."""
        argv = ["nsenter", "-t", str(self.pid), "-n", "-m", "sh", "-c", script]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        return done.stdout


def missing() -> str:
    """Return why there can be no board here; nothing where there can."""
    if os.geteuid() != 0:
        return "needs root, for namespaces and binfmt_misc"
    absent = sorted({package for tool, package in TOOLS.items() if not shutil.which(tool)})
    if absent:
        return f"run: apt install {' '.join(absent)}"
    try:
        userland.check_tools()
    except EdgekitError as error:
        return str(error)
    return ""


def userland_or_skip() -> Path:
    """Return the emulator's userland, made now if it must be."""
    try:
        return userland.create()
    except EdgekitError as error:
        pytest.skip(str(error))


def base(machine: Machine) -> Path:
    """Return the files of the board, made once and cached beside the emulator's userland."""
    source = userland_or_skip()
    target = source.with_name(f"{source.name}-test-board-{machine.architecture}")
    if target.is_dir():
        return target
    with tempfile.TemporaryDirectory(prefix=".board-", dir=source.parent) as scratch:
        root = Path(scratch) / "root"
        root.mkdir()
        # Security updates of other architectures may lag behind their own list for hours.
        archive = Archive(
            Path(scratch) / "apt", machine.architecture, backports=True, security=machine is PI
        )
        archive.unpack(["python3", "libstdc++6", "libgomp1", "dash", "coreutils", "tar",
                        "openssh-server", *machine.packages], root)  # fmt: skip
        if machine is PI:
            archive.unpack(["adbd"], root, release=f"{CODENAME}-backports")
        for folder in ("proc", "sys", "dev", "tmp", "run/sshd", "data/local/tmp", "root/.ssh"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        for library in root.glob("usr/lib/*/*a*/lib*.so.3"):  # BLAS, which Debian's scripts link
            link = library.parents[1] / library.name
            link.symlink_to(library.relative_to(link.parent))
        (root / "root").chmod(0o700)
        (root / "cpuinfo").write_text(machine.cpuinfo)
        sshd = SSHD.format(core=machine.core)
        for name, text in (("passwd", PASSWD), ("group", GROUP), ("ssh/sshd_config", sshd)):
            (root / "etc" / name).write_text(text)
        root.rename(target)
    return target


@contextmanager
def running(scratch: Path, machine: Machine = PI) -> Iterator[Board]:
    """Start the machine and stop it."""
    lower, upper = base(machine), scratch / "upper"
    keys, clients, root = scratch / "keys", scratch / "bin", scratch / "root"
    for folder in (upper / "root/.ssh", upper / "etc/ssh", scratch / "work", keys, root):
        folder.mkdir(parents=True)
    for name in ("host", "user"):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / name)]
        subprocess.run(argv, check=True)
    (upper / "root").chmod(0o700)
    shutil.copy(keys / "user.pub", upper / "root/.ssh/authorized_keys")
    shutil.copy(keys / "host", upper / "etc/ssh/host")
    known = f"[127.0.0.1]:{SSH_PORT} {(keys / 'host.pub').read_text()}"
    (keys / "known_hosts").write_text(known)
    config = keys / "config"
    config.write_text(
        f"Host pi\n HostName 127.0.0.1\n Port {SSH_PORT}\n User root\n IdentitiesOnly yes\n"
        f" IdentityFile {keys}/user\n UserKnownHostsFile {keys}/known_hosts\n"
    )
    name, (size, number) = machine.emulator, machine.elf
    binary = FORMAT.format(
        name=name, size=size, machine=number, emulator=shutil.which(f"{name}-static")
    )
    registered = Path(f"/proc/sys/fs/binfmt_misc/{name}").exists()
    argv = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", START]
    argv += ["sh", str(root), machine.core, str(lower), str(upper), str(scratch / "work")]
    argv += [binary, name]
    log = (scratch / "log").open("w")
    process = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
    try:
        enter = f"exec nsenter -t {process.pid} -n"
        write_client(clients, "ssh", f'#!/bin/sh\n{enter} /usr/bin/ssh -F {config} "$@"\n')
        server = f"env ANDROID_ADB_SERVER_PORT={ADB_SERVER} {shutil.which('adb')}"
        write_client(clients, "adb", f'#!/bin/sh\n{enter} {server} "$@"\n')
        _wait_for(clients, scratch / "log", adb=machine is PI)
        yield Board(root, process.pid, clients, config)
    finally:
        subprocess.run([clients / "adb", "kill-server"], capture_output=True, check=False)
        if not registered:
            _forget_format(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()


def _wait_for(clients: Path, log: Path, *, adb: bool) -> None:
    for _ in range(300):
        ssh = subprocess.run(
            [clients / "ssh", "-o", "BatchMode=yes", "pi", "true"], capture_output=True, check=False
        )
        if ssh.returncode == 0:
            if adb:
                connect = [clients / "adb", "connect", f"127.0.0.1:{ADB_PORT}"]
                subprocess.run(connect, capture_output=True, check=True)
            return
        time.sleep(0.1)
    pytest.skip(f"the emulated board does not start: {log.read_text()[-300:]}")


def _forget_format(name: str) -> None:
    """Take the registration back; binfmt_misc belongs to the whole machine."""
    script = (
        "f=/proc/sys/fs/binfmt_misc; [ -e $f/register ] || mount -t binfmt_misc none $f; "
        f"[ -e $f/{name} ] && echo -1 > $f/{name}"
    )
    subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, check=False)
