"""A session on a device: tensors go there, the worker answers, the answers come back."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.device import Device
from edgekit.errors import InputError, SetupError
from edgekit.profile.timing import worker
from edgekit.runtime import Arrays, default_runtime
from edgekit.signature import DEFAULT_SIGNATURE, Signature

ANSWER_SECONDS = 3600.0  # for all examples of a call: an emulator is slow


class DeviceSession:
    """A model file on a device that was entered; each call is a process there.

    Args:
        path: of the file.
        device: where.
        signatures: as its manifest has them; without them any name is taken.
        sha256: what the file should be when it has arrived.
        runtime: to open it with; by default the one for its format.
        threads: of the runtime.

    Raises:
        SetupError: no Python or no room there, or the device was lost.
    """

    takes_rows = True  # a process there costs more than an inference

    def __init__(
        self,
        path: Path,
        device: Device,
        signatures: Mapping[str, Signature] | None = None,
        *,
        sha256: str | None = None,
        runtime: str | None = None,
        threads: int = 1,
    ) -> None:
        self.signatures = signatures or {}
        self._path, self._device = path, device
        self._config = {
            "model": "model", "sha256": sha256, "runtime": runtime or default_runtime(path),
            "threads": threads, "inputs": "examples.npz", "answers": "answers.npz",
            "setup": device.setup_command,
        }  # fmt: skip
        self.facts: Mapping[str, Any] = {"runtime": self._config["runtime"], "device": device.url}
        self._argv = [device.python, "worker.py", "config.json"]
        device.put(Path(worker.__file__), "worker.py")
        device.put(path, "model")

    def __call__(self, inputs: Arrays, signature: str | None = DEFAULT_SIGNATURE) -> dict[str, Any]:
        """Return the raw outputs `[N, ...]` by name; each example is one inference at batch 1.

        Raises:
            InputError: the runtime refuses the file or the inputs.
            SetupError: the runtime is not there, or the device was lost.
        """
        entry = None if self._config["runtime"] == "onnxruntime" else signature
        with tempfile.TemporaryDirectory() as scratch:
            given, said, taken = (Path(scratch) / n for n in ("in.npz", "config.json", "out.npz"))
            np.savez(given, **inputs)
            said.write_text(json.dumps({**self._config, "signature": entry}), encoding="utf-8")
            self._device.put(given, "examples.npz")
            self._device.put(said, "config.json")
            for line in self._device.run(self._argv, timeout_s=ANSWER_SECONDS):
                self._look_at(line)
            self._device.get("answers.npz", taken)
            with np.load(taken, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays}

    def close(self) -> None:
        """Leave it to the device, which removes the file with its folder."""

    def _look_at(self, line: str) -> None:
        """Raise what the worker says is wrong; other lines are events, or a library's."""
        try:
            event = json.loads(line)
        except ValueError:
            return
        if isinstance(event, dict) and event.get("event") == "error":
            kind = InputError if event["code"] == InputError.exit_code else SetupError
            raise kind(f"{self._path}: {event['line']}")
