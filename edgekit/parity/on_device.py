"""What a file answers on a device, against the source's own answers that its artifact keeps."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.artifact import Artifact, ModelFile
from edgekit.device import Device
from edgekit.errors import InputError, SetupError
from edgekit.parity import Arrays, Parity, compare, gate_of
from edgekit.profile import worker
from edgekit.runtime import default_runtime

ANSWER_SECONDS = 3600.0  # for all examples: an emulator is slow


def check_on_device(
    artifact: Artifact, file: ModelFile, device: Device, runtime: str | None = None
) -> list[Parity]:
    """Run the artifact's reference inputs through `file` on a device and compare every output.

    Args:
        artifact: that holds the file.
        file: one of its files.
        device: that was entered.
        runtime: to open the file with; by default the one for its format.

    Raises:
        InputError: the artifact keeps no reference, or the runtime refuses the file.
        SetupError: the runtime is not there, or the device was lost.
    """
    inputs, expected = artifact.reference_of(file)
    ((name, signature),) = file.signatures.items()
    raw = {
        spec.name: spec.quantize(
            inputs[spec.name].transpose(0, 3, 1, 2) if spec.layout == "NCHW" else inputs[spec.name]
        )
        for spec in signature.inputs
    }
    answers = answer_on_device(
        artifact.path(file), device, raw, sha256=file.sha256, signature=name, runtime=runtime
    )
    real = {spec.name: spec.dequantize(answers[spec.name]) for spec in signature.outputs}
    gate = gate_of(file.scheme, artifact.manifest.provenance)
    return [compare(output, expected[output], real[output], gate) for output in expected]


def answer_on_device(
    path: Path,
    device: Device,
    examples: Arrays,
    *,
    sha256: str | None = None,
    signature: str | None = None,
    runtime: str | None = None,
) -> dict[str, Any]:
    """Return the raw outputs `[N, ...]` of a model file on a device, by name.

    Args:
        path: of the file.
        device: that was entered.
        examples: raw tensors `[N, ...]` by input; each example is one inference at batch 1.
        sha256: what the file should be when it has arrived.
        signature: entry point of a .tflite.
        runtime: to open it with; by default the one for its format.

    Raises:
        InputError: the runtime refuses the file.
        SetupError: the runtime is not there, or the device was lost.
    """
    chosen = runtime or default_runtime(path)
    config = {
        "model": "model", "sha256": sha256, "runtime": chosen, "inputs": "examples.npz",
        "answers": "answers.npz", "setup": device.setup_command,
        "signature": None if chosen == "onnxruntime" else signature,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        given, said, taken = (Path(scratch) / n for n in ("in.npz", "config.json", "out.npz"))
        np.savez(given, **examples)
        said.write_text(json.dumps(config), encoding="utf-8")
        device.put(Path(worker.__file__), "worker.py")
        device.put(path, "model")
        device.put(given, "examples.npz")
        device.put(said, "config.json")
        argv = [device.python, "worker.py", "config.json"]
        for line in device.run(argv, timeout_s=ANSWER_SECONDS):
            _raise_error(path, line)
        device.get("answers.npz", taken)
        with np.load(taken, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays}


def _raise_error(path: Path, line: str) -> None:
    """Raise what the worker says is wrong; other lines are events, or what a library printed."""
    try:
        event = json.loads(line)
    except ValueError:
        return
    if isinstance(event, dict) and event.get("event") == "error":
        kind = InputError if event["code"] == InputError.exit_code else SetupError
        raise kind(f"{path}: {event['line']}")
