"""Debian packages of another architecture, by apt with a state of its own; nothing is installed."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from edgekit.device import ProgramError
from edgekit.device.process import finish
from edgekit.errors import SetupError

# Python 3.11, for which there are wheels of every runtime, and a QEMU that takes plugins.
CODENAME = "bookworm"
DOWNLOAD_SECONDS = 1200.0
FIELDS = "$(CODENAME) $(REPO_URI) $(RELEASE) $(COMPONENT)"


class Archive:
    """The Debian archive that this machine already uses, seen as another architecture.

    Args:
        state: a folder for lists and packages.
        architecture: as "arm64".
        codename: of the release whose packages are wanted.
        backports: of that release, too.
        security: its security updates, too.

    Raises:
        SetupError: no apt, or it knows no such release.
    """

    def __init__(
        self, state: Path, architecture: str, codename: str = CODENAME, *, backports: bool = False,
        security: bool = True,
    ) -> None:  # fmt: skip
        self._state = state
        for folder in ("lists/partial", "cache/archives/partial"):
            (state / folder).mkdir(parents=True, exist_ok=True)
        (state / "status").touch()
        (state / "sources.list").write_text(
            "".join(_sources(codename, backports, security)), encoding="utf-8"
        )
        settings = {
            "APT::Architecture": architecture, "APT::Architectures": architecture,
            "APT::Install-Recommends": "false", "APT::Sandbox::User": "root",
            "Dir::State": state, "Dir::State::lists": state / "lists",
            "Dir::State::status": state / "status", "Dir::Cache": state / "cache",
            "Dir::Etc::sourcelist": state / "sources.list", "Dir::Etc::sourceparts": "/dev/null",
        }  # fmt: skip
        self._options = [part for k, v in settings.items() for part in ("-o", f"{k}={v}")]
        self._apt("update")

    def unpack(self, names: Sequence[str], root: Path, *, release: str | None = None) -> None:
        """Download packages with all that they need, and lay their files into `root`.

        Maintainer scripts do not run. `release` is preferred, as "bookworm-backports".

        Raises:
            SetupError: a download failed.
        """
        archives = self._state / "cache" / "archives"
        known = set(archives.glob("*.deb"))
        preferred = ["-t", release] if release else []
        self._apt("install", "--yes", "--download-only", *preferred, *names)
        # Debian's merged /usr: without these links tar would make folders of them.
        for folder in ("bin", "sbin", "lib"):
            (root / "usr" / folder).mkdir(parents=True, exist_ok=True)
            if not (root / folder).is_symlink():
                (root / folder).symlink_to(f"usr/{folder}")
        for package in sorted(set(archives.glob("*.deb")) - known):
            _unpack_one(package, root)

    def source(self, name: str, folder: Path) -> Path:
        """Download a source package and return its upstream archive.

        Raises:
            SetupError: the download failed.
        """
        self._apt("source", "--download-only", name, folder=folder)
        return next(folder.glob("*.orig.tar.*"))

    def _apt(self, *arguments: str, folder: Path | None = None) -> None:
        argv = ["apt-get", "-qq", *self._options, *arguments]
        done = subprocess.run(
            argv, cwd=folder, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False
        )
        if done.returncode:
            problems = [line for line in done.stderr.splitlines() if line.startswith("E:")]
            raise SetupError(
                f"Debian packages: apt-get {arguments[0]} failed",
                got=problems[0] if problems else f"exit code {done.returncode}",
                do="look whether the network is there, and run the command again",
            )


def _sources(codename: str, backports: bool, security: bool) -> list[str]:
    """Return lines for sources.list: where this machine itself gets that release from."""
    argv = ["apt-get", "indextargets", "--format", FIELDS, "Created-By: Packages"]
    try:
        text = finish([*argv, "Origin: Debian"], what="Debian packages: apt-get", timeout_s=60)
    except ProgramError as error:
        raise SetupError("Debian packages: apt-get does not work", got=error.ending) from None
    found = {tuple(line.split()) for line in text.splitlines()}
    places = sorted(place for place in found if place[0].partition("-")[0] == codename)
    if not places:
        raise SetupError(
            f"Debian packages: apt knows no Debian {codename}",
            got=", ".join(sorted({p[0] for p in found})) or "no Debian release",
            expected=f"{codename} in its sources, and apt-get update done",
            do="use a machine or a container of Debian 12",
        )
    places = [place for place in places if security or "security" not in place[2]]
    if backports:
        places += [
            (c, uri, f"{codename}-backports", part)
            for c, uri, release, part in places
            if release == codename
        ]
    return [f"{kind} {' '.join(place[1:])}\n" for place in places for kind in ("deb", "deb-src")]


def _unpack_one(package: Path, root: Path) -> None:
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE
    ) as reader:
        tar = ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", str(root)]
        done = subprocess.run(tar, stdin=reader.stdout, capture_output=True, text=True, check=False)
    if done.returncode or reader.returncode:
        got = (done.stderr.strip().splitlines() or ["dpkg-deb failed"])[-1]
        raise SetupError(f"Debian packages: {package.name} cannot be unpacked", got=got)
