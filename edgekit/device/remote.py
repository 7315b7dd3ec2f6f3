"""What ssh and adb have in common: a client program here, a POSIX shell and a folder there."""

from __future__ import annotations

import contextlib
import functools
import re
import secrets
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from edgekit.device import ProgramError
from edgekit.device.folder import FolderDevice
from edgekit.device.process import finish, stream
from edgekit.errors import EdgekitError, SetupError

CALL_SECONDS = 60.0  # for what only looks or tidies up
COPY_SECONDS = 1800.0  # for a file
NOT_FOUND, NOT_EXECUTABLE = 127, 126  # exit codes of a shell


@dataclass(frozen=True)
class RemoteCommand:
    """A shell script with arguments, as one line that another shell may parse without harm.

    ssh and adb join words with blanks and hand the line to a shell there; here every word is quoted
    once, and the script, which is always ours, gets values as "$1", "$2" and so on alone.
    """

    script: str
    arguments: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The line for the client program."""
        return shlex.join(["sh", "-c", self.script, "sh", *self.arguments])


class RemoteDevice(FolderDevice):
    """A machine behind a client program; a subclass says how that is called and what it means.

    Args:
        url: what the user asked for.
        place: the folder there that ours is made in.
        home: of the environment that stays there, as its shell understands it.
        shelf: of the artifacts that stay there.
    """

    no_python = "install python3 there"

    def __init__(self, url: str, *, place: str, home: str, shelf: str) -> None:
        self.url = url
        self.home = home
        self.shelf = shelf
        self.setup_command = f"edgekit deploy --setup --on {shlex.quote(url)}"
        self._place = place
        self._running = False

    def __exit__(self, *_: object) -> None:
        """End what still runs, remove the folder, disconnect."""
        super().__exit__()
        self._disconnect()

    @functools.cached_property
    def python(self) -> str:
        """The Python of the environment that was set up there, else the system's.

        Raises:
            SetupError: there is none.
        """
        script = (
            f'for p in "{self.home}/venv/bin/python" python3 python; do '
            'command -v "$p" && exit 0; done; exit 127'
        )
        try:
            return self.call(RemoteCommand(script)).strip()
        except SetupError as error:
            if "127" in str(error):
                raise SetupError(f"{self.url}: no Python there", do=self.no_python) from None
            raise

    def get(self, name: str, target: Path) -> None:
        """Copy a file out of the folder."""
        with target.open("wb") as file:
            self.call(
                RemoteCommand('cat "$1"', (f"{self.folder}/{name}",)),
                what=f"{name} cannot be fetched", timeout_s=COPY_SECONDS, stdout=file,
            )  # fmt: skip

    def run(self, argv: Sequence[str], *, timeout_s: float) -> Iterator[str]:
        """Run a program in the folder and give its lines as they come."""
        script = 'cd "$1" && shift && echo $$ > pid && exec "$@"'
        command = RemoteCommand(script, (self.folder, *argv))
        what = f"{self.url}: {Path(argv[0]).name}"
        self._running = True
        try:
            yield from stream(self._client(command), what=what, timeout_s=timeout_s)
        except ProgramError as error:
            meaning = self._explain(error)
            # It has ended by itself: its number may be another program's by now.
            self._running = meaning is not None or error.status is None
            raise meaning or error from None
        self._running = False

    def call(
        self,
        command: RemoteCommand,
        *,
        what: str = "",
        timeout_s: float = CALL_SECONDS,
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
    ) -> str:
        """Run a script to its end and return what it prints.

        Raises:
            SetupError: it failed, or the device was lost.
        """
        argv = self._client(command)
        line = f"{self.url}: {what or 'a command'}"
        try:
            return finish(argv, what=line, timeout_s=timeout_s, stdin=stdin, stdout=stdout)
        except ProgramError as error:
            reason = (error.words.splitlines() or [error.ending])[-1]
            lost = SetupError(f"{self.url}: {what}" if what else self.url, got=reason)
            raise self._explain(error) or lost from None

    def install(self, folder: Path, name: str) -> str:
        """Copy a folder of files to where it stays, in place of an older one; return the place.

        Raises:
            SetupError: it cannot be written there.
        """
        safe = re.sub(r"[^\w.-]", "_", name, flags=re.ASCII).lstrip(".-") or "artifact"
        for file in sorted(folder.iterdir()):
            self.put(file, f"stay-{file.name}")
        script = (
            f'cd "$1" && to="{self.shelf}/$2" && rm -rf "$to.new" && mkdir -p "$to.new" && '
            'for f in stay-*; do mv "$f" "$to.new/${f#stay-}" || exit 1; done && '
            'rm -rf "$to" && mv "$to.new" "$to" && echo "$to"'
        )
        return self.call(RemoteCommand(script, (self.folder, safe)), what="not installed").strip()

    def _make(self) -> str:
        folder = f"{self._place}/edgekit-{secrets.token_hex(8)}"
        self.call(RemoteCommand('mkdir -m 700 -- "$1"', (folder,)))
        return folder

    def _remove(self, folder: str) -> None:
        end = 'kill -9 "$(cat "$1/pid")" 2>/dev/null; ' if self._running else ""
        with contextlib.suppress(EdgekitError):  # the device may be gone
            self.call(RemoteCommand(end + 'rm -rf -- "$1"', (folder,)))

    def _write(self, file: IO[bytes], name: str, *, what: str) -> None:
        command = RemoteCommand('cat > "$1"', (f"{self.folder}/{name}",))
        self.call(command, what=what, timeout_s=COPY_SECONDS, stdin=file)

    def set_up(
        self, runtimes: Sequence[str] = (), progress: Callable[[str], None] = lambda line: None
    ) -> dict[str, Any]:
        """Make an environment with Python packages there, and return what it holds.

        Raises:
            InputError: no such runtime.
            SetupError: it cannot be made, or does not work there.
        """
        raise NotImplementedError

    def _client(self, command: RemoteCommand) -> list[str]:
        """Return the client program with its arguments."""
        raise NotImplementedError

    def _disconnect(self) -> None:
        """Close what the client keeps open."""

    def _explain(self, error: ProgramError) -> SetupError | None:
        """Return what an ending means that is no fault of the program; None where it is."""
        if error.status is None:
            return None
        if "No space left on device" in error.words:
            return SetupError(
                f"{self.url}: the disk is full", do=f"free some space in {self._place} there"
            )
        wrong = ("Exec format error", "cannot execute binary file", "not executable: 64-bit ELF")
        if error.status in (NOT_FOUND, NOT_EXECUTABLE) and any(w in error.words for w in wrong):
            return SetupError(
                f"{self.url}: a program for another architecture", got=error.ending,
                do=f"run: {self.setup_command}",
            )  # fmt: skip
        return None
