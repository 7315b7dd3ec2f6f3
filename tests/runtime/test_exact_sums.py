"""Sums of 8 bits in ONNX Runtime: exact on every x86, by its fast kernels where these are exact."""

from __future__ import annotations

import json
import logging
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest
from onnx import numpy_helper

from edgekit.profile.timing import worker
from edgekit.runtime import exact_sums, open_model

# A convolution of 8 bits of 64 channels, whose pairs of products are more than 16 bits hold.
MODEL = """
<ir_version: 8, opset_import: ["": 13]>
g (float[1, 64, 4, 4] x) => (float[1, 16, 4, 4] y)
<float one = {1}, float steps = {8192}, uint8 none = {0}, int8 zero = {0}> {
    quantized = QuantizeLinear(x, one, none)
    pixels = DequantizeLinear(quantized, one, none)
    weights = DequantizeLinear(w, one, zero)
    sums = Conv <kernel_shape = [1, 1]> (pixels, weights)
    rounded = QuantizeLinear(sums, steps, none)
    y = DequantizeLinear(rounded, steps, none)
}
"""
EMULATED = """
import json, sys
import numpy as np
from pathlib import Path
from edgekit.runtime import exact_sums, open_model
session = open_model(Path(sys.argv[1]))
answer = session({"x": np.full((1, 64, 4, 4), 255, np.float32)})["y"]
print(json.dumps([exact_sums.saturates(), session.facts["exact_sums"], answer.ravel().tolist()]))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    model = onnx.parser.parse_model(MODEL)
    weights = np.full((16, 64, 1, 1), 127, np.int8)
    model.graph.initializer.append(numpy_helper.from_array(weights, "w"))
    onnx.save(model, tmp_path / "conv.onnx")
    return tmp_path / "conv.onnx"


EXPECTED = 64 * 255 * 127 // 8192 * 8192  # 253 steps; 128 in sums that saturate
SHARED = """
    more = DequantizeLinear(w, one, zero)
    sums2 = Conv <kernel_shape = [1, 1]> (pixels, more)
    rounded2 = QuantizeLinear(sums2, steps, none)
    y2 = DequantizeLinear(rounded2, steps, none)
    y = Add(y1, y2)
}"""


def answer(path: Path) -> np.ndarray:
    return open_model(path)({"x": np.full((1, 64, 4, 4), 255, np.float32)})["y"]


def test_the_slow_kernels_are_asked_for_where_sums_saturate(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    class Options(onnxruntime.SessionOptions):
        def add_session_config_entry(self, name: str, value: str) -> None:
            asked.append((name, value))
            super().add_session_config_entry(name, value)

    monkeypatch.setattr(onnxruntime, "SessionOptions", Options)
    monkeypatch.setattr(exact_sums, "saturates", lambda: True)
    np.testing.assert_array_equal(answer(path), EXPECTED)
    assert asked == [("session.x64quantprecision", "1")]
    monkeypatch.setattr(exact_sums, "saturates", lambda: False)
    assert open_model(path).facts["exact_sums"]
    assert len(asked) == 1


def test_what_saturates_here_is_tried(path: Path) -> None:
    """On this CPU, whichever it is, the answer is exact."""
    np.testing.assert_array_equal(answer(path), EXPECTED)


@pytest.mark.emulator
@pytest.mark.skipif(not shutil.which("qemu-x86_64"), reason="needs qemu-x86_64")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="needs an x86")
def test_an_emulated_cpu_without_vnni(path: Path) -> None:
    told = subprocess.run(
        ["qemu-x86_64", "-cpu", "Haswell", sys.executable, "-c", EMULATED, path],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found, exact, answers = json.loads(told.stdout)
    assert found
    assert exact
    np.testing.assert_array_equal(answers, EXPECTED)


def test_a_file_that_reads_one_weight_twice_is_warned_of(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = onnx.parser.parse_model(MODEL.replace("y = Deq", "y1 = Deq").rstrip()[:-1] + SHARED)
    model.graph.initializer.extend(onnx.load(path).graph.initializer[-1:])
    onnx.save(model, path)
    monkeypatch.setattr(exact_sums, "saturates", lambda: True)
    with caplog.at_level(logging.WARNING, "edgekit"):
        assert open_model(path).facts["exact_sums"] is False
    assert "conv.onnx: ONNX Runtime cannot load it with session.x64quantprecision" in caplog.text


def test_a_device_tries_the_same() -> None:
    """The worker has no onnx package, so it holds the probe as bytes."""
    assert onnx.parser.parse_model(exact_sums.PROBE).SerializeToString() == worker.PROBE
    model = worker.OnnxModel.__new__(worker.OnnxModel)
    model.module = onnxruntime
    assert model._saturates() == exact_sums.saturates()
