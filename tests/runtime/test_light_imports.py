"""What runs on a device, and what starts a command, loads nothing heavy."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HEAVY = ("tensorflow", "tf_keras", "keras", "torch", "tf2onnx", "tensorflow_model_optimization")
RUNTIMES = ("ai_edge_litert", "tflite_runtime", "onnxruntime", "onnx", "PIL", "sklearn")


def loaded_by(statement: str) -> set[str]:
    program = f"{statement}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import edgekit.cli.answers, edgekit.cli.evaluate", (*HEAVY, *RUNTIMES, "numpy", "rich")),
        ("import edgekit.evaluate, edgekit.tasks.classify", (*HEAVY, *RUNTIMES)),
        ("import edgekit.runtime.sandbox, edgekit.runtime.sandbox_child", (*HEAVY, *RUNTIMES)),
        ("import edgekit.runtime.litert", (*HEAVY, "tflite_runtime", "onnx", "onnxruntime")),
        ("import edgekit.runtime.tflite_runtime", (*HEAVY, "ai_edge_litert", "onnx")),
        ("import edgekit.runtime.onnxruntime", (*HEAVY, "ai_edge_litert", "tflite_runtime")),
    ],
)
def test_imports_are_light(statement: str, unwanted: tuple[str, ...]) -> None:
    loaded = loaded_by(statement)
    assert "edgekit" in loaded
    assert loaded.isdisjoint(unwanted)
