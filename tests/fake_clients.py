"""ssh and adb that reach this very machine, or fail as the real ones do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

# The line for the other side is the last word; its shell parses it, as sshd's and adbd's do.
HERE = """#!/bin/sh
case "$*" in *"-O exit"*) exit 0;; esac
for line; do :; done
exec sh -c "$line"
"""


def write_client(folder: Path, name: str, script: str) -> Path:
    """Write an executable."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(script)
    path.chmod(0o755)
    return path


def failing(stderr: str, status: int, after: str = "") -> str:
    """Return a client that says `stderr` and ends; it works while the line holds no `after`."""
    quoted = stderr.replace("'", "'\\''")
    fails = f"printf '%s\\n' '{quoted}' >&2; exit {status}"
    if not after:
        return f"#!/bin/sh\n{fails}\n"
    return HERE.replace("exec sh", f'case "$line" in *{after}*) {fails};; esac\nexec sh')


def put_on_path(monkeypatch: pytest.MonkeyPatch, folder: Path, scripts: Mapping[str, str]) -> None:
    """Let `ssh` and `adb` be these scripts."""
    for name, script in scripts.items():
        write_client(folder, name, script)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
