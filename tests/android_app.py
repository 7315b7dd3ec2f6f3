"""What tests of the Android app need: its core compiled, the tools to package it."""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1] / "android_demo"
TOOLS = ("java", "javac", "mvn", "aapt", "zipalign", "apksigner", "dexdump", "readelf", "unzip")


@functools.cache
def missing() -> str | None:
    """Return why the app cannot be built here, None where it can."""
    lacking = [tool for tool in TOOLS if not shutil.which(tool)]
    if not shutil.which("apt-get") or not shutil.which("make"):
        return "the Android app is built with Debian's packages: needs apt-get and make"
    if lacking and os.geteuid():
        return f"the Android app needs {', '.join(lacking)}: run make -C android_demo apk as root"
    done = make("fetched")
    if done.returncode:
        return (
            f"what the Android app needs cannot be fetched: {(done.stderr or done.stdout)[-300:]}"
        )
    return None


def make(*arguments: str, project: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    """Run make in the app's project; one at a time, for test processes share what it builds."""
    argv = ["make", "-s", "-C", str(project), *arguments]
    (PROJECT / "build").mkdir(exist_ok=True)
    with (PROJECT / "build" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return subprocess.run(argv, capture_output=True, text=True, timeout=900, check=False)


def tests_run(*arguments: str) -> str:
    """Run tests of the core and return what JUnit says; they must pass."""
    if reason := missing():
        pytest.skip(reason)
    done = make(*arguments)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "OK (" in done.stdout
    return done.stdout
