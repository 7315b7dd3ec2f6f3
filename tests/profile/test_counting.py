"""Instruction counts by hand: the differences, the device's counter, the worker's marks."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from test_bench import ScriptedDevice, events
from tiny_models import write_tflite

from edgekit.profile.timing import worker
from edgekit.profile.timing.bench import bench
from edgekit.profile.timing.counting import CACHE, CLASSES
from edgekit.profile.timing.measurement import Options
from edgekit.profile.timing.result_file import to_json
from edgekit.profile.timing.targets import find_targets, with_madds


def inference(**counts: int) -> dict[str, int]:
    return {name: counts.get(name, 0) for name in (*CLASSES, *CACHE)}


class Counter(ScriptedDevice):
    """A device that counts instead of timing."""

    url = "qemu:cortex-a76"
    kind = "simulated"
    counter = "instructions.txt"

    def __init__(self, inferences: Sequence[dict[str, int]]) -> None:
        counted = {"event": "counted", "inferences": list(inferences)}
        super().__init__([([*events()[:2], counted], None)])


def count(tmp_path: Path, inferences: Sequence[dict[str, int]]) -> Any:
    targets = [with_madds(t) for t in find_targets([write_tflite(tmp_path / "m.tflite")])]
    with Counter(inferences) as device:
        report = bench(targets, device, Options(rounds=5))
    assert device.asked == ["0.json"]  # the counts are exact: one process is enough
    return report


def test_the_last_four_inferences_count(tmp_path: Path) -> None:
    cold = [inference(integer=900), inference(integer=500)]
    warm = [inference(integer=60, simd=40, dot=20), inference(integer=60, simd=40, dot=22)] * 2
    report = count(tmp_path, cold + warm)
    (one,) = report.counts
    assert one.instructions == 121.0  # (120 + 122 + 120 + 122) / 4
    assert one.spread == pytest.approx(2 / 121)
    assert one.doubts() == ["unsteady: inferences differ by 1.65%"]
    assert (one.of("integer"), one.of("dot"), one.cache) == (60.0, 21.0, None)
    (data,) = to_json([report])["counts"]
    assert (data["kind"], data["instructions"]) == ("simulated", 121.0)
    assert "latency_ms" not in data  # an emulator tells no time
    assert to_json([report])["rows"] == []


def test_madds_where_every_op_has_a_rule(tmp_path: Path) -> None:
    report = count(tmp_path, [inference(integer=5)] * 6)
    assert report.counts[0].per_madd is None  # an addition has no multiply-add


def test_cache_figures(tmp_path: Path) -> None:
    same = inference(integer=5, accesses=100, l1_misses=10, l2_misses=1)
    cache = count(tmp_path, [same] * 6).counts[0].cache
    assert cache == {"accesses": 100.0, "l1_misses": 10.0, "l2_misses": 1.0}


def counted_by_the_worker(path: Path, spent: Sequence[int], read_back: Callable[[], str]) -> Any:
    """Return the event of a worker whose inferences execute so much, and whose marks take 5.

    A stand-in for the plugin: each mark writes what was counted so far.
    """
    executed, turns = [1000], itertools.chain(spent, itertools.repeat(spent[-1]))

    def mark(place: int, number: int) -> None:
        executed[0] += 5
        with path.open("a") as file:
            print(number, *(executed[0] * (i + 1) for i in range(len(worker.COUNTS))), file=file)

    def invoke() -> None:
        executed[0] += next(turns)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "mark", mark)
        worker.count_model(invoke, str(path))
    return json.loads(read_back())


@pytest.fixture
def out(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    return lambda: capsys.readouterr().out


def test_the_worker_reads_differences_between_marks(tmp_path: Path, out: Any) -> None:
    found = counted_by_the_worker(tmp_path / "counter", [7], out)["inferences"]
    assert len(found) == 6
    assert all(one["integer"] == 7 and one["branch"] == 14 for one in found)
    assert tuple(found[0]) == (*CLASSES, *CACHE) == worker.COUNTS
    assert worker.COUNTS[: worker.CLASSES] == CLASSES


def test_the_worker_goes_on_until_four_in_a_row_are_alike(tmp_path: Path, out: Any) -> None:
    # 1002 is .2% above 1000, 1001 is .1%
    spent = [3000, 2000, 1002, 1000, 1000, 1002, 1001, 1000, 1000, 1001, 5000]
    found = counted_by_the_worker(tmp_path / "counter", spent, out)["inferences"]
    assert [one["integer"] for one in found] == spent[:10]


def test_the_worker_gives_up_on_inferences_that_always_differ(tmp_path: Path, out: Any) -> None:
    found = counted_by_the_worker(tmp_path / "counter", [1000, 2000] * 40, out)["inferences"]
    assert len(found) == worker.MOST


def test_a_counter_that_says_nothing_is_the_devices_fault(tmp_path: Path) -> None:
    with pytest.raises(worker.RefusedError, match="0 of 3 marks") as caught:
        worker.count_model(lambda: None, str(tmp_path / "none"))
    assert caught.value.code == 3
