"""ssh://[USER@]HOST[:PORT]: a board, by the OpenSSH client with the user's own configuration."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from edgekit.device import ProgramError, board
from edgekit.device.remote import RemoteCommand, RemoteDevice
from edgekit.errors import InputError, SetupError

URL = re.compile(
    r"ssh://(?:(?P<user>[A-Za-z0-9_][\w.-]*)@)?"
    r"(?P<host>[A-Za-z0-9_][\w.-]*|\[[0-9A-Fa-f:.]+(?:%\w+)?\])(?::(?P<port>\d{1,5}))?/?"
)
FAILED = 255  # exit code of the client itself
OPTIONS = {
    "BatchMode": "yes",  # a question would wait forever
    "StrictHostKeyChecking": "yes",  # whom to trust is not for us to decide
    "ConnectTimeout": "15",
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
    "ControlMaster": "auto",  # one connection for all calls
    "ControlPersist": "60",
    "ClearAllForwardings": "yes",
    "RemoteCommand": "none",  # of the user's configuration, in place of ours
    "RequestTTY": "no",
    "LogLevel": "ERROR",
}
# What the client says -> what it means, what to do; the first that fits.
REASONS = (
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", "the host key has changed",
     "find out why; after a new installation run: ssh-keygen -R {host}"),
    ("Host key verification failed", "unknown host key",
     "compare the fingerprint once by hand: {ssh}"),
    ("Permission denied", "the key is refused, or a password is asked for",
     "run: {copy_id}; with a passphrase: ssh-add"),
    ("Could not resolve hostname", "unknown host", "look at the name, or use the address"),
    ("Connection refused", "out of reach", "look whether sshd runs there"),
    ("timed out", "out of reach", "look whether it is on and in the network"),
    ("No route to host", "out of reach", "look whether it is on and in the network"),
)  # fmt: skip


class SshDevice(RemoteDevice):
    """A machine that sshd runs on."""

    set_up = board.set_up  # a virtual environment there

    def __init__(self, url: str, host: str, user: str | None, port: str | None) -> None:
        home = "${XDG_CACHE_HOME:-$HOME/.cache}/edgekit"
        super().__init__(url, place="/tmp", home=home, shelf="$HOME/edgekit")
        self._host = host
        self._login = [*(["-l", user] if user else []), *(["-p", port] if port else [])]
        self._control: Path | None = None

    def _make(self) -> str:
        if not shutil.which("ssh"):
            raise SetupError(f"{self.url}: no ssh here", do="run: apt install openssh-client")
        # Short: the path of a socket has 108 bytes at most.
        self._control = Path(tempfile.mkdtemp(prefix="edgekit-ssh-", dir="/tmp"))
        return super()._make()

    def _client(self, command: RemoteCommand) -> list[str]:
        options = [part for k, v in OPTIONS.items() for part in ("-o", f"{k}={v}")]
        shared = ["-o", f"ControlPath={self._control}/s"]
        return ["ssh", "-T", *options, *shared, *self._login, "--", self._host, command.line]

    def _disconnect(self) -> None:
        if self._control:
            ending = ["ssh", "-O", "exit", "-o", f"ControlPath={self._control}/s", "--", self._host]
            subprocess.run(ending, stdin=subprocess.DEVNULL, capture_output=True, check=False)
            shutil.rmtree(self._control, ignore_errors=True)
            self._control = None

    def _explain(self, error: ProgramError) -> SetupError | None:
        if error.status != FAILED:
            return super()._explain(error)
        login = " ".join(self._login)
        names = {
            "host": self._host, "ssh": " ".join(filter(None, ["ssh", login, self._host])),
            "copy_id": self._copy_id(),
        }  # fmt: skip
        for words, meaning, remedy in REASONS:
            if words in error.words:
                return SetupError(f"{self.url}: {meaning}", do=remedy.format(**names))
        reason = (error.words.splitlines() or ["no reason"])[-1]
        return SetupError(f"{self.url}: connection lost", got=reason, do="run the command again")

    def _copy_id(self) -> str:
        pairs = dict(zip(self._login[::2], self._login[1::2], strict=True))
        user = f"{pairs['-l']}@" if "-l" in pairs else ""
        port = f"-p {pairs['-p']} " if "-p" in pairs else ""
        return f"ssh-copy-id {port}{user}{self._host}"


def open_url(url: str) -> SshDevice:
    """Return the machine that `url` names.

    Raises:
        InputError: not of that form; a host that begins with a dash would be an option.
    """
    match = URL.fullmatch(url)
    if not match or int(match["port"] or 1) not in range(1, 65536):
        raise InputError(f"device {url}: no address", expected="ssh://[USER@]HOST[:PORT]")
    return SshDevice(url, match["host"].strip("[]"), match["user"], match["port"])
