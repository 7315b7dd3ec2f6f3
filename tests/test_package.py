"""What `pip install edgekit` gives: the wheel's content, and a base without extras that works."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import tiny_models

ROOT = Path(__file__).parents[1]
DATA = {
    "edgekit/py.typed": 1,
    "edgekit/schema/": 1,
    "edgekit/device/emulator/count_instructions.c": 1,
    "edgekit/export/targets/": 2,
    "edgekit/profile/prediction/fitted/": 10,
    "edgekit/report/page.": 2,
}  # where files that are no modules may lie, and how many at least
BASE = ("click", "rich", "numpy<2")
PIP = ("-m", "pip", "--disable-pip-version-check", "install", "-q")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with what the base needs; returns its Python."""
    folder = tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    done = subprocess.run(
        [python, *PIP, "--retries", "0", "--timeout", "10", *BASE],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"no packages from the registry: {done.stderr.strip()[-100:]}")
    return python


@pytest.fixture(scope="module")
def wheel(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("build") is None:
        pytest.skip("needs build")
    # From a copy of what is versioned: setuptools leaves build/ and *.egg-info where it works.
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "edgekit", "setup.cfg", "pyproject.toml", "LICENSE", "README.md"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("needs a git checkout")
    for name in filter(None, listed.stdout.split("\0")):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    if not (copy / "README.md").exists():
        (copy / "README.md").write_text("edgekit")
    run(sys.executable, "-m", "build", "--wheel", "-o", out, copy)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(base: Path, wheel: Path) -> Path:
    """The bin folder of the environment, with the wheel and no extra in it."""
    run(base, *PIP, "--no-deps", "--no-index", wheel)
    return base.parent


def run(*arguments: object) -> str:
    done = subprocess.run(list(map(str, arguments)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_wheel_holds_edgekit_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"edgekit"}
    modules = {name for name in names if name.startswith("edgekit/") and name.endswith(".py")}
    assert modules == {str(p.relative_to(ROOT)) for p in (ROOT / "edgekit").rglob("*.py")}
    others = [n for n in names if n.startswith("edgekit/") and n not in modules]
    for place, least in DATA.items():
        assert sum(name.startswith(place) for name in others) >= least, place
    assert all(any(name.startswith(place) for place in DATA) for name in others), others


def edgekit(environment: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed console script, with nothing of this tree in sight."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run(
        [environment / "edgekit", *arguments],
        cwd=folder, env=clean, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_base_works_without_extras(environment: Path, tmp_path: Path) -> None:
    for arguments in (["--help"], ["models"], ["doctor"], ["convert", "--help"]):
        done = edgekit(environment, tmp_path, *arguments)
        assert (done.returncode, done.stderr) == (0, ""), arguments
    assert "pip install 'edgekit[train]'" in edgekit(environment, tmp_path, "doctor").stdout
    listed = json.loads(edgekit(environment, tmp_path, "models", "--json").stdout)
    assert {"mobilenet_v2"} <= {row["family"] for row in listed}


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        ("train mobilenet_v2:0.35-96 -o out", "train"),
        ("convert mobilenet_v2:0.35-96 -o out", "train"),
        ("convert a.keras -o out", "train"),
        ("inspect a.tflite", "litert"),
        ("inspect a.onnx", "onnx"),
        ("run a.tflite a.png --mean 0 --std 1", "litert"),
        ("bench a.tflite", "litert"),
        ("bench a.tflite --runtime tflite-runtime", "tflite"),
        ("bench a.onnx", "onnx"),
        ("verify a.tflite a.tflite", "litert"),
        ("report artifact", "report"),
        ("report a.tflite", "litert"),
        ("evaluate artifact --data digits", "train"),
    ],
)
def test_a_missing_extra_is_named(
    environment: Path, tmp_path: Path, arguments: str, extra: str
) -> None:
    tiny_models.write_tflite(tmp_path / "a.tflite")
    tiny_models.write_onnx(tmp_path / "a.onnx")
    manifest = tiny_models.make_artifact(tmp_path / "artifact").folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"regress"', '"classify"'))
    (tmp_path / "a.keras").write_bytes(b"PK\x03\x04")
    (tmp_path / "a.png").write_bytes(b"")
    before = sorted(tmp_path.rglob("*"))
    done = edgekit(environment, tmp_path, *arguments.split())
    assert done.returncode == 3, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith(f"pip install 'edgekit[{extra}]'\n")
    assert sorted(tmp_path.rglob("*")) == before
