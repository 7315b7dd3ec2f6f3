"""What a device and a quick command load: no training framework, and no more than they need."""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_models

import edgekit

ROOT = Path(edgekit.__file__).parents[1]
HEAVY = {
    "tensorflow", "tf_keras", "keras", "torch", "jax", "tf2onnx", "tensorflow_model_optimization",
    "onnxscript", "skl2onnx", "h5py",
}  # fmt: skip
LIGHT_ROOMS = (
    "report", "profile", "evaluate", "play", "parity", "device", "runtime", "tasks", "environments",
    "artifact", "files", "errors",
)  # fmt: skip
# All that the layers from `report` down may load beside the standard library, and its own needs.
ALLOWED = {
    "edgekit", "click", "rich", "numpy", "cython_runtime",
    "ai_edge_litert", "tflite_runtime", "onnxruntime", "flatbuffers", "onnx", "google", "ml_dtypes",
    "typing_extensions", "PIL", "sklearn", "jinja2", "markupsafe", "matplotlib", "mpl_toolkits",
    "cycler", "dateutil", "kiwisolver", "packaging", "pyparsing", "six", "contourpy", "fontTools",
}  # fmt: skip


def modules(room: str) -> list[str]:
    """Return the dotted names of the modules in one room."""
    path = ROOT / "edgekit" / room
    if not path.is_dir():
        return [f"edgekit.{room}"]
    inside = pkgutil.walk_packages([str(path)], f"edgekit.{room}.")
    return [f"edgekit.{room}", *(module.name for module in inside)]


def loaded_by(code: str) -> set[str]:
    """Run `code` in a fresh Python and return the top-level packages that it has loaded."""
    report = "\nimport sys; print('\\nLOADED', *{name.partition('.')[0] for name in sys.modules})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code + report],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("LOADED ")[2].split())


def command(*arguments: str) -> str:
    return f"from edgekit.cli import run; assert run({list(arguments)!r}) == 0"


def packages(loaded: set[str]) -> set[str]:
    """Return those that come from site-packages, by their name."""
    return {n for n in loaded if n not in sys.stdlib_module_names and not n.startswith("_")}


def test_light_rooms_hold_modules() -> None:
    assert len([name for room in LIGHT_ROOMS for name in modules(room)]) > 40
    assert "edgekit.profile.timing.worker" in modules("profile")


@pytest.mark.parametrize("room", LIGHT_ROOMS)
def test_rooms_from_report_down_load_nothing_heavy(room: str) -> None:
    loaded = loaded_by("\n".join(f"import {name}" for name in modules(room)))
    assert "edgekit" in loaded
    assert loaded & HEAVY == set()
    assert packages(loaded) <= ALLOWED | SITE


@pytest.mark.parametrize("name", [name for room in LIGHT_ROOMS for name in modules(room)])
def test_a_module_names_nothing_heavy(name: str) -> None:
    """Imports inside functions too: nothing there may fall back to TensorFlow."""
    path = ROOT / name.replace(".", "/")
    source = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()
    imports = [line.split() for line in source.splitlines() if "import" in line]
    named = {words[1].partition(".")[0] for words in imports if words[0] in ("import", "from")}
    assert named & HEAVY == set()


def test_help_loads_neither_numpy_nor_rich() -> None:
    loaded = loaded_by(command("--help"))
    assert packages(loaded) - SITE == {"click", "edgekit"}


def test_models_and_inspect_load_no_framework(tmp_path: Path) -> None:
    path = str(tiny_models.write_tflite(tmp_path / "a.tflite"))
    assert packages(loaded_by(command("models"))) & HEAVY == set()
    loaded = packages(loaded_by(command("inspect", path)))
    assert loaded & (HEAVY | {"onnx", "onnxruntime", "tflite_runtime", "PIL", "sklearn"}) == set()
    assert "ai_edge_litert" in loaded


def test_this_test_can_fail() -> None:
    assert HEAVY & loaded_by("import h5py") == {"h5py"}


# What the environment itself loads into every Python, as the finder of an editable install does.
SITE = packages(loaded_by("pass"))
