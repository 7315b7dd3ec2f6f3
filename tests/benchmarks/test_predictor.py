"""The networks against published counts, the baselines against published errors, the fit itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

PROGRAMS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(PROGRAMS))

from edgekit.profile.cost.madds import total_madds  # noqa: E402
from edgekit.profile.cost.work import list_work  # noqa: E402
from edgekit.profile.graph import read_graph  # noqa: E402
from networks import NETWORKS, mobilenet_v2  # noqa: E402

# Millions, as papers and model pages print them, then to the unit by the layer tables of the files
# that were timed (Tencent/ncnn benchmark/models/*.param). Where the two differ by more than
# rounding, the timed file departs from the paper, as the network's docstring says.
COUNTS = {
    "squeezenet": 418_467_520, "mobilenet": 568_740_352, "mobilenet_v2": 313_619_328,
    "mobilenet_v3": 245_564_768, "shufflenet": 127_061_304, "shufflenet_v2": 144_907_992,
    "mnasnet": 314_415_872, "proxylessnasnet": 336_483_904, "efficientnet_b0": 385_814_752,
    "regnety_400m": 401_842_848, "googlenet": 1_582_671_872, "resnet18": 1_826_918_400,
    "alexnet": 724_406_816, "vgg16": 15_470_264_320, "resnet50": 3_857_973_248,
}  # fmt: skip
PAPERS = {"mobilenet": 569, "mnasnet": 315, "shufflenet_v2": 146, "regnety_400m": 400,
          "efficientnet_b0": 390, "vgg16": 15_500, "resnet50": 3_800,
          "googlenet": 1_500}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_have_the_published_counts(name: str) -> None:
    assert total_madds(NETWORKS[name]("float32")) == COUNTS[name]
    if name in PAPERS:
        assert COUNTS[name] / 1e6 == pytest.approx(PAPERS[name], rel=0.06)


def test_mobilenet_v2_is_the_keras_network_op_for_op() -> None:
    pytest.importorskip("tf_keras")
    from edgekit.families import family

    found = family("mobilenet_v2")
    keras = list_work(read_graph(found.build(found.preset("0.75-96").config)))
    ours = list_work(mobilenet_v2(0.75, 96, classes=1000))
    # The network's softmax is part of its last layer in Keras, an op of its own in a file.
    assert [(w.kind, w.madds, w.channels) for w in ours[:-1]] == [
        (w.kind, w.madds, w.channels) for w in keras
    ]
    assert [w.activation_bytes for w in ours[:-1]] == [w.activation_bytes for w in keras]


def test_tflite_file_has_the_same_work(shared_data: Path) -> None:
    path = shared_data / "tflite/mobilenet_v2_1.0_224_quant.tflite"
    file = [w for w in list_work(read_graph(path)) if w.madds]
    ours = [w for w in list_work(mobilenet_v2(1.0, 224, "int8", classes=1001)) if w.madds]
    assert [(w.kind, w.madds, w.activation_bytes) for w in file] == [
        (w.kind, w.madds, w.activation_bytes) for w in ours
    ]


@pytest.fixture(scope="module")
def studies(shared_data: Path):  # type: ignore[no-untyped-def]  # of a program, not of the library
    anchors = pytest.importorskip("anchors")
    if not (shared_data / "anchors").is_dir():
        pytest.skip("needs the published latencies")
    anchors.DATA = shared_data
    from study import make_studies

    return make_studies()


def test_baselines_and_ours_on_the_22_checkpoints(studies) -> None:  # type: ignore[no-untyped-def]
    """The baselines' errors are published figures: 4.0% for the line, 3.2% for the four terms."""
    from baselines import four_terms, log_line
    from study import mape, worst

    study = studies["pixel1", "tflite", "f32"]
    line, terms = (f(study.points, lambda p: p.network) for f in (log_line, four_terms))
    assert mape(line) == pytest.approx(4.0, abs=0.05)
    assert mape(terms) == pytest.approx(3.2, abs=0.05)
    assert (np.abs(np.expm1(line)) <= 0.1).sum() == (np.abs(np.expm1(terms)) <= 0.1).sum() == 21
    assert mape(study.without_network) < 3.0
    assert worst(study.without_network) <= 10


def test_what_comes_along_is_what_the_fit_finds(studies) -> None:  # type: ignore[no-untyped-def]
    from core_files import CORES

    for key in (("pixel1", "tflite", "f32"), ("cortex-a72", "ncnn", "f32")):
        stored = json.loads((CORES / f"{'.'.join(key)}.json").read_text())["rates"]
        found = studies[key].fit.rates
        assert (found.simd_width, found.overlap) == (stored["simd_width"], stored["overlap"])
        assert found.efficiency == pytest.approx(stored["efficiency"], rel=2e-3)
        assert found.gb_per_s == pytest.approx(stored["gb_per_s"], rel=2e-3)


def test_a_fit_finds_the_rates_that_made_the_points() -> None:
    """Latencies computed from known rates, on six sizes: left-out ones come back within 1%."""
    from anchors import Point
    from calibration import Setting, Tables, leave_out
    from edgekit.profile.prediction.cores import Rates

    rates = Rates(16.0, {"pointwise": 0.4, "conv": 0.3, "depthwise": 0.15, "fully_connected": 0.5},
                  {"activations": 4.0, "weights": 2.0, "matrices": 8.0}, 4.0, 8, 1.0)  # fmt: skip
    graphs = [mobilenet_v2(a, r) for a in (0.35, 0.75, 1.0) for r in (96, 224)]
    points = [Point("c", "r", "d", 2.0, str(i), g, 1.0, 0.0, "s") for i, g in enumerate(graphs)]
    tables = Tables(points)
    tables.ms = tables.predict(rates, np.arange(len(points)))
    errors = leave_out(tables, Setting(8, (8,), noise=0.01), lambda p: p.network)
    assert np.abs(errors).max() < 0.03
