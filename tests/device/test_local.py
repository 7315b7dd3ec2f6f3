"""The local device: lines as they come, and every bad ending in one line."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from edgekit.device import ProgramError, open_device
from edgekit.errors import InputError, SetupError


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_files_go_there_and_back(tmp_path: Path) -> None:
    source = tmp_path / "an 'odd'\nname 😀"
    source.write_bytes(b"\x00\xff")
    with open_device("local") as device:
        device.put(source, "0.bin")
        code = "d = open('0.bin', 'rb').read(); open('1.bin', 'wb').write(d * 2); print(len(d))"
        assert list(device.run(python(code), timeout_s=20)) == ["2\n"]
        device.get("1.bin", tmp_path / "back")
        with pytest.raises(SetupError, match=r"nothing\.bin"):
            device.get("nothing.bin", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"\x00\xff" * 2


def test_lines_come_before_the_end() -> None:
    code = "import time; print(1, flush=True); time.sleep(60)"
    with open_device("local") as device:
        began = time.monotonic()
        lines = device.run(python(code), timeout_s=60)
        assert next(iter(lines)) == "1\n"
        lines.close()  # type: ignore[attr-defined]
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("code", "status", "line"),
    [
        ("import sys; print('x' * 10**6, file=sys.stderr); sys.exit('no\\nmore')", 1, "more"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", 139, "SIGSEGV"),
    ],
)
def test_a_bad_end_is_one_line(code: str, status: int, line: str) -> None:
    with open_device("local") as device, pytest.raises(ProgramError) as caught:
        list(device.run(python(code), timeout_s=20))
    assert caught.value.status == status
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_program_that_takes_too_long_is_ended_with_its_children() -> None:
    sleep = "[sys.executable, '-c', 'import time; time.sleep(60)']"
    child = f"import subprocess, sys; subprocess.run({sleep})"
    began = time.monotonic()
    with open_device("local") as device, pytest.raises(ProgramError, match="too long") as caught:
        list(device.run(python(child), timeout_s=0.5))
    assert caught.value.status is None
    assert time.monotonic() - began < 20


def test_what_is_not_there(tmp_path: Path) -> None:
    with open_device("local") as device:
        with pytest.raises(InputError, match="cannot be read"):
            device.put(tmp_path / "missing", "0.bin")
        with pytest.raises(SetupError, match="cannot be run"):
            list(device.run(["/no/such/program"], timeout_s=1))


@pytest.mark.parametrize("url", ["usb:1", "", "local:2", "-oProxyCommand=x"])
def test_unknown_devices_list_what_there_is(url: str) -> None:
    with pytest.raises(InputError, match="local"):
        open_device(url)
