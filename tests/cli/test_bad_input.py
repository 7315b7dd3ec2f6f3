"""Bad input, end to end: one line on stderr, exit 2 or 3, and nothing half written."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
import tiny_tflite
from PIL import Image

from edgekit import cli
from edgekit.artifact import Manifest, ModelFile, write_artifact
from edgekit.signature import Signature, TensorSpec

ROOT = Path(__file__).parents[2]
LABELS = ("light", "dark")
# Half of the inputs count for each class: a bright upper half is "light".
WEIGHTS = np.repeat([[1.0, -1.0], [-1.0, 1.0]], 6, axis=1)
MODULE = """
import tf_keras

def tiny():
    return tf_keras.Sequential([
        tf_keras.Input((4, 4, 3), name="image"), tf_keras.layers.Flatten(),
        tf_keras.layers.Dense(2, activation="softmax"),
    ])

def leaves(): raise SystemExit(0)
"""
NAME = "a 'b\" [red]\n🦝"  # spaces, quotes, what rich takes for markup, a newline, an emoji


def write_picture(path: Path, value: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4, 3), value, np.uint8)).save(path)
    return path


def write_classifier(folder: Path) -> None:
    """Write an artifact of one dense .tflite on pictures of 2 x 2 pixels."""
    content = tiny_tflite.dense(WEIGHTS, [1, 2, 2, 3])
    image = TensorSpec("image", (1, 2, 2, 3), "float32", layout="NHWC", mean=(127.5,), std=(127.5,))
    signature = Signature((image,), (TensorSpec("scores", (1, 2), "float32"),))
    file = ModelFile(
        "a.f32.tflite", "tflite", "f32", hashlib.sha256(content).hexdigest(), len(content),
        {"serving_default": signature}, parity={"passed": True, "outputs": []},
    )  # fmt: skip
    task = {"name": "classify", "labels": list(LABELS), "scores": "logits"}
    write_artifact(folder, Manifest("a", task, (file,)), {file.path: content})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with good and bad input in it, and a temporary folder of its own."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.syspath_prepend(str(here))
    (here / "bad_input_models.py").write_text(MODULE)
    tiny_models.write_tflite(here / "good.tflite")
    tiny_models.write_onnx(here / "good.onnx")
    for name in ("good.tflite", "good.onnx"):
        content = (here / name).read_bytes()
        (here / f"cut{Path(name).suffix}").write_bytes(content[: len(content) // 2])
    for suffix in ("tflite", "onnx", "keras", "h5", "npy", "npz", "txt"):
        (here / f"text.{suffix}").write_text("hello")
        (here / f"empty.{suffix}").touch()
    write_classifier(here / "artifact")
    for split, value in ((label, 200 * i) for i, label in enumerate(LABELS)):
        for number in range(3):
            write_picture(here / "data" / split / f"{number}.png", value + number)
            write_picture(here / "liar" / split / f"{number}.png", value + number)
    (here / "liar" / "dark" / "9.jpg").write_text("not a picture")
    write_picture(here / "single" / "light" / "0.png", 9)
    (here / "nothing").mkdir()
    pixels = np.zeros((4, 4, 4, 3), np.float32)
    np.save(here / "none.npy", pixels[:0])
    np.save(here / "small.npy", pixels[:, :2])
    np.save(here / "number.npy", np.float32(1))
    np.save(here / "complex.npy", pixels.astype(np.complex64))
    np.save(here / "objects.npy", np.array([{}], object), allow_pickle=True)
    pixels[1, 2, 3, 0] = np.nan
    np.save(here / "nan.npy", pixels)
    np.savez(here / "nan.npz", x=pixels, y=np.arange(4) % 2)
    return here


@pytest.fixture
def fails(place: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """A function that runs a command, insists that it fails as it should, and returns its line."""

    def run(*arguments: object) -> str:
        before = snapshot(place.parent)
        capsys.readouterr()
        code = cli.run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert code in (2, 3), err
        assert out == ""
        assert err.count("\n") == 1
        assert err.startswith("edgekit: ")
        assert "internal error" not in err
        assert snapshot(place.parent) == before
        return err

    return run


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return the content of every file, and the folders, hidden ones too."""
    found = {}
    for path in sorted(folder.rglob("*")):
        # ONNX Runtime leaves .ses in the temporary folder when it is imported, TensorFlow some
        # code of its own until it ends.
        if path.name != ".ses" and not re.search("__pycache__|/__autograph", str(path)):
            found[str(path.relative_to(folder))] = path.read_bytes() if path.is_file() else b""
    return found


def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    """Start the command as its console script would, in a process group of its own."""
    code = "from edgekit.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options},
        env=environment, start_new_session=True,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("inspect text.tflite", "not a TFLite model"),
        ("inspect text.onnx", "not an ONNX model"),
        ("inspect text.txt", "no model"),
        ("inspect empty.tflite", "empty.tflite: an empty file: expected a model"),
        ("inspect cut.tflite", "cut.tflite: damaged"),
        ("inspect cut.onnx", "cut.onnx"),
        ("inspect none.tflite", "No such file"),
        ("inspect nothing", "a folder without run.json"),
        ("inspect good.tflite --shape y=1,2", "no input y"),
        ("inspect good.tflite --shape x=0", "--shape x"),
        ("inspect good.tflite --by size", "not one of 'op', 'layer'"),
        (f"inspect {'x' * 300}.tflite", "name too long"),
        ("bench text.tflite", "litert refuses"),
        ("bench empty.onnx", "onnxruntime"),
        ("bench cut.tflite", "cut.tflite"),
        ("bench good.tflite --runtime abacus", "runtime: got abacus"),
        ("bench good.tflite --runtime onnxruntime", "not for onnxruntime"),
        ("bench good.tflite --on moon", "device moon: unknown"),
        ("bench good.tflite --inputs text.npz", "inputs: cannot be read as .npz"),
        ("bench good.tflite --inputs none.npz", "none.npz: cannot be read"),
        ("bench good.tflite --signature other", "other"),
        ("bench good.tflite -o good.onnx/b.json", "cannot be written: got Not a directory"),
        ("bench good.tflite -o nothing", "got a folder"),
        ("bench good.tflite -o /proc/b.json", "/proc/b.json: cannot be written"),
        ("verify text.txt", "not an artifact"),
        ("verify good.tflite cut.tflite", "cut.tflite"),
        ("verify good.tflite text.onnx", "text.onnx"),
        ("verify good.tflite artifact/a.f32.tflite", "input image: got [2, 2, 3], expected [4]"),
        ("run good.tflite data/light/0.png", "not one picture"),
        ("run artifact liar/dark/9.jpg", "9.jpg: cannot be read as a picture"),
        ("run artifact data/light/0.png --file w8", "no such file: got w8"),
        ("run artifact data/light/0.png --save good.tflite", "cannot be written"),
        ("run artifact data/light/0.png --save /proc/x", "cannot be written"),
        ("evaluate artifact --data liar", "9.jpg: cannot be read as a picture"),
        ("evaluate artifact --data single", "single"),
        ("evaluate artifact --data nothing", "nothing: no class folders"),
        ("evaluate artifact --data nan.npz", "NaN"),
        ("evaluate artifact --data text.npz", "text.npz: cannot be read"),
        ("evaluate artifact --data data --file w8", "got w8"),
        ("evaluate artifact --data data -o good.tflite/e.json", "cannot be written"),
        ("evaluate good.tflite --data data", "good.tflite: not an artifact"),
        ("report artifact -o nothing.pdf", "expected .html or .md"),
        ("report artifact -o /proc/r.md", "/proc/r.md: cannot be written"),
        ("report nothing -o r.md", "nothing: nothing to read"),
        ("report text.txt -o r.md", "text.txt: not JSON"),
        ("gate text.txt text.txt", "text.txt: not JSON"),
        ("convert text.keras -o out --scheme w4", "scheme w4: unknown"),
        ("convert text.keras -o out --to coreml", "--to coreml: no such format"),
        ("convert text.keras -o out --target abacus-1", "target abacus-1: unknown"),
        ("convert text.keras -o good.tflite", "already there and not an artifact"),
        ("convert text.keras -o data", "already there and not an artifact"),
        ("convert text.keras -o good.tflite/x", "cannot be written: got Not a directory"),
        ("convert text.keras -o /proc/x", "/proc/x: cannot be written"),
        ("convert good.tflite -o out", "converted already"),
        ("convert text.txt -o out", "no model"),
        ("convert none.h5 -o out", "no such file"),
        ("convert mobilenet_v2:9-9 -o out", "no such preset"),
        ("train mobilenet_v2:9-9 -o out", "no such preset"),
        ("train abacus -o out", "no such family"),
        ("fly", "No such command"),
    ],
)
def test_one_line_and_nothing_written(fails: Any, arguments: str, says: str) -> None:
    assert says in fails(*arguments.split(" "))


CALIBRATE = ("convert", "bad_input_models:tiny", "-o", "out", "--scheme", "w8a8")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("nothing", "nothing: no class folders"),
        ("none.npy", "none.npy: no calibration examples"),
        ("small.npy", "got float32 [4, 2, 4, 3], expected float32 [N, 4, 4, 3]"),
        ("number.npy", "got float32 []"),
        ("complex.npy", "got complex64"),
        ("objects.npy", "objects.npy: cannot be read"),
        ("text.npy", "text.npy: cannot be read"),
        ("empty.npy", "empty.npy: cannot be read"),
        ("text.npz", "text.npz: cannot be read"),
        ("empty.npz", "empty.npz: cannot be read"),
        ("nan.npy", "example 1, input image: got 1 NaN"),
        ("nan.npz", "NaN"),
        ("liar", "9.jpg: cannot be read as a picture"),
        ("nowhere", "nowhere: not found"),
    ],
)
def test_calibration_data(fails: Any, data: str, says: str) -> None:
    scaled = ("--mean", "0", "--std", "255")
    assert says in fails(*CALIBRATE, *scaled, "--calibrate", data)


@pytest.mark.parametrize(
    ("function", "says"),
    [("leaves", "failed: got SystemExit"), ("no", "no function no"), ("tiny:x", "no")],
)
def test_functions(fails: Any, function: str, says: str) -> None:
    assert says in fails("convert", f"bad_input_models:{function}", "-o", "out")


@pytest.fixture(scope="module")
def keras_files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """A good .keras and .h5, halves of them, and one with NaN in it."""
    import tf_keras

    folder = tmp_path_factory.mktemp("keras")
    image = tf_keras.Input((4, 4, 3), name="image")
    scores = tf_keras.layers.Dense(2, activation="softmax")(tf_keras.layers.Flatten()(image))
    model = tf_keras.Model(image, scores)
    paths = {}
    for suffix in ("keras", "h5"):
        paths[suffix] = folder / f"good.{suffix}"
        model.save(paths[suffix])
        content = paths[suffix].read_bytes()
        paths[f"half {suffix}"] = folder / f"half.{suffix}"
        paths[f"half {suffix}"].write_bytes(content[: len(content) // 2])
    kernel, bias = model.get_weights()
    kernel[0, 0] = np.nan
    model.set_weights([kernel, bias])
    paths["nan"] = folder / "nan.keras"
    model.save(paths["nan"])
    return paths


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("half keras", "damaged or not a Keras file"),
        ("half h5", "damaged or not a Keras file"),
        ("nan", "weights NaN or infinite"),
    ],
)
def test_keras_files(fails: Any, keras_files: Any, name: str, says: str) -> None:
    assert says in fails("convert", keras_files[name], "-o", "out")


def test_an_artifact_that_is_there_stays(fails: Any, place: Path) -> None:
    assert "NaN" in fails("convert", "bad_input_models:tiny", "-o", "artifact", "--scheme", "w8a8",
                          "--calibrate", "nan.npy")  # fmt: skip


def test_names(place: Path, capsys: Any) -> None:
    """Every command with an odd name for all that it reads and writes."""
    (place / "good.tflite").rename(place / f"{NAME}.tflite")
    (place / "artifact").rename(place / NAME)
    (place / "data").rename(place / f"{NAME} data")
    write_picture(place / f"{NAME}.png", 200)
    quick = ("--runs", "1", "--rounds", "1", "--min-seconds", "0")
    for arguments in (
        ("inspect", f"{NAME}.tflite"),
        ("inspect", NAME),
        ("bench", f"{NAME}.tflite", NAME, *quick, "-o", f"{NAME} bench/{NAME}.json"),
        ("verify", f"{NAME}.tflite", f"{NAME}.tflite"),
        ("run", NAME, f"{NAME}.png", "--save", f"{NAME} drawn"),
        ("evaluate", NAME, "--data", f"{NAME} data", "-o", f"{NAME} scores.json"),
        ("report", NAME, f"{NAME} bench", f"{NAME} scores.json", "-o", f"{NAME}.html"),
        ("gate", f"{NAME} scores.json", f"{NAME} scores.json"),
        ("convert", "bad_input_models:tiny", "-o", f"{NAME} made", "--labels", f"{NAME} labels"),
    ):
        (place / f"{NAME} labels").write_text("\n".join(LABELS))
        assert cli.run(list(arguments)) == 0, (arguments, capsys.readouterr().err)
        # A name's newline is shown escaped, so that it cannot forge a line.
        assert not re.search("^ *🦝", capsys.readouterr().out, re.MULTILINE), arguments
    for written in (f" bench/{NAME}.json", f" drawn/{NAME}-labelled.png", " scores.json", ".html",
                    " made/manifest.json"):  # fmt: skip
        assert (place / f"{NAME}{written}").stat().st_size > 0


def test_a_name_that_is_no_text(place: Path) -> None:
    name = os.fsdecode(b"bad\xff.tflite")
    (place / "good.tflite").rename(place / name)
    code, out, err = finish(start("inspect", name, "--json", env={"PYTHONUTF8": "1"}))
    assert (code, err) == (0, "")
    assert json.loads(out)["file"] == name


@pytest.mark.parametrize(
    "arguments",
    [
        ("models",),
        ("inspect", "good.tflite"),
        ("doctor",),
        ("verify", "good.tflite", "good.tflite"),
        ("gate", "scores.json", "scores.json"),
        ("run", "artifact", "data/light/0.png"),
        ("evaluate", "artifact", "--data", "data", "-o", "scores.json"),
        ("bench", "good.tflite", "--runs", "1", "--rounds", "1", "--min-seconds", "0"),
        ("report", "artifact", "-o", "report.md"),
        ("convert", "bad_input_models:tiny", "-o", "out"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_json_is_alone_on_stdout(place: Path, arguments: Any, capsys: Any) -> None:
    assert cli.run(["evaluate", "artifact", "--data", "data", "-o", "scores.json"]) == 0
    capsys.readouterr()
    assert cli.run([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail)


def test_json_of_a_failed_command_is_nothing(place: Path) -> None:
    code, out, err = finish(start("inspect", "cut.tflite", "--json"))
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_interrupted_bench_leaves_nothing(place: Path) -> None:
    before = snapshot(place.parent)
    process = start("bench", "good.tflite", "--min-seconds", "60", "-o", "bench.json",
                    preexec_fn=hear_interrupts)  # fmt: skip
    wait_for(place.parent / "scratch", "*/worker.py", process)
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert (code, out, err.strip()) == (130, "", "edgekit: interrupted")
    assert snapshot(place.parent) == before


@pytest.mark.parametrize("whom", ["the process", "its group, as a terminal does"])
def test_interrupted_convert_leaves_nothing(place: Path, keras_files: Any, whom: str) -> None:
    before = snapshot(place.parent)
    process = start("convert", keras_files["keras"], "-o", "out", "--to", "tflite,onnx",
                    preexec_fn=hear_interrupts)  # fmt: skip
    # The second folder is the child's: it has read the model and begins to convert.
    wait_for(place.parent / "scratch", "edgekit-*/edgekit-*", process)
    if whom == "the process":
        process.send_signal(signal.SIGINT)
    else:
        os.killpg(process.pid, signal.SIGINT)
    code, out, err = finish(process)
    assert (code, out, err.strip()) == (130, "", "edgekit: interrupted")
    assert snapshot(place.parent) == before


def hear_interrupts() -> None:
    """Undo what a shell does to the programs that it starts in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(folder: Path, pattern: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not any(folder.glob(pattern)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("arguments", ["models", "models --json", "--help", "doctor", ""])
def test_a_pipe_without_reader_is_quiet(arguments: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = start(*arguments.split(), stdout=writer)
    os.close(writer)
    assert finish(process) == (0, None, "")


@pytest.mark.parametrize("arguments", ["models", "models --json", "--help", "doctor"])
def test_a_full_disk_behind_stdout_is_one_line(arguments: str) -> None:
    with Path("/dev/full").open("w") as full:
        code, _, err = finish(start(*arguments.split(), stdout=full))
    assert (code, err) == (3, "edgekit: output: No space left on device\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("bench good.tflite --runs 1 --rounds 1 --min-seconds 0 -o r.json", "File too large"),
        ("evaluate artifact --data data -o r.json", "r.json: cannot be written: got File too l"),
        ("report artifact -o r.html", "r.html: cannot be written: got File too large"),
        ("run artifact data/light/0.png --save r", "0-labelled.png: cannot be written: got File"),
    ],
)
def test_a_full_output_leaves_nothing(place: Path, arguments: str, says: str) -> None:
    """A limit on the size of a file stands in for a full disk."""
    before = snapshot(place.parent)
    limit = 200
    process = start(
        *arguments.split(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    code, out, err = finish(process)
    assert code in (2, 3)
    assert (out, err.count("\n")) == ("", 1)
    assert says in err
    after = snapshot(place.parent)
    after.pop("here/r", None)  # the folder that --save made
    assert after == before


def test_streams_that_are_closed(place: Path) -> None:
    process = start("inspect", "cut.tflite", preexec_fn=lambda: [os.close(n) for n in (0, 1, 2)])
    assert finish(process)[0] == 2


@pytest.mark.parametrize("no_color", [False, True])
def test_no_color(place: Path, no_color: bool) -> None:
    """On a terminal the verdict is green, unless NO_COLOR is set."""
    environment = {"TERM": "xterm-256color", "NO_COLOR": "1"} if no_color else {"TERM": "xterm"}
    os.environ.pop("NO_COLOR", None)
    ours, theirs = pty.openpty()
    process = start("verify", "good.tflite", "good.tflite", stdout=theirs, env=environment)
    assert process.wait(60) == 0
    os.close(theirs)
    text = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "ok" in text
    assert bool(re.search(r"\x1b\[[\d;]*\b(3|4|9)\d", text)) != no_color


@pytest.fixture(autouse=True)
def _forget_models() -> Iterator[None]:
    """The module that MODULE writes is another file in every test."""
    yield
    sys.modules.pop("bad_input_models", None)
