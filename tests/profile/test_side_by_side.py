"""Several devices in one call, and calls that were cut short."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from fake_clients import HERE, write_client
from test_bench import ScriptedDevice, events
from tiny_models import write_tflite

from edgekit.errors import SetupError
from edgekit.profile.timing.bench import bench
from edgekit.profile.timing.measurement import Options
from edgekit.profile.timing.result_file import read_unfinished, to_json
from edgekit.profile.timing.side_by_side import bench_side_by_side
from edgekit.profile.timing.targets import find_targets

LOST = SetupError("ssh://pi: connection lost")


def named(url: str, calls: Any) -> ScriptedDevice:
    device = ScriptedDevice(calls)
    device.url = url
    return device


def test_every_device_in_order_and_side_by_side(tmp_path: Path) -> None:
    both = threading.Barrier(2, timeout=30)

    class Waiting(ScriptedDevice):
        def __enter__(self) -> ScriptedDevice:
            super().__enter__()
            both.wait()  # passes only if the other device is in use at the same time
            return self

    devices = []
    for url, ms in (("local", 1.0), ("ssh://pi", 2.0)):
        device = Waiting([(events(ms, ms), None)] * 4)
        device.url = url
        devices.append(device)
    paths = [write_tflite(tmp_path / f"{i}.tflite", size=4 + i) for i in range(2)]
    options = Options(rounds=2, runs=2)
    reports = bench_side_by_side(find_targets(paths), devices, options)
    assert [r.url for r in reports] == ["local", "ssh://pi"]
    assert [[row.latency.p50 for row in r.rows] for r in reports] == [[1.0, 1.0], [2.0, 2.0]]
    assert all(d.asked == ["0.json", "1.json", "0.json", "1.json"] for d in devices)
    data = to_json(reports)
    assert list(data["devices"]) == ["local", "ssh://pi"]
    assert [row["device"] for row in data["rows"]] == ["local"] * 2 + ["ssh://pi"] * 2


def test_one_lost_device_does_not_stop_the_other(tmp_path: Path) -> None:
    targets = find_targets([write_tflite(tmp_path / "m.tflite")])
    devices = [
        named("local", [(events(1.0), None)] * 2), named("ssh://pi", [([], LOST)])
    ]  # fmt: skip
    local, pi = bench_side_by_side(targets, devices, Options(rounds=2, runs=1))
    assert local.finished
    assert (pi.finished, pi.rows, list(pi.failures.values())) == (False, (), [str(LOST)])
    assert pi.exit_code == 3
    lost = [named("ssh://a", [([], LOST)]), named("ssh://pi", [([], LOST)])]
    with pytest.raises(SetupError, match="connection lost"):
        bench_side_by_side(targets, lost, Options(rounds=2, runs=1))


def test_the_rest_is_run_by_the_next_call(tmp_path: Path) -> None:
    paths = [write_tflite(tmp_path / f"{i}.tflite", size=4 + i) for i in range(2)]
    targets, options = find_targets(paths), Options(rounds=2, runs=2)
    result = tmp_path / "r.json"

    def keep(reports: Any) -> None:
        result.write_text(json.dumps(to_json(reports)))

    # Lost in the second round of the first file: that round is cut and will be run again.
    first = named("ssh://pi", [(events(1.0, 1.0), None), (events(2.0, 2.0), None),
                               (events(7.0, done=False), LOST)])  # fmt: skip
    bench_side_by_side(targets, [first], options, keep=keep)
    kept = read_unfinished(result, targets, options)
    assert [[r.samples_ms for r in row.rounds] for row in kept] == [[(1.0, 1.0)], [(2.0, 2.0)]]

    second = named("ssh://pi", [(events(3.0, 3.0), None), (events(4.0, 4.0), None)])
    (report,) = bench_side_by_side(targets, [second], options, kept=kept, keep=keep)
    assert second.asked == ["0.json", "1.json"]
    samples = [[r.samples_ms for r in row.rounds] for row in report.rows]
    assert samples == [[(1.0, 1.0), (3.0, 3.0)], [(2.0, 2.0), (4.0, 4.0)]]
    assert report.finished
    assert read_unfinished(result, targets, options) == []  # nothing is left to do


def test_an_unreachable_device_loses_nothing(tmp_path: Path) -> None:
    targets, options = find_targets([write_tflite(tmp_path / "m.tflite")]), Options(rounds=2)
    result = tmp_path / "r.json"

    def keep(reports: Any) -> None:
        result.write_text(json.dumps(to_json(reports)))

    device = named("ssh://pi", [(events(1.0), None), ([], LOST)])
    bench_side_by_side(targets, [device], options, keep=keep)
    kept = read_unfinished(result, targets, options)
    (report,) = bench_side_by_side(
        targets, [named("ssh://pi", [([], LOST)])], options, kept=kept, keep=keep
    )
    assert len(report.rows[0].rounds) == 1
    assert len(read_unfinished(result, targets, options)[0].rounds) == 1


@pytest.mark.parametrize(
    "change", [{"runs": 7}, {"threads": 2}, {"seed": 1}, {"signature": "other"}]
)
def test_another_call_completes_nothing(change: dict[str, Any], tmp_path: Path) -> None:
    targets, options = find_targets([write_tflite(tmp_path / "m.tflite")]), Options(rounds=2)
    device = named("ssh://pi", [(events(1.0), None), ([], LOST)])
    (report,) = bench_side_by_side(targets, [device], options)
    result = tmp_path / "r.json"
    result.write_text(json.dumps(to_json([report])))
    assert read_unfinished(result, targets, options)
    assert read_unfinished(result, targets, Options(**{"rounds": 2, **change})) == []
    other = find_targets([write_tflite(tmp_path / "m.tflite", size=9)])
    assert read_unfinished(result, other, options) == []
    result.write_text(json.dumps(to_json([report], samples=False)))
    assert read_unfinished(result, targets, options) == []  # nothing to go on with


def hot(*times_ms: float) -> list[dict[str, Any]]:
    """Return a round in which the clock fell from 1.8 to 0.6 GHz."""
    said = events(*times_ms)
    said[3] = {**said[3], "state": {"clocks_khz": [600000, 1800000]}}
    said[4] = {**said[4], "state": {"clocks_khz": [600000, 600000]}}
    said[-1] = {**said[-1], "state": {"clocks_khz": [600000, 1800000]}}
    return said


def do_nothing(seconds: float) -> None:
    """Wait for no cool-down."""


def test_a_round_that_throttled_is_repeated_after_a_cool_down(tmp_path: Path) -> None:
    slept: list[float] = []
    targets = find_targets([write_tflite(tmp_path / "m.tflite")])
    calls = [(events(1.0), None), (hot(3.0), None), (events(1.0), None), (events(1.0), None)]
    options = Options(rounds=2, runs=1, retries=3, cool_down_s=30.0, max_spread=1e9)
    with ScriptedDevice(calls) as device:
        row = bench(targets, device, options, pause=slept.append).rows[0]
    assert slept == [30.0]
    assert [r.samples_ms for r in row.rounds] == [(1.0,)] * 3
    assert row.discarded == 1
    assert "throttled" not in " ".join(row.doubts(1e9))


def test_what_throttles_every_time_is_labelled(tmp_path: Path) -> None:
    options = Options(rounds=2, runs=1, retries=1)
    targets = find_targets([write_tflite(tmp_path / "m.tflite")])
    with ScriptedDevice([(hot(3.0), None)] * 4) as device:
        row = bench(targets, device, options, pause=do_nothing).rows[0]
    assert len(row.rounds) == 4
    assert "throttled" in row.doubts(1e9)


def test_a_noisy_file_gets_more_rounds(tmp_path: Path) -> None:
    options = Options(rounds=2, runs=1, retries=1)
    targets = find_targets([write_tflite(tmp_path / "m.tflite")])
    calls = [(events(ms), None) for ms in (1.0, 1.3, 1.1, 1.2)]
    with ScriptedDevice(calls) as device:
        row = bench(targets, device, options, pause=do_nothing).rows[0]
    assert len(row.rounds) == 4
    narrow = row.latency.spread
    assert narrow is not None
    assert narrow < 0.2


def test_mlperf_asks_for_more() -> None:
    valid = Options(runs=5000, max_seconds=1.0).valid_for_mlperf()
    assert (valid.runs, valid.min_seconds, valid.cool_down_s) == (5000, 60.0, 300.0)
    assert valid.max_seconds >= 60.0
    assert Options().valid_for_mlperf().runs == 1024


def test_an_interrupt_tidies_every_device_up(tmp_path: Path) -> None:
    """Ctrl-C in the middle: what was finished is kept, no process and no folder stays anywhere."""
    write_client(tmp_path / "bin", "ssh", HERE)
    model = write_tflite(tmp_path / "m.tflite", size=1000 + os.getpid())
    output = tmp_path / "r.json"
    command = ["bench", str(model), "--on", "local", "--on", "ssh://pi", "-o", str(output)]
    command += ["--rounds", "50", "--min-seconds", "20", "--warmup", "0"]
    # A shell starts what it puts into the background with interrupts ignored.
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += "from edgekit.cli import main; sys.exit(main())"
    environment = {
        **os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "TMPDIR": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path),
    }  # fmt: skip
    (tmp_path / "edgekit/venv").mkdir(parents=True)
    python = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
    write_client(tmp_path / "edgekit/venv/bin", "python", python)
    process = subprocess.Popen(
        [sys.executable, "-c", code, *command], env=environment, stderr=subprocess.PIPE
    )
    try:
        deadline = time.monotonic() + 120
        while not (output.exists() and len(json.loads(output.read_text())["rows"]) == 2):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=90)
    finally:
        process.kill()
    assert process.returncode == 130
    assert not json.loads(output.read_text())["finished"]
    assert list(tmp_path.glob("edgekit-*")) == []
    digest = hashlib.sha256(model.read_bytes()).hexdigest()  # of this very run, by its size
    assert not any(digest in c.read_text() for c in Path("/tmp").glob("edgekit-*/0.json"))
    programs = [p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline") if p.exists()]
    assert not any(str(tmp_path).encode() in line for line in programs)
