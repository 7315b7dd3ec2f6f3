"""The sandbox: crashes, bombs and endless loops cost one line, and never the parent."""

from __future__ import annotations

import io
import json
import os
import random
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_tflite
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import InputError, SetupError
from edgekit.runtime.frames import FrameError, read_frame, write_frame
from edgekit.runtime.sandbox import Limits, open_isolated, run_isolated


def open_and_run(path: Path, runtime: str, limits: Limits) -> str:
    """Return "answer" or the error line; anything else fails the test by its own exception."""
    try:
        session = open_isolated(path, runtime=runtime, limits=limits)
        try:
            for name, signature in session.signatures.items():
                inputs = {
                    s.name: np.zeros([abs(size) for size in s.shape], s.dtype)
                    for s in signature.inputs
                }
                session(inputs, name)
        finally:
            session.close()
    except InputError as error:
        return str(error)
    return "answer"


def damaged(content: bytes, generator: random.Random) -> bytes:
    """Return `content` cut somewhere, or with up to 16 bytes changed near its ends."""
    if generator.random() < 0.4:
        return content[: generator.randrange(len(content))]
    mutable = bytearray(content)
    for _ in range(generator.randint(1, 16)):
        reach = generator.randrange(min(len(content), 4000))
        mutable[reach if generator.random() < 0.5 else -1 - reach] = generator.randrange(256)
    return bytes(mutable)


@pytest.fixture(scope="module")
def onnx_content() -> bytes:
    weights = numpy_helper.from_array(np.ones((8, 4), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["litert", "tflite-runtime"])
def test_damaged_published_models_give_an_answer_or_one_line(
    runtime: str, shared_data: Path, tmp_path: Path
) -> None:
    names = ("mobilenet_v1_0.25_224_quant", "mobilenet_v2_035_96_embedder_with_metadata")
    contents = [(shared_data / "tflite" / f"{name}.tflite").read_bytes() for name in names]
    generator = random.Random(7)
    path = tmp_path / "damaged.tflite"
    lines = []
    for trial in range(30):
        path.write_bytes(damaged(contents[trial % 2], generator))
        lines.append(open_and_run(path, runtime, Limits(timeout_s=20)))
    assert all(line == "answer" or str(path) in line for line in lines)
    assert not any("\n" in line for line in lines)
    # The trial would be idle if nothing were damaged, or if nothing survived.
    assert 0 < lines.count("answer") < len(lines)
    if runtime == "tflite-runtime":
        assert any("crashed tflite-runtime (SIG" in line for line in lines)


def test_damaged_onnx_gives_an_answer_or_one_line(onnx_content: bytes, tmp_path: Path) -> None:
    generator = random.Random(7)
    path = tmp_path / "damaged.onnx"
    lines = []
    for _ in range(15):
        path.write_bytes(damaged(onnx_content, generator))
        lines.append(open_and_run(path, "onnxruntime", Limits(timeout_s=20)))
    assert all(line == "answer" or str(path) in line for line in lines)
    assert sum(line != "answer" for line in lines) > 0


def test_eight_bytes_that_crash_tflite_runtime(tmp_path: Path) -> None:
    path = tmp_path / "eight.tflite"
    path.write_bytes(b"\xff\xff\xff\x7fTFL3")
    with pytest.raises(InputError, match=r"eight\.tflite: crashed tflite-runtime \(SIGSEGV\)"):
        open_isolated(path, runtime="tflite-runtime")
    with pytest.raises(InputError, match="not a valid Flatbuffer"):
        open_isolated(path, runtime="litert")


@pytest.mark.parametrize("runtime", ["litert", "tflite-runtime"])
def test_a_bomb_is_one_line(runtime: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.tflite"
    path.write_bytes(tiny_tflite.bomb())
    assert path.stat().st_size < 1000
    with pytest.raises(InputError, match=r"bomb\.tflite: ") as caught:
        open_isolated(path, runtime=runtime, limits=Limits(timeout_s=20))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("runtime", ["litert", "tflite-runtime"])
def test_an_endless_loop_is_stopped(runtime: str, tmp_path: Path) -> None:
    path = tmp_path / "endless.tflite"
    path.write_bytes(tiny_tflite.endless())
    session = open_isolated(path, runtime=runtime, limits=Limits(timeout_s=2))
    start = time.monotonic()
    with pytest.raises(InputError, match=r"endless\.tflite: no answer .* nothing in 2 s"):
        session({"x": np.ones(1, np.float32)})
    assert time.monotonic() - start < 10
    with pytest.raises(ValueError, match="closed"):
        session({"x": np.ones(1, np.float32)})


def test_a_child_does_not_outlive_its_parent(tmp_path: Path) -> None:
    """The parent is killed while the child spins; the child's CPU limit ends it."""
    path = tmp_path / "endless.tflite"
    path.write_bytes(tiny_tflite.endless())
    program = (
        "import sys, threading, numpy as np\n"
        "from edgekit.runtime.sandbox import Limits, open_isolated\n"
        "s = open_isolated(sys.argv[1], limits=Limits(timeout_s=1.5))\n"
        "print(s._child._process.pid, flush=True)\n"
        "s({'x': np.ones(1, np.float32)})\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        stdout=subprocess.PIPE,
        env=environment,
    ) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        time.sleep(0.3)
        parent.kill()
    deadline = time.monotonic() + 20
    while _running(child) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _running(child)


def _running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_module_in_the_working_directory_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "d.tflite"
    path.write_bytes(tiny_tflite.chain())
    for name in ("numpy.py", "json.py", "edgekit.py", "ai_edge_litert.py"):
        (tmp_path / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    open_isolated("d.tflite").close()
    assert not (tmp_path / "ran").exists()


def test_a_missing_runtime_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "d.tflite"
    path.write_bytes(tiny_tflite.chain())
    (tmp_path / "ai_edge_litert.py").write_text("import ai_edge_litert_is_not_there")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SetupError, match=r"run: pip install 'edgekit\[litert\]'"):
        open_isolated(path)


# Functions that the tests below run inside.


def double(request: Any) -> Any:
    print("on stdout")
    print("on stderr", file=sys.stderr)
    return {"twice": [2 * x for x in request["values"]]}


def refuse(request: Any) -> Any:
    raise InputError(f"{request}: refused")


def abort(request: Any) -> Any:
    print("F0000 Check failed: size > 0", file=sys.stderr, flush=True)
    print("    @ 0x7f in a stack trace", file=sys.stderr, flush=True)
    os.abort()


def sleep(request: Any) -> Any:
    time.sleep(60)


def swallow(request: Any) -> Any:
    return len(bytearray(request))


def write(request: Any) -> Any:
    Path(request["path"]).write_bytes(b"x" * request["size"])


def fail(request: Any) -> Any:
    raise RuntimeError("two\nlines")


def isolated(name: str, request: Any, **options: Any) -> Any:
    return run_isolated(f"{__name__}:{name}", request, what="m.keras", **options)


def test_a_function_runs_isolated_and_its_lines_pass_through() -> None:
    lines: list[str] = []
    assert isolated("double", {"values": [1, 2]}, on_line=lines.append) == {"twice": [2, 4]}
    assert sorted(lines) == ["on stderr", "on stdout"]


@pytest.mark.parametrize(
    ("name", "request_", "error", "line"),
    [
        ("refuse", "x\ny", InputError, r"x\\ny: refused"),
        ("abort", None, InputError, r"crashed Keras \(SIGABRT\): got F0000 Check failed: size > 0"),
        ("sleep", None, InputError, r"m\.keras: no answer from Keras: got nothing in 2 s"),
        ("swallow", 1 << 40, InputError, "needs more memory than the 0.5 GiB"),
        ("fail", None, SetupError, r"m\.keras: the sandbox ended: got RuntimeError: two\\nlines"),
        ("missing", None, SetupError, "has no attribute"),
    ],
)
def test_what_ends_a_function_is_one_line(name, request_, error, line) -> None:
    # A busy machine may take seconds to start Python: only what never answers is not waited for.
    limits = Limits(timeout_s=2 if name == "sleep" else 60, memory_bytes=1 << 29)
    with pytest.raises(error, match=line):
        isolated(name, request_, limits=limits, runner="Keras")


def test_memory_below_the_limit_is_granted() -> None:
    limits = Limits(memory_bytes=1 << 29)
    assert isolated("swallow", 1 << 28, limits=limits) == 1 << 28


def test_files_are_written_only_up_to_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with pytest.raises(SetupError, match="File too large"):
        isolated("write", {"path": str(path), "size": 1})
    isolated("write", {"path": str(path), "size": 10}, limits=Limits(file_bytes=10))
    assert path.read_bytes() == b"x" * 10


# Frames.


def test_frames_carry_arrays_exactly() -> None:
    arrays = {
        "a": np.arange(6, dtype=np.int8).reshape(2, 3),
        "é \n": np.array([np.nan, np.inf, -0.0], np.float32),
        "empty": np.zeros((0, 3)),
        "scalar": np.array(7, np.int64),
    }
    stream = io.BytesIO()
    write_frame(stream, {"k": [1, "x"]}, arrays)
    stream.seek(0)
    header, back = read_frame(stream)
    assert header == {"k": [1, "x"]}
    for name, array in arrays.items():
        assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape)
        assert back[name].tobytes() == array.tobytes()
    with pytest.raises(EOFError):
        read_frame(stream)


def frame(arrays: Any, count: int | None = None, body: bytes = b"") -> bytes:
    text = json.dumps({"header": {}, "arrays": arrays}).encode()
    return struct.pack("<II", len(text), len(arrays) if count is None else count) + text + body


@pytest.mark.parametrize(
    "content",
    [
        b"\x01",
        struct.pack("<II", 1 << 31, 0),
        struct.pack("<II", 5, 0) + b"{}",
        struct.pack("<II", 2, 0) + b"{}",
        struct.pack("<II", 2, 0) + b"[]",
        struct.pack("<II", 100_000, 0) + b"[" * 100_000,
        frame([], count=3),
        frame([["x", "<f4", [1 << 35]]]),
        frame([["x", "<f4", [1 << 20, 1 << 20]]]),
        frame([["x", "<f4", [-1]]]),
        frame([["x", "|O", [1]]], body=b"\0" * 8),
        frame([["x", "|V8", [1]]], body=b"\0" * 8),
        frame([["x", "nonsense", [1]]]),
        frame([["x", "<f4", [4]]], body=b"\0" * 15),
        frame([["x", "<f4", "ab"]]),
        frame(["x"]),
    ],
)
def test_malformed_frames_are_refused(content: bytes) -> None:
    with pytest.raises(FrameError):
        read_frame(io.BytesIO(content))


def test_objects_are_not_written() -> None:
    with pytest.raises(FrameError, match="no number"):
        write_frame(io.BytesIO(), {}, {"x": np.array(["a"], object)})


def test_a_child_that_talks_nonsense_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "edgekit.runtime.child_process._START", "import sys; sys.stdin.read(1); print('x' * 5000)"
    )
    with pytest.raises(InputError, match=r"m\.keras: the sandbox answered nonsense"):
        isolated("double", {"values": []})
