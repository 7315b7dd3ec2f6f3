"""Counts that others published, and files that others made."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.families import family
from edgekit.families.mobilenet_v2 import FAMILY
from edgekit.profile.cost.summary import summarize
from edgekit.profile.graph import read_graph

# Sources: the vision papers' counts as the files' own makers state them, or an earlier exact count.
FILES = {
    "mobilenet_v2_1.0_224_quant": 300_775_552,
    "tf2_mobilenet_v2_1.0_224_ptq": 300_775_552,
    "deeplabv3_mnv2_pascal_quant": 2_740_709_056,
    "mobilenet_v1_0.25_224_1_default_1": 41_030_528,
    "mobilenet_v1_0.25_224_quant": 41_030_528,
}
MILLIONS = {
    "deeplabv3": 725.8,
    "coco_ssd_mobilenet_v1_1.0_quant_2018_06_29": 728.0,
    "mobilenet_v2_035_96_embedder_with_metadata": 10.654,
}


@pytest.mark.parametrize("name", FILES)
def test_published_files_have_the_exact_count(name: str, shared_data: Path) -> None:
    graph = read_graph(shared_data / "tflite" / f"{name}.tflite")
    assert summarize(graph).madds == FILES[name]


@pytest.mark.parametrize("name", MILLIONS)
def test_published_files_have_the_stated_count(name: str, shared_data: Path) -> None:
    stated = MILLIONS[name]
    madds = summarize(read_graph(shared_data / "tflite" / f"{name}.tflite")).madds
    assert madds / 1e6 == pytest.approx(stated, abs=0.06 if stated > 100 else 5e-4)


def test_embedder_is_the_preset_without_its_classifier(shared_data: Path) -> None:
    name = "mobilenet_v2_035_96_embedder_with_metadata.tflite"
    madds = summarize(read_graph(shared_data / "tflite" / name)).madds
    assert madds == FAMILY.presets["0.35-96"].madds - 1280 * 1000


def test_deeplab_has_the_folded_parameters_of_its_twin(shared_data: Path) -> None:
    name = "deeplabv3_mnv2_pascal_quant.tflite"
    assert summarize(read_graph(shared_data / "tflite" / name)).params == 2_097_013


def test_mobilenet_v1_has_the_parameters_of_its_paper(shared_data: Path) -> None:
    """0.25 MobileNet-224: 0.5 M parameters, 41 M MAdds (arXiv:1704.04861, table 6)."""
    name = "mobilenet_v1_0.25_224_1_default_1.tflite"
    summary = summarize(read_graph(shared_data / "tflite" / name))
    assert (round(summary.params / 1e6, 1), round(summary.madds / 1e6)) == (0.5, 41)


@pytest.mark.parametrize("preset", ["1.4-224", "1.0-96", "0.35-160"])
def test_keras_networks_have_the_counts_of_their_presets(preset: str) -> None:
    pytest.importorskip("tf_keras")
    summary = summarize(read_graph(FAMILY.build(FAMILY.presets[preset].config)))
    expected = FAMILY.presets[preset]
    assert (summary.madds, summary.params) == (expected.madds, expected.params)


@pytest.mark.slow
def test_all_published_cells_of_mobilenet_v2(shared_data: Path) -> None:
    """The README of the checkpoints truncates to millions."""
    pytest.importorskip("tf_keras")
    lines = (shared_data / "anchors" / "slim_mobilenet_v2_pixel1.csv").read_text().splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert len(rows) == 22
    for row in rows:
        preset = family("mobilenet_v2").preset(f"{float(row['alpha'])}-{row['resolution']}")
        summary = summarize(read_graph(FAMILY.build(preset.config)))
        assert summary.madds // 10**6 == int(row["macs_m"]), row
        assert summary.madds == preset.madds
        assert summary.params == preset.params


def test_reading_needs_no_tensorflow(shared_data: Path) -> None:
    folder = shared_data / "tflite"
    code = (
        "import sys; from pathlib import Path; from edgekit.profile.graph import read_graph\n"
        "for path in Path(sys.argv[1]).iterdir(): read_graph(path)\n"
        "bad = {'tensorflow', 'tf_keras', 'keras', 'tf2onnx', 'onnx'} & set(sys.modules)\n"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)
