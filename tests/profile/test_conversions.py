"""Every published .tflite and its conversion to ONNX: `edgekit inspect` reads both alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgekit.cli import run
from edgekit.profile.graph import read_graph
from edgekit.profile.prediction.predict import predict_each

FILES = (
    "coco_ssd_mobilenet_v1_1.0_quant_2018_06_29",
    "deeplabv3",
    "deeplabv3_mnv2_pascal_quant",
    "mobilenet_v1_0.25_224_1_default_1",
    "mobilenet_v1_0.25_224_quant",
    "mobilenet_v2_035_96_embedder_with_metadata",
    "mobilenet_v2_1.0_224_quant",
    "tf2_mobilenet_v2_1.0_224_ptq",
)
# Box coordinates of anchors: a table that the conversion stores beside the ops that decode them.
CORES = ("pixel1", "pixel2", "pixel4", "cortex-a53", "cortex-a72", "cortex-a76")
MORE_PARAMETERS = {"coco_ssd_mobilenet_v1_1.0_quant_2018_06_29"}


def inspect(path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    assert run(["inspect", str(path), "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def predicted_ms(path: Path) -> dict[str, float]:
    found, _ = predict_each(read_graph(path), CORES)
    return {p.calibration.core: p.latency_ms for p in found}


def test_list_is_complete(shared_data: Path) -> None:
    assert sorted(path.stem for path in (shared_data / "tflite").glob("*.tflite")) == sorted(FILES)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_conversion_counts_the_same(
    name: str, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tf2onnx = pytest.importorskip("tf2onnx")
    source, converted = shared_data / "tflite" / f"{name}.tflite", tmp_path / "m.onnx"
    tf2onnx.convert.from_tflite(str(source), opset=17, output_path=str(converted))
    capsys.readouterr()
    one, other = inspect(source, capsys), inspect(converted, capsys)
    assert (other["madds"], other["unknown"]) == (one["madds"], [])
    if name not in MORE_PARAMETERS:
        assert other["params"] == one["params"]
    # Its quantized pairs are int8 kernels too: but for transposed ends it costs a core the same.
    expected = predicted_ms(source)
    assert expected or name == "mobilenet_v2_035_96_embedder_with_metadata"
    assert predicted_ms(converted) == pytest.approx(expected, rel=0.1)
