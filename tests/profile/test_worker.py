"""The device program: as a process of its own, and its parts by hand."""

from __future__ import annotations

import hashlib
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_tflite
from fake_clients import put_on_path
from tiny_models import write_inputs, write_onnx, write_tflite

from edgekit.profile.timing import worker

QUICK = {"runs": 3, "min_seconds": 0.0, "warmup_runs": 1}


def run(config: dict[str, Any], cwd: Path) -> tuple[int, list[dict[str, Any]]]:
    """Run the worker as a device does: copied alone, with no edgekit beside it."""
    (cwd / "worker.py").write_bytes(Path(worker.__file__).read_bytes())
    (cwd / "config.json").write_text(json.dumps({**QUICK, **config}))
    done = subprocess.run(
        [sys.executable, "worker.py", "config.json"],
        cwd=cwd, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("runtime", ["litert", "tflite-runtime", "onnxruntime"])
def test_events_of_each_runtime(runtime: str, tmp_path: Path) -> None:
    path = tmp_path / "m"
    write_onnx(path) if runtime == "onnxruntime" else write_tflite(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    code, events = run({"model": "m", "runtime": runtime, "sha256": sha256}, tmp_path)
    assert code == 0
    names = [e["event"] for e in events]
    assert [n for n, _ in itertools.groupby(names)] == [
        "device", "loaded", "first", "warm", "runs", "done",
    ]  # fmt: skip
    loaded, done = events[1], events[-1]
    assert loaded["runtime"]["name"] == runtime
    assert loaded["inputs"][0]["shape"] == [1, 4]
    times = [ns for e in events if e["event"] == "runs" for ns in e["ns"]]
    assert len(times) >= 3
    assert min(times) > 0
    assert loaded["load_ms"] > 0
    assert done["peak_memory_bytes"] >= loaded["baseline_memory_bytes"] > 10_000_000
    assert not done["truncated"]


@pytest.mark.parametrize("runtime", ["litert", "tflite-runtime", "onnxruntime"])
def test_a_profile_has_the_ops_where_the_runtime_tells_them(runtime: str, tmp_path: Path) -> None:
    path = tmp_path / "m"
    write_onnx(path) if runtime == "onnxruntime" else write_tflite(path, size=100_000)
    code, events = run({"model": "m", "runtime": runtime, "profile": True}, tmp_path)
    assert code == 0
    profile = events[-1]
    assert profile["event"] == "profile"
    assert min(profile["pre_ms"], profile["invoke_ms"], profile["post_ms"]) > 0
    if runtime == "onnxruntime":
        (op,) = profile["ops"]
        assert op["op"] == "Mul"
        assert 0 < op["ms"] < 10
    else:
        assert profile["ops"] is None


@pytest.mark.parametrize("runtime", ["litert", "tflite-runtime"])
def test_each_signature_is_timed_and_answers(runtime: str, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(tiny_tflite.add_and_negate())
    a, b = (np.array(v, np.float32) for v in ([[1, 2], [3, 4]], [[10, 20], [30, 40]]))
    for signature, inputs, expected in (
        ("add", {"a": a, "b": b}, {"total": a + b, "twice": 2 * (a + b)}),
        ("negate", {"a": a}, {"minus": -a}),
    ):
        config = {"model": "m", "runtime": runtime, "signature": signature}
        code, events = run({**config, "profile": True}, tmp_path)
        assert (code, events[-1]["event"]) == (0, "profile")
        assert {i["name"] for i in events[1]["inputs"]} == set(inputs)
        flat = {name: array.reshape(-1, *a.shape[1:]) for name, array in inputs.items()}
        write_inputs(tmp_path / "i.npz", **flat)
        code, events = run({**config, "inputs": "i.npz", "answers": "o.npz"}, tmp_path)
        assert (code, events[-1]["event"], events[-1]["examples"]) == (0, "answered", 2)
        with np.load(tmp_path / "o.npz") as answers:
            for name, values in expected.items():
                np.testing.assert_array_equal(answers[name].reshape(a.shape), values)


@pytest.mark.parametrize(
    ("says", "status"), [("Thermal Status: 2", 2), ("no such service", None), ("", None)]
)
def test_androids_thermal_status(
    says: str, status: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert worker.thermal_status() is None  # no Android here
    put_on_path(monkeypatch, tmp_path, {"dumpsys": f"#!/bin/sh\necho '{says}'\n"})
    assert worker.thermal_status() == status
    assert worker.device_state()["thermal_status"] == status


def test_a_pis_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert worker.throttled() is None
    put_on_path(monkeypatch, tmp_path, {"vcgencmd": "#!/bin/sh\necho throttled=0x50005\n"})
    assert worker.throttled() == "0x50005"


def test_worker_imports_nothing_of_the_project_and_nothing_heavy_at_the_top() -> None:
    text = Path(worker.__file__).read_text()
    assert "import edgekit" not in text
    assert "from edgekit" not in text
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import worker; print('numpy' in sys.modules)"
    )
    folder = str(Path(worker.__file__).parent)
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, folder], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("config", "code", "part"),
    [
        ({"sha256": "0" * 64}, 2, "SHA-256"),
        ({"model": "missing.tflite"}, 2, "cannot be read"),
        ({"runtime": "torch"}, 2, "expected one of litert"),
        ({"signature": "nope"}, 2, "no signature nope"),
        ({"inputs": "wrong_shape.npz"}, 2, "expected float32 [1, 4]"),
        ({"inputs": "wrong_name.npz"}, 2, "inputs z: expected x"),
        ({"cpus": [4096]}, 3, "cannot stay on cores"),
    ],
)
def test_refusals(config: dict[str, Any], code: int, part: str, tmp_path: Path) -> None:
    write_tflite(tmp_path / "m.tflite")
    write_inputs(tmp_path / "wrong_shape.npz", x=np.zeros((1, 5), np.float32))
    write_inputs(tmp_path / "wrong_name.npz", z=np.zeros((1, 4), np.float32))
    got, events = run({"model": "m.tflite", **config}, tmp_path)
    assert (got, events[-1]["event"], events[-1]["code"]) == (code, "error", code)
    assert part in events[-1]["line"]


def test_given_inputs_set_a_free_dimension(tmp_path: Path) -> None:
    write_onnx(tmp_path / "m.onnx", free_batch=True)
    write_inputs(tmp_path / "i.npz", x=np.ones((7, 4), np.float32))
    config = {"model": "m.onnx", "runtime": "onnxruntime"}
    assert run(config, tmp_path)[1][1]["inputs"][0]["shape"] == [1, 4]
    code, events = run({**config, "inputs": "i.npz"}, tmp_path)
    assert code == 0
    assert events[1]["inputs"] == [
        {"name": "x", "shape": [7, 4], "dtype": "float32", "from": "file"}
    ]


def test_max_seconds_cuts_and_says_so(tmp_path: Path) -> None:
    write_tflite(tmp_path / "m.tflite")
    config = {"model": "m.tflite", "runs": 10**9, "max_seconds": 0.01}
    code, events = run(config, tmp_path)
    assert code == 0
    assert events[-1]["truncated"]


def test_min_seconds_are_kept(tmp_path: Path) -> None:
    write_tflite(tmp_path / "m.tflite")
    code, events = run({"model": "m.tflite", "min_seconds": 0.05}, tmp_path)
    times = [ns for e in events if e["event"] == "runs" for ns in e["ns"]]
    assert code == 0
    assert sum(times) >= 0.05e9


def test_only_invoke_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0, 5)
    monkeypatch.setattr(worker.time, "perf_counter_ns", lambda: next(clock))
    calls: list[int] = []
    assert worker.timed(lambda: calls.append(1), 4) == [5, 5, 5, 5]
    assert len(calls) == 4


def test_warm_up_goes_on_while_runs_become_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100e6, 80e6, 60e6, 50e6, 50e6, 1.0])
    monkeypatch.setattr(worker, "timed", lambda invoke, n: [next(times)] * n)
    assert worker.warm_up(lambda: None, 1, 1e9) == (5, True)
    assert worker.warm_up(lambda: None, 0, 1e9) == (0, True)


def test_warm_up_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    times = itertools.count(1e9, -1e8)
    monkeypatch.setattr(worker, "timed", lambda invoke, n: [next(times)] * n)
    assert worker.warm_up(lambda: None, 1, -1.0) == (1, False)


def test_delegated_nodes_by_hand() -> None:
    def node(i: int, name: str, inputs: list[int], outputs: list[int]) -> dict[str, Any]:
        return {"index": i, "op_name": name, "inputs": inputs, "outputs": outputs}

    chain = [node(i, "CONV_2D", [i], [i + 1]) for i in range(4)]
    assert worker.count_delegated(chain, [4]) == {"nodes": 4, "delegated_nodes": 0}
    taken = [*chain, node(4, "DELEGATE", [1], [3])]  # nodes 1 and 2
    assert worker.count_delegated(taken, [4]) == {"nodes": 4, "delegated_nodes": 2}


def test_xnnpack_takes_the_published_network(shared_data: Path, tmp_path: Path) -> None:
    model = shared_data / "tflite" / "tf2_mobilenet_v2_1.0_224_ptq.tflite"
    code, events = run({"model": str(model)}, tmp_path)
    assert code == 0
    # All but uint8 -> int8 before, and softmax and int8 -> uint8 after the delegate.
    facts = events[1]["runtime"]
    assert (facts["nodes"], facts["delegated_nodes"]) == (68, 65)


def test_random_inputs() -> None:
    rng = np.random.default_rng(0)
    codes = worker.random_array(rng, [100_000], np.dtype("int8"))
    assert (codes.min(), codes.max(), codes.dtype) == (-128, 127, np.int8)
    reals = worker.random_array(rng, [100_000], np.dtype("float32"))
    assert -1 <= reals.min() < -0.99
    assert 0.99 < reals.max() < 1
    assert set(worker.random_array(rng, [100], np.dtype("int32"))) == {0, 1}
    with pytest.raises(worker.RefusedError, match="npz"):
        worker.random_array(rng, [1], np.dtype("complex64"))


def test_cpu_names() -> None:
    pi = "processor: 0\nCPU part\t: 0xd0b\n\nprocessor: 1\nCPU part\t: 0xd0b\n"
    assert worker.cpu_name(pi) == "2x Cortex-A76"
    phone = "CPU part : 0xd05\n" * 4 + "CPU part : 0xd41\n" * 3 + "CPU part : 0xfff\n"
    assert worker.cpu_name(phone) == "4x Cortex-A55 + 3x Cortex-A78 + 1x part 0xfff"
    assert worker.cpu_name("model name\t: Some CPU @ 2 GHz\n") == "Some CPU @ 2 GHz"
    assert worker.cpu_name("") is None


def test_kilobytes() -> None:
    assert worker.kilobytes("VmPeak:\t 9 kB\nVmHWM:\t  12 kB\n", "VmHWM") == 12 * 1024
    assert worker.kilobytes(None, "VmHWM") is None
