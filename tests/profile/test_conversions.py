"""Every published .tflite and its conversion to ONNX: `edgekit inspect` reads both alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgekit.cli import run

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
MORE_PARAMETERS = {"coco_ssd_mobilenet_v1_1.0_quant_2018_06_29"}


def inspect(path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    assert run(["inspect", str(path), "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


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
