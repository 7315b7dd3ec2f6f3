"""The whole path through a real aarch64 sshd and adbd, and what can go wrong on the way."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import arm_board
import pytest
from tiny_models import make_artifact, write_tflite

from edgekit.cli import run
from edgekit.device import open_device
from edgekit.errors import SetupError

pytestmark = pytest.mark.emulator

QUICK = ["--rounds", "2", "--runs", "2", "--min-seconds", "0", "--warmup", "0", "--retries", "0"]
# On the board: end the sshd process of the connection that a worker runs in, the child of the one
# that listens, which is a child of process 1. Its own connection is another.
CUT = r"""
parent() { while read -r key n; do [ "$key" = PPid: ] && echo "$n"; done < /proc/$1/status; }
p=$(cat /tmp/edgekit-*/pid)
while [ "$(parent "$(parent "$p")")" != 1 ]; do p=$(parent "$p"); done
kill -9 "$p"
"""
LEFT = "ls -A {root}/tmp {root}/data/local/tmp"


def left_over(board: arm_board.Board) -> list[str]:
    """Return the folders of ours that are still on the board."""
    names = board.run(LEFT.format(root=board.root)).split()
    return [name for name in names if name.startswith("edgekit-")]


@pytest.mark.parametrize("url", [arm_board.Board.ssh, arm_board.Board.adb])
def test_a_missing_runtime_says_how_to_install_it(
    url: str, reach: arm_board.Board, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_tflite(tmp_path / "m.tflite")
    assert run(["bench", str(model), "--on", url, *QUICK]) == 3
    error = capsys.readouterr().err.strip()
    assert error.endswith(f"run: edgekit deploy --setup --on {url}")
    assert "\n" not in error
    assert left_over(reach) == []


@pytest.fixture(scope="module")
def set_up(board: arm_board.Board, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact; the board has an environment for ssh, and as a phone another for adb."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{board.clients}{os.pathsep}{os.environ['PATH']}")
        for url in (board.ssh, board.adb):
            assert run(["deploy", "--setup", "--on", url, "--runtime", "litert"]) == 0
    return make_artifact(tmp_path_factory.mktemp("a") / "art").folder


@pytest.fixture
def no_python(reach: arm_board.Board) -> Iterator[None]:
    """The board without its own Python, as a phone is."""
    hidden = "bin/python3 bin/python3.11 lib/python3.11"
    move = f"cd {reach.root}/usr && for f in {hidden}; do mv $f%s $f%s; done"
    reach.run(move % ("", ".hidden"))
    yield
    reach.run(move % (".hidden", ""))


def test_a_phone_has_a_python_of_its_own(
    set_up: Path, reach: arm_board.Board, no_python: None, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """No root, no app, nothing of the system: the loader, the library, the wheels were pushed."""
    code = "import sys, numpy, platform; print(sys.prefix, numpy.__file__, platform.libc_ver()[0])"
    with open_device(reach.adb) as device:
        assert device.python == "/data/local/tmp/edgekit/venv/bin/python"
        text = "".join(device.run([device.python, "-c", code], timeout_s=60))
    prefix, numpy, libc = text.split()
    assert prefix == "/data/local/tmp/edgekit/venv/usr"
    assert numpy.startswith("/data/local/tmp/edgekit/venv/opt/site/numpy")
    assert libc == "glibc"
    output = tmp_path / "r.json"
    command = ["bench", str(set_up), "--on", reach.adb, *QUICK, "--file", "w8a8"]
    assert run([*command, "-o", str(output)]) == 0
    (facts,) = json.loads(output.read_text())["devices"].values()
    assert (facts["machine"], facts["cpu"]) == ("aarch64", "1x Cortex-A72")
    capsys.readouterr()
    assert run(["bench", str(set_up), "--on", reach.ssh, *QUICK, "--file", "w8a8"]) == 3


def test_bench_on_three_machines_in_one_table(
    set_up: Path, reach: arm_board.Board, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("COLUMNS", "80")
    output = tmp_path / "r.json"
    places = [part for url in ("local", reach.ssh, reach.adb) for part in ("--on", url)]
    command = ["bench", str(set_up), *places, *QUICK, "--file", "w8a8", "-o", str(output)]
    assert run(command) == 0
    lines = capsys.readouterr().out.splitlines()
    (heading,) = [line for line in lines if "p90" in line]
    assert heading.split()[:2] == ["device", "p50"]  # one file: the caption names it
    assert any(line.strip().startswith(reach.ssh) for line in lines)
    assert max(map(len, lines)) <= 80
    data = json.loads(output.read_text())
    assert [row["device"] for row in data["rows"]] == ["local", reach.ssh, reach.adb]
    assert {row["kind"] for row in data["rows"]} == {"measured"}
    machines = [data["devices"][row["device"]]["machine"] for row in data["rows"]]
    assert machines[1:] == ["aarch64", "aarch64"]
    assert data["devices"][reach.ssh]["cpu"] == "1x Cortex-A72"
    assert left_over(reach) == []


def test_deploy_checks_the_answers_there(
    set_up: Path, reach: arm_board.Board, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file without reference answers is refused; nothing is copied then."""
    assert run(["deploy", str(set_up), "--on", reach.ssh]) == 2
    assert "no reference answers" in capsys.readouterr().err


def test_integers_are_the_same_through_both(
    set_up: Path, reach: arm_board.Board, shared_data: Path
) -> None:
    import numpy as np

    from edgekit.profile.timing.on_device import DeviceSession

    model = shared_data / "tflite" / "mobilenet_v1_0.25_224_quant.tflite"
    picture = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
    answers = []
    for url in ("local", reach.ssh, reach.adb):
        with open_device(url) as device:
            (values,) = DeviceSession(model, device)({"input": picture}, None).values()
            answers.append(values)
    np.testing.assert_array_equal(answers[1], answers[2])
    # uint8 per tensor: XNNPACK rounds otherwise on ARM, by a step or two.
    assert abs(answers[1].astype(int) - answers[0]).max() <= 2


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ("UserKnownHostsFile /dev/null", "unknown host key: compare the fingerprint once"),
        ("PubkeyAuthentication no", "a password is asked for: run: ssh-copy-id pi"),
        ("Port 2223", "out of reach: look whether sshd runs there"),
        ("HostName no.such.host.invalid", "unknown host"),
    ],
)
def test_a_real_client_that_gets_no_further(
    change: str, part: str, reach: arm_board.Board, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(f"Host pi\n {change}\n{reach.config.read_text()}")
    script = (reach.clients / "ssh").read_text().replace(str(reach.config), str(config))
    client = arm_board.write_client(tmp_path / "bin", "ssh", script)
    monkeypatch.setenv("PATH", f"{client.parent}:{reach.clients}:/usr/bin:/bin:/usr/sbin")
    with pytest.raises(SetupError) as caught, open_device(reach.ssh):
        pass
    assert part in str(caught.value)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("url", [arm_board.Board.ssh, arm_board.Board.adb])
def test_a_full_disk(url: str, reach: arm_board.Board, tmp_path: Path) -> None:
    place = {"ssh": "tmp", "adb": "data/local/tmp"}[url.partition(":")[0]]
    big = tmp_path / "big"
    big.write_bytes(bytes(3 << 20))
    folder = reach.root / place
    reach.run(f"mount -t tmpfs -o size=2m,mode=1777 tmpfs {folder}")
    try:
        with open_device(url) as device, pytest.raises(SetupError, match="the disk is full"):
            device.put(big, "0.tflite")
    finally:
        reach.run(f"umount {folder}")


def test_a_connection_that_breaks_keeps_what_was_finished(
    set_up: Path, reach: arm_board.Board, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The session is cut in the middle of a round; the next call runs the rest."""
    output = tmp_path / "r.json"
    slow = ["--rounds", "3", "--runs", "3", "--min-seconds", "9", "--warmup", "0", "--retries", "0"]
    command = ["bench", str(set_up), "--file", "w8a8", "--on", reach.ssh, *slow, "-o", str(output)]
    import sys

    code = "import sys; from edgekit.cli import run; sys.exit(run(sys.argv[1:]))"
    process = subprocess.Popen([sys.executable, "-c", code, *command], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (output.exists() and json.loads(output.read_text())["rows"]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1.0)
    subprocess.run([reach.clients / "ssh", "pi", CUT], capture_output=True, check=False)
    error = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 3, error
    assert "connection lost" in error
    before = json.loads(output.read_text())
    assert not before["finished"]
    finished = [r["samples_ms"] for r in before["rows"][0]["rounds"] if not r["cut"]]
    assert finished
    assert run(command) == 0
    assert "finished rounds are kept" in " ".join(capsys.readouterr().err.split())
    after = json.loads(output.read_text())
    assert after["finished"]
    rounds = [r["samples_ms"] for r in after["rows"][0]["rounds"]]
    assert len(rounds) == 3
    assert rounds[: len(finished)] == finished


def test_raspberry_pi_os_of_32_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    shared_data: Path,
) -> None:  # fmt: skip
    """No wheel of NumPy nor of LiteRT: the board's own NumPy, and tflite-runtime."""
    model = str(shared_data / "tflite/mobilenet_v1_0.25_224_quant.tflite")
    with arm_board.running(tmp_path, arm_board.PI_32) as board:
        monkeypatch.setenv("PATH", f"{board.clients}{os.pathsep}{os.environ['PATH']}")
        assert run(["deploy", "--setup", "--on", board.ssh, "--json"]) == 0
        made = json.loads(capsys.readouterr().out)["environment"]
        assert made["machine"] == "armv7l"
        assert list(made["runtimes"]) == ["tflite-runtime"]
        assert run(["bench", model, "--on", board.ssh, *QUICK]) == 3
        assert capsys.readouterr().err.strip().endswith(", or give --runtime tflite-runtime")
        output = tmp_path / "r.json"
        command = ["bench", model, "--on", board.ssh, *QUICK, "--runtime", "tflite-runtime"]
        assert run([*command, "-o", str(output)]) == 0
        data = json.loads(output.read_text())
        (facts,) = data["devices"].values()
        assert (facts["machine"], facts["cpu"]) == ("armv7l", "1x Cortex-A15")
        assert data["rows"][0]["runtime"]["name"] == "tflite-runtime"
