"""ssh and adb with clients that reach this machine: no word is parsed twice, all is removed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from fake_clients import HERE, failing, put_on_path, write_client

from edgekit.device import Device, ProgramError, open_device
from edgekit.device import adb as adb_module
from edgekit.device.remote import RemoteCommand, RemoteDevice
from edgekit.errors import InputError, SetupError

URLS = ("ssh://pi", "adb:R58")
ODD = "a 'b' \"c\" $(touch /tmp/forged) `id` ; & \\ \n 😀"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Both clients reach this machine, whose home and phone storage are `tmp_path`."""
    put_on_path(monkeypatch, tmp_path / "bin", {"ssh": HERE, "adb": HERE})
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(adb_module, "PLACE", str(tmp_path))
    return tmp_path


def folder_of(device: Device) -> Path:
    assert isinstance(device, RemoteDevice)
    return Path(device.folder)


@pytest.mark.parametrize("word", [ODD, "-oProxyCommand=x", "", "*"])
def test_a_word_arrives_as_it_was(word: str, here: Path) -> None:
    import subprocess

    line = RemoteCommand('printf "%s" "$1"', (word,)).line
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout == word


@pytest.mark.parametrize("url", URLS)
def test_files_and_programs_and_nothing_left(url: str, here: Path, tmp_path: Path) -> None:
    source = tmp_path / "an 'odd'\nname 😀"
    source.write_bytes(bytes(range(256)))
    with open_device(url) as device:
        folder = folder_of(device)
        assert (folder.stat().st_mode & 0o777) == 0o700
        device.put(source, "0.bin")
        code = "import sys; d = open('0.bin', 'rb').read(); open('1.bin', 'wb').write(d * 2)"
        code += "; print(len(d), sys.argv[1:])"
        lines = list(device.run([device.python, "-c", code, ODD], timeout_s=30))
        assert "".join(lines) == f"256 {[ODD]}\n"
        device.get("1.bin", tmp_path / "back")
        with pytest.raises(SetupError, match=r"nothing\.bin cannot be fetched: got cat"):
            device.get("nothing.bin", tmp_path / "no")
        with pytest.raises(InputError, match="cannot be read"):
            device.put(tmp_path / "missing", "2.bin")
    assert (tmp_path / "back").read_bytes() == bytes(range(256)) * 2
    assert not folder.exists()
    assert not Path("/tmp/forged").exists()


@pytest.mark.parametrize("url", URLS)
def test_a_bad_end_and_a_late_one(url: str, here: Path) -> None:
    with open_device(url) as device:
        with pytest.raises(ProgramError) as caught:
            list(device.run([device.python, "-c", "raise SystemExit('no')"], timeout_s=30))
        assert (caught.value.status, caught.value.words) == (1, "no")
        code = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
        with pytest.raises(ProgramError, match="SIGSEGV"):
            list(device.run([device.python, "-c", code], timeout_s=30))
        began = time.monotonic()
        with pytest.raises(ProgramError, match="too long"):
            list(device.run(["sleep", "60"], timeout_s=0.3))
    assert time.monotonic() - began < 20


def test_what_still_runs_is_ended(here: Path) -> None:
    """A client that is ended leaves its program running over there."""
    script = HERE.replace('exec sh -c "$line"', 'setsid sh -c "$line"')
    (here / "bin" / "ssh").write_text(script)
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    with open_device("ssh://pi") as device:
        lines = device.run([sys.executable, "-c", code], timeout_s=60)
        pid = int(next(iter(lines)))
        lines.close()  # type: ignore[attr-defined]
        assert Path(f"/proc/{pid}").exists()
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.05)
    raise AssertionError("still running")


@pytest.mark.parametrize(
    "url",
    [
        "ssh://", "ssh://-oProxyCommand=x", "ssh://-x@pi", "ssh://pi:0", "ssh://pi:99999",
        "ssh://pi;ls", "ssh://pi /x", "ssh:pi", "adb:-d", "adb:a b", "adb:$(id)", "qemu:", "qemu:x",
        "qemu:cortex-a76+", "qemu:cortex-a76+x",
    ],
)  # fmt: skip
def test_no_address(url: str) -> None:
    with pytest.raises(InputError, match="expected"):
        open_device(url)


SSH_FAILURES = [
    ("ssh: Could not resolve hostname pi: Name or service not known", "unknown host"),
    ("ssh: connect to host pi port 22: Connection refused", "look whether sshd runs there"),
    ("ssh: connect to host pi port 22: Connection timed out", "look whether it is on"),
    ("No ED25519 host key is known for pi\nHost key verification failed.",
     "unknown host key: compare the fingerprint once by hand: ssh -l me -p 2222 pi"),
    ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
     "the host key has changed: find out why; after a new installation run: ssh-keygen -R pi"),
    ("me@pi: Permission denied (publickey,password).",
     "a password is asked for: run: ssh-copy-id -p 2222 me@pi"),
    ("client_loop: send disconnect: Broken pipe", "connection lost: got client_loop"),
]  # fmt: skip


@pytest.mark.parametrize(("stderr", "part"), SSH_FAILURES)
def test_what_ssh_says_in_one_line(
    stderr: str, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_on_path(monkeypatch, tmp_path / "bin", {"ssh": failing(stderr, 255)})
    with pytest.raises(SetupError) as caught, open_device("ssh://me@pi:2222"):
        pass
    assert str(caught.value).startswith("ssh://me@pi:2222: ")
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3


ADB_FAILURES = [
    ("error: device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set", "unlock the"),
    ("error: device offline", "offline: unlock"),
    ("adb: device 'R58' not found", "no such phone"),
    ("error: no devices/emulators found", "no phone: plug one in"),
    ("error: more than one device/emulator", "several phones: name one"),
    ("error: closed", "connection lost"),
    ("error: something new", "adb failed: got error: something new"),
]


@pytest.mark.parametrize(("stderr", "part"), ADB_FAILURES)
def test_what_adb_says_in_one_line(
    stderr: str, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_on_path(monkeypatch, tmp_path / "bin", {"adb": failing(stderr, 1)})
    with pytest.raises(SetupError) as caught, open_device("adb:R58"):
        pass
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", URLS)
def test_no_client(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="run: apt install"), open_device(url):
        pass


def test_a_full_disk(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = failing("cat: write error: No space left on device", 1, after="0.tflite")
    put_on_path(monkeypatch, here / "full", {"ssh": full})
    source = here / "m.tflite"
    source.write_bytes(b"x")
    with open_device("ssh://pi") as device, pytest.raises(SetupError) as caught:
        device.put(source, "0.tflite")
    assert str(caught.value) == "ssh://pi: the disk is full: free some space in /tmp there"


def test_another_architecture(here: Path) -> None:
    program = here / "bin" / "foreign"
    program.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(200))
    program.chmod(0o755)
    with open_device("ssh://pi") as device, pytest.raises(SetupError) as caught:
        list(device.run([str(program)], timeout_s=30))
    assert "another architecture" in str(caught.value)
    assert "edgekit deploy --setup --on ssh://pi" in str(caught.value)


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("ssh://pi", "install python3 there"),
        ("adb:R58", "run: edgekit deploy --setup --on adb:R58"),
    ],
)
def test_no_python(url: str, remedy: str, here: Path) -> None:
    tools = here / "tools"
    tools.mkdir()
    for name in ("sh", "mkdir", "rm"):
        (tools / name).symlink_to(f"/bin/{name}")
    for name in ("ssh", "adb"):
        (here / "bin" / name).write_text(HERE.replace("exec sh", f"PATH={tools} exec /bin/sh"))
    wanted = f"no Python there: {remedy}"
    with open_device(url) as device, pytest.raises(SetupError, match=wanted):
        _ = device.python


def test_getprop_is_facts(here: Path) -> None:
    stub = '#!/bin/sh\ncase $1 in ro.product.model) echo "Pixel 4";; esac\n'
    write_client(here / "bin", "getprop", stub)
    with open_device("adb:R58") as device:
        assert device.facts == {"board": "Pixel 4"}


def test_a_phone_of_32_bits_is_refused(here: Path) -> None:
    write_client(here / "bin", "uname", "#!/bin/sh\necho armv8l\n")
    with adb_module.open_url("adb:R58") as device, pytest.raises(SetupError) as caught:
        device.set_up()
    assert str(caught.value) == "adb:R58: no packages for it: got armv8l, expected aarch64"


def test_phones_in_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = (
        "#!/bin/sh\nprintf 'List of devices attached\\nR58\\tdevice\\nX1\\tunauthorized\\n\\n'"
    )
    put_on_path(monkeypatch, tmp_path / "bin", {"adb": listing})
    assert adb_module.list_phones() == [("R58", "device"), ("X1", "unauthorized")]
