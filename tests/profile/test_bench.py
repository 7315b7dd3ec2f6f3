"""The engine: turns, targets, what a device may do to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import make_artifact, write_tflite

from edgekit.device import Device, ProgramError, open_device
from edgekit.device.local import LocalDevice
from edgekit.errors import InputError, SetupError
from edgekit.profile.timing.bench import bench
from edgekit.profile.timing.measurement import Options
from edgekit.profile.timing.result_file import to_json
from edgekit.profile.timing.targets import find_targets

QUICK = Options(rounds=2, runs=4, min_seconds=0.0, warmup_runs=1)


class ScriptedDevice(LocalDevice):
    """A device whose worker is a script: (lines, what happens then) for each call."""

    def __init__(self, calls: Sequence[tuple[list[dict[str, Any]], Exception | None]]) -> None:
        super().__init__()
        self.calls = iter(calls)
        self.asked: list[str] = []

    def run(self, argv: Sequence[str], *, timeout_s: float) -> Iterator[str]:
        self.asked.append(argv[-1])
        lines, error = next(self.calls)
        yield "a line that some library printed\n"
        yield from (json.dumps(line) + "\n" for line in lines)
        if error:
            raise error


def events(*times_ms: float, done: bool = True) -> list[dict[str, Any]]:
    """Return what a worker says that measured `times_ms`."""
    runtime = {"name": "litert", "version": "2.3.0", "threads": 1}
    said = [
        {"event": "device", "cpu": "test"},
        {"event": "loaded", "load_ms": 2.0, "runtime": runtime, "inputs": [],
         "baseline_memory_bytes": 100},
        {"event": "first", "ms": 9.0},
        {"event": "warm", "runs": 3, "stable": True, "state": {}},
        {"event": "runs", "ns": [ms * 1e6 for ms in times_ms]},
        {"event": "done", "peak_memory_bytes": 300, "state": {}, "truncated": False},
    ]  # fmt: skip
    return said if done else said[:-1]


def run_scripted(tmp_path: Path, calls: Any, files: int = 1, rounds: int = 2) -> Any:
    paths = [write_tflite(tmp_path / f"m{i}.tflite", size=4 + i) for i in range(files)]
    device = ScriptedDevice(calls)
    with device:
        return bench(find_targets(paths), device, Options(rounds=rounds, runs=2)), device


def test_a_report_by_hand(tmp_path: Path) -> None:
    report, _ = run_scripted(tmp_path, [(events(1.0, 3.0), None), (events(2.0, 2.0), None)])
    row = to_json([report])["rows"][0]
    assert row["latency_ms"]["p50"] == 2.0
    assert row["latency_ms"]["n"] == 4
    assert row["latency_ms"]["interval"] == pytest.approx([2.0, 2.0])  # both rounds' medians are 2
    assert (row["load_ms"], row["first_run_ms"]) == (2.0, 9.0)
    assert (row["peak_memory_bytes"], row["model_memory_bytes"]) == (300, 200)
    assert row["rounds"][0]["samples_ms"] == (1.0, 3.0)
    assert row["kind"] == "measured"
    assert to_json([report])["devices"]["local"]["cpu"] == "test"
    assert "samples_ms" not in to_json([report], samples=False)["rows"][0]["rounds"][0]
    json.dumps(to_json([report]), allow_nan=False)


def test_files_take_turns(tmp_path: Path) -> None:
    calls = [(events(1.0, 1.0), None), (events(2.0, 2.0), None)] * 2
    report, device = run_scripted(tmp_path, calls, files=2)
    assert device.asked == ["0.json", "1.json", "0.json", "1.json"]
    ratio, interval = report.ratio(0, 1)
    assert ratio == pytest.approx(2.0)
    assert interval == pytest.approx((2.0, 2.0))


def test_a_ratio_lies_in_its_interval_when_the_machine_slows(tmp_path: Path) -> None:
    """By hand: ratios of 2 and 2.42 in two rounds, the second three times slower; sqrt(4.84)."""
    calls = [(events(t, t), None) for t in (1.0, 2.0, 3.0, 7.26)]
    report, _ = run_scripted(tmp_path, calls, files=2)
    ratio, interval = report.ratio(0, 1)
    assert ratio == pytest.approx(2.2)
    assert interval is not None
    assert interval[0] < ratio < interval[1]


def test_a_lost_device_keeps_the_finished_runs(tmp_path: Path) -> None:
    lost = SetupError("ssh://pi: connection lost")
    calls = [(events(1.0, 1.0), None), (events(5.0, done=False), lost)]
    report, _ = run_scripted(tmp_path, calls)
    assert [r.samples_ms for r in report.rows[0].rounds] == [(1.0, 1.0), (5.0,)]
    assert report.rows[0].peak_memory_bytes is None  # the second round never said
    assert "fewer runs than asked" in report.rows[0].doubts(0.05)
    assert (report.exit_code, list(report.failures.values())) == (3, [str(lost)])


def test_a_lost_device_with_nothing_finished_is_the_error(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="connection lost"):
        run_scripted(tmp_path, [([], SetupError("ssh://pi: connection lost"))], files=2)


def test_a_crash_is_the_files_fault_once_the_device_has_worked(tmp_path: Path) -> None:
    crash = ProgramError("local: python failed", 139, ending="SIGSEGV")
    with pytest.raises(InputError, match=r"m0.tflite: crashes litert: got SIGSEGV"):
        run_scripted(tmp_path, [(events()[:1], crash)])
    with pytest.raises(ProgramError):
        run_scripted(tmp_path, [([], crash)])
    late = ProgramError("local: python took too long", None, ending="240 s")
    with pytest.raises(InputError, match="did not finish"):
        run_scripted(tmp_path, [(events()[:1], late)])


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    bad = [{"event": "error", "code": 2, "line": "litert refuses the model: old"}]
    calls = [(bad, None), (events(1.0), None), (events(1.0), None)]
    report, device = run_scripted(tmp_path, calls, files=2)
    assert device.asked == ["0.json", "1.json", "1.json"]
    assert [r.target.path.name for r in report.rows] == ["m1.tflite"]
    assert "refuses" in report.failures[str(tmp_path / "m0.tflite")]
    assert report.exit_code == 2


def test_doubts(tmp_path: Path) -> None:
    hot = events(1.0, 1.0)
    hot[-1] = {**hot[-1], "state": {"throttled": "0x50005"}}
    hot[3] = {**hot[3], "stable": False}
    report, _ = run_scripted(tmp_path, [(hot, None), (events(3.0, 3.0), None)])
    doubts = " ".join(report.rows[0].doubts(0.05))
    assert "throttled" in doubts
    assert "noisy" in doubts
    assert "becoming faster" in doubts


@pytest.mark.parametrize(
    ("state", "throttled"),
    [({"throttled": "0x50000"}, False), ({"throttled": "0x4"}, True),
     ({"thermal_status": 0}, False), ({"thermal_status": 1}, True),
     ({"clocks_khz": [1500000, 600000]}, False)],
)  # fmt: skip
def test_what_a_machine_says_of_throttling(
    state: dict[str, Any], throttled: bool, tmp_path: Path
) -> None:
    """A Pi's high bits are of the past; Android's status is 0 where nothing throttles."""
    said = events(1.0, 1.0)
    said[-1] = {**said[-1], "state": state}
    report, _ = run_scripted(tmp_path, [(said, None)] * 2)
    assert report.rows[0].rounds[0].throttled is throttled


@pytest.mark.parametrize("runtime", [None, "litert", "tflite-runtime", "onnxruntime"])
def test_an_artifact_on_this_machine(runtime: str | None, tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path / "art")
    targets = find_targets([artifact.folder], runtime=runtime)
    options = Options(rounds=2, runs=4, min_seconds=0.0, warmup_runs=1, runtime=runtime)
    with open_device("local") as device:
        report = bench(targets, device, options)
    expected = {None: ["w8a8", "f32"], "onnxruntime": ["f32"]}.get(runtime, ["w8a8"])
    assert [r.target.scheme for r in report.rows] == expected
    assert all(r.latency.n >= 4 and r.target.madds == 4 for r in report.rows)
    if runtime:
        assert report.rows[0].runtime["name"] == runtime


def test_schemes_choose_files(tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path / "art")
    assert [t.scheme for t in find_targets([artifact.folder], schemes=["f32"])] == ["f32"]
    with pytest.raises(InputError, match="w8a8 tflite, f32 onnx"):
        find_targets([artifact.folder], schemes=["w8"])


def test_damage_after_the_manifest_was_written_is_named(tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path / "art")
    targets = find_targets([artifact.folder])
    (tmp_path / "art" / "a.w8a8.tflite").write_bytes(b"\xff\xff\xff\x7fTFL3")
    with open_device("local") as device:
        report = bench(targets, device, QUICK)
    assert [r.target.scheme for r in report.rows] == ["f32"]
    assert "SHA-256" in next(iter(report.failures.values()))


@pytest.mark.parametrize("runtime", ["litert", "tflite-runtime"])
@pytest.mark.parametrize("content", [b"\xff\xff\xff\x7fTFL3", b"", b"hello, world", b"TFL3" * 99])
def test_damaged_files_end_in_one_line(runtime: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad 'name'\n😀.tflite"
    path.write_bytes(content)
    options = Options(rounds=1, runs=1, min_seconds=0.0, runtime=runtime)
    with open_device("local") as device, pytest.raises(InputError, match="bad 'name'") as caught:
        bench(find_targets([path]), device, options)
    assert "\n" not in str(caught.value)


def test_a_file_for_another_runtime(tmp_path: Path) -> None:
    device: Device
    with open_device("local") as device, pytest.raises(InputError, match="not for onnxruntime"):
        bench(
            find_targets([write_tflite(tmp_path / "m.tflite")]),
            device,
            Options(runtime="onnxruntime"),
        )


@pytest.mark.parametrize(
    "wrong",
    [
        {"threads": 0}, {"rounds": 0}, {"runs": 0}, {"min_seconds": -1.0}, {"max_seconds": 0.5},
        {"warmup_runs": -1}, {"seed": -1}, {"runtime": "torch"}, {"min_seconds": float("nan")},
    ],
)  # fmt: skip
def test_options_that_make_no_benchmark(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="bench: "):
        Options(**wrong)


def test_runs_are_those_of_a_bare_loop_in_this_process(tmp_path: Path) -> None:
    """Not a test of speed: a factor of three either way would mean that something else is timed.

    The fastest runs are compared: however busy the machine is, some runs are left alone.
    """
    import time

    from ai_edge_litert.interpreter import Interpreter

    path = write_tflite(tmp_path / "m.tflite", size=1_000_000)
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, np.ones((1, 1_000_000), np.float32))
    spent_ms = []
    for _ in range(200):
        began = time.perf_counter_ns()
        interpreter.invoke()
        spent_ms.append((time.perf_counter_ns() - began) / 1e6)
    options = Options(rounds=3, runs=300, min_seconds=0.0)
    with open_device("local") as device:
        report = bench(find_targets([path]), device, options)
    fastest_ms = min(ms for r in report.rows[0].rounds for ms in r.samples_ms)
    assert 1 / 3 < fastest_ms / min(spent_ms) < 3
