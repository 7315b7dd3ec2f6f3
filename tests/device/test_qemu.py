"""Emulated cores: exact counts, the same worker, ARM's own answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_models import write_tflite

from edgekit.cli import run
from edgekit.device import open_device
from edgekit.device.emulator import userland
from edgekit.device.qemu import CORES
from edgekit.errors import SetupError
from edgekit.profile.timing.on_device import DeviceSession
from edgekit.profile.timing.worker import ARM_CORES

MODEL = "tf2_mobilenet_v2_1.0_224_ptq.tflite"  # int8 per channel, uint8 at its ends


def count(output: Path, *arguments: str) -> list[dict[str, Any]]:
    assert run(["bench", *arguments, "-o", str(output)]) == 0
    counts: list[dict[str, Any]] = json.loads(output.read_text())["counts"]
    return counts


def test_cores_have_the_part_numbers_that_the_worker_knows() -> None:
    for name, core in CORES.items():
        assert ARM_CORES[core.part].lower() == name


def test_not_set_up_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path))
    monkeypatch.setattr(userland, "check_tools", lambda: None)
    model = write_tflite(tmp_path / "m.tflite")
    assert run(["bench", str(model), "--on", "qemu:cortex-a76"]) == 3
    assert capsys.readouterr().err == (
        "edgekit: qemu: not set up: run: edgekit device create qemu\n"
    )


def test_missing_tools_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="run: apt install qemu-user apt dpkg tar gcc"):
        userland.create()


def test_an_emulator_without_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for tool in userland.TOOLS:
        (tmp_path / tool).write_text("#!/bin/sh\necho usage: qemu-aarch64 -cpu\n")
        (tmp_path / tool).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(SetupError, match="takes no plugins: expected the dynamically linked"):
        userland.create()


@pytest.mark.emulator
def test_a_loop_counted_by_hand(emulator: Path, tmp_path: Path) -> None:
    """Two instructions a turn, a million turns between two marks; the rest is the call itself."""
    code = (
        "import ctypes, mmap, os, struct\n"
        # subs x0, x0, #1; b.ne -4; ret
        "words = struct.pack('<3I', 0xf1000400, 0x54ffffe1, 0xd65f03c0)\n"
        "page = mmap.mmap(-1, 4096, prot=7)\n"
        "page.write(words)\n"
        "place = ctypes.addressof(ctypes.c_char.from_buffer(page))\n"
        "loop = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_long)(place)\n"
        "nowhere = os.open(os.devnull, os.O_RDONLY)\n"
        "def mark(n): os.lseek(nowhere, 0x6d61726b << 16 | n, 0)\n"
        "for n, turns in enumerate((10, 10, 10**6, 2 * 10**6)): mark(n); loop(turns)\n"
        "mark(4)\n"
    )
    with open_device("qemu:cortex-a53") as device:
        program = tmp_path / "loop.py"
        program.write_text(code)
        device.put(program, "loop.py")
        list(device.run([device.python, "loop.py"], timeout_s=120))
        device.get("instructions.txt", tmp_path / "marks")
    lines = (tmp_path / "marks").read_text().splitlines()
    marks = np.array([line.split() for line in lines], np.int64)
    assert list(marks[:, 0]) == [0, 1, 2, 3, 4]
    _, empty, million, two_millions = np.diff(marks[:, 1:], axis=0)
    # integer and branch, each once a turn; what Python does around it is the same
    assert (two_millions - million)[:2] == pytest.approx([10**6, 10**6], rel=0.001)
    assert (million - empty)[:2] == pytest.approx([10**6, 10**6], rel=0.005)
    assert abs((two_millions - million)[2:6]).max() < 1000


@pytest.mark.emulator
def test_counts_are_exact_and_gated(
    emulator: Path, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(shared_data / "tflite" / MODEL)
    on = [part for core in ("cortex-a53", "cortex-a76") for part in ("--on", f"qemu:{core}")]
    first = count(tmp_path / "1.json", model, *on)
    table = capsys.readouterr().out
    assert "an emulator tells no time" in " ".join(table.split())
    assert "p50" not in table
    second = count(tmp_path / "2.json", model, *on)
    for one, other in zip(first, second, strict=True):
        assert one["spread"] < 0.001
        assert other["instructions"] == pytest.approx(one["instructions"], rel=0.001)
        assert one["doubts"] == []
    a53, a76 = first
    assert a53["classes"]["dot"] == 0  # no such instruction before Armv8.2
    assert a76["classes"]["dot"] > 0.1 * a76["instructions"]
    # Published for LiteRT 2.3: 49.2 M on an A76, 0.164 a MAdd, and 131.9 M on an A53.
    assert a76["instructions"] == pytest.approx(49.2e6, rel=0.02)
    assert a76["per_madd"] == pytest.approx(0.164, abs=0.003)
    assert a53["instructions"] == pytest.approx(131.9e6, rel=0.02)
    assert run(["gate", str(tmp_path / "1.json"), str(tmp_path / "2.json")]) == 0


@pytest.mark.emulator
def test_two_models_gated_by_instructions(
    emulator: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = str(write_tflite(tmp_path / "small.tflite", size=100_000))
    large = str(write_tflite(tmp_path / "large.tflite", size=120_000))
    assert run(["gate", large, small, "--on", "qemu:cortex-a72"]) == 0
    assert run(["gate", small, large, "--on", "qemu:cortex-a72"]) == 1
    assert "more instructions on cortex-a72" in capsys.readouterr().out


@pytest.mark.emulator
def test_caches_miss_as_they_must(emulator: Path, tmp_path: Path) -> None:
    """An addition of 64 MB: each line of input and output is missed once, in both levels."""
    elements = 4 << 20
    model = write_tflite(tmp_path / "m.tflite", size=elements)
    (one,) = count(tmp_path / "r.json", str(model), "--on", "qemu:cortex-a72+caches")
    lines = 2 * elements * 4 / 64
    assert one["cache"]["l1_misses"] == pytest.approx(lines, rel=0.02)
    assert one["cache"]["l2_misses"] == pytest.approx(lines, rel=0.02)
    assert one["cache"]["accesses"] > lines


@pytest.mark.emulator
@pytest.mark.parametrize(
    ("runtime", "core", "limit"),
    [("litert", "cortex-a53", 1), ("litert", "cortex-a76", 1),
     ("tflite-runtime", "cortex-a53", 15)],
)  # fmt: skip
def test_integers_on_arm(
    runtime: str, core: str, limit: int, emulator: Path, shared_data: Path
) -> None:
    """All of LiteRT but the softmax is bit-identical; tflite-runtime's x86 kernels are others."""
    picture = np.asarray(
        Image.open(shared_data / "images/cat.bmp").convert("RGB").resize((224, 224))
    )
    answers = []
    for url in ("local", f"qemu:{core}"):
        with open_device(url) as device:
            named = {"input": picture[None]}
            session = DeviceSession(shared_data / "tflite" / MODEL, device, runtime=runtime)
            (values,) = session(named, None).values()
            answers.append(values.astype(int))
    assert abs(answers[1] - answers[0]).max() <= limit
    assert answers[1].argmax() == answers[0].argmax()


@pytest.mark.emulator
def test_floats_on_arm(emulator: Path, shared_data: Path) -> None:
    model = shared_data / "tflite" / "mobilenet_v1_0.25_224_1_default_1.tflite"
    pictures = np.random.default_rng(1).uniform(-1, 1, (2, 224, 224, 3)).astype(np.float32)
    answers = []
    for url in ("local", "qemu:cortex-a72"):
        with open_device(url) as device:
            (values,) = DeviceSession(model, device)({"input": pictures}, None).values()
            answers.append(values)
    np.testing.assert_allclose(answers[1], answers[0], rtol=1e-4, atol=1e-6)


@pytest.mark.emulator
def test_several_threads_are_refused(emulator: Path, tmp_path: Path) -> None:
    model = write_tflite(tmp_path / "m.tflite")
    assert run(["bench", str(model), "--on", "qemu:cortex-a53", "--threads", "2"]) == 2
