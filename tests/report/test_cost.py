"""What model files cost, in the report: counted, planned, predicted; and its pictures."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from result_files import bench_json, write
from tiny_models import make_artifact, write_tflite

from edgekit.cli import run
from edgekit.errors import InputError
from edgekit.files import file_sha256
from edgekit.profile.cost.work import Work
from edgekit.profile.prediction.roofline import OpTime
from edgekit.report.cost import Cost, memory_table, predictions_table, read_costs, tables_of
from edgekit.report.cost_plots import achieved, draw_bands, draw_roofline, intensity, roofs
from edgekit.report.markdown import render_markdown
from edgekit.report.page import render_page
from edgekit.report.results import read_results
from edgekit.report.summary import Table, join

QUANT = "mobilenet_v2_1.0_224_quant.tflite"
FLOAT = "mobilenet_v1_0.25_224_1_default_1.tflite"


@pytest.fixture
def costs(shared_data: Path) -> list[Cost]:
    """An int8 and a float file, each on the Pixel that has its dtype and on a core with both."""
    found = read_results([shared_data / "tflite" / name for name in (QUANT, FLOAT)])
    return read_costs(found, ["pixel1", "pixel2", "cortex-a72"])


def column(table: Table, name: str) -> list[str]:
    place = table.columns.index(name)
    return [row[place] for row in table.rows]


def test_files_stand_side_by_side_and_refusals_are_told(costs: list[Cost]) -> None:
    """The Pixel 2's published 48 ms for the int8 file lie in the interval that is shown."""
    table = predictions_table(costs)
    assert column(table, "file") == [QUANT, QUANT, FLOAT, FLOAT]
    assert [c.split()[0] for c in column(table, "core")] == [
        "pixel2", "cortex-a72", "pixel1", "cortex-a72",
    ]  # fmt: skip
    low, high = map(float, re.findall(r"[\d.]+", column(table, "interval")[0])[:2])
    assert low < 48 < high
    notes = "\n".join(table.notes)
    assert f"{QUANT}: not predicted: core pixel1: no calibration for int8" in notes
    assert "fitted to 20 points of google-ai-edge/LiteRT" in notes
    assert "predicted, not measured" in notes


def test_planned_memory_is_that_of_inspect(costs: list[Cost]) -> None:
    table = memory_table(costs)
    for cost, row in zip(costs, table.rows, strict=True):
        assert float(row[3]) * 1e6 == pytest.approx(cost.summary.weight_bytes, rel=5e-3)
        assert float(row[4]) >= float(row[1])


def test_tables_of_a_file_add_up(costs: list[Cost]) -> None:
    kinds, layers, *advice = tables_of(costs[0])
    assert sum(map(float, column(kinds, "MAdds, M"))) == pytest.approx(300.775552, rel=5e-3)
    assert sum(map(int, column(kinds, "ops"))) == costs[0].summary.ops
    for prediction in costs[0].predictions:
        name = f"predicted ms, {prediction.calibration.core}"
        shown = sum(float(ms) for ms in column(layers, name) if ms)
        assert shown == pytest.approx(prediction.latency_ms, rel=5e-3)
    assert [t.title for t in advice] == [
        "What would help on pixel2", "What would help on cortex-a72",
    ]  # fmt: skip
    assert any("quantize per channel" in text for text in column(advice[0], "what would help"))


def test_bars_are_shares_of_the_longest(costs: list[Cost]) -> None:
    _, layers, *_ = tables_of(costs[0])
    assert len(layers.bars) == len(layers.rows)
    madds = [float(m) for m in column(layers, "MAdds, M")]
    drawn = [bars[0] for bars in layers.bars]
    assert max(drawn) == 1.0
    assert drawn == pytest.approx([m / max(madds) for m in madds], abs=6e-3)


def test_points_of_a_roofline_by_hand() -> None:
    """6 million MAdds over 2 MB moved in 3 ms are 3 MAdds a byte and 2 billion a second."""
    work = Work(None, "pointwise", "f32", 6_000_000, (16, 16), 1_500_000, 500_000)  # type: ignore[arg-type]
    op = OpTime(work, ms=3.0, compute_ms=2.0, memory_ms=0.9, overhead_ms=0.1)
    assert (intensity(op), achieved(op)) == (3.0, 2.0)


@pytest.mark.parametrize("runtime", [None, "xnnpack"])
def test_no_op_is_above_its_roof(shared_data: Path, runtime: str | None) -> None:
    found = read_results([shared_data / "tflite" / FLOAT])
    (cost,) = read_costs(found, ["cortex-a72"], runtime)
    (prediction,) = cost.predictions
    ops = [op for op in prediction.ops if op.work.madds]
    slope, peaks = roofs(prediction, [op.work.kind for op in ops])
    assert all(achieved(op) < peaks[op.work.kind] for op in ops)
    moved = [op for op in prediction.ops if not op.work.madds and op.ms > 2 * op.overhead_ms]
    for op in moved:  # what only moves data runs at the slope, but for the overhead
        assert op.work.activation_bytes / (op.ms - op.overhead_ms) / 1e6 <= slope * 1.001


def test_a_file_named_twice_counts_once(shared_data: Path, tmp_path: Path) -> None:
    shutil.copy(shared_data / "tflite" / FLOAT, tmp_path / "copy.tflite")
    found = read_results([shared_data / "tflite" / FLOAT, tmp_path / "copy.tflite"])
    assert [cost.file for cost in read_costs(found)] == [FLOAT]


def test_files_of_an_artifact_are_counted_for_cores_alone(tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path / "art")
    found = read_results([artifact.folder])
    assert read_costs(found) == []
    costs = read_costs(found, ["cortex-a72"])
    assert [c.file for c in costs] == ["a.w8a8.tflite", "a.f32.onnx"]
    assert all("outside the calibration" in c.refusals[0] for c in costs)  # no MAdds at all


def test_counts_join_what_was_measured(tmp_path: Path) -> None:
    model = write_tflite(tmp_path / "m.tflite")
    bench = bench_json({"m.tflite": [[1.0]] * 2})
    bench["rows"][0]["sha256"] = file_sha256(model)
    found = read_results([model, write(tmp_path / "b.json", bench)])
    (entry,) = join(found, read_costs(found))
    assert (entry.params, entry.madds, len(entry.timings)) == (0, 0, 1)


def test_page_shows_it_all_and_stands_alone(costs: list[Cost]) -> None:
    found = read_results([])
    text = render_page(found, "t", "now", costs)
    assert text.count("<svg") == 1 + sum(len(c.predictions) for c in costs)
    assert len(re.findall(r"--bar: [\d.]+%", text)) > 2 * 30
    assert not re.search(r"(src|href)=\"(?!#)", text)
    ids = re.findall(r" id=\"([^\"]*)\"", text)
    assert len(ids) == len(set(ids))
    assert "## Layers: " + QUANT.replace("_", r"\_") in render_markdown(found, "t", "now", costs)


def test_nothing_predicted_is_no_picture(costs: list[Cost]) -> None:
    assert draw_bands([])[1] == ""
    assert "<svg" in draw_bands(costs)[1]
    assert "<svg" in draw_roofline(costs[0], costs[0].predictions[0])[1]


def test_command(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, page = str(shared_data / "tflite" / FLOAT), tmp_path / "r.html"
    assert run(["report", model, "--cores", "pixel1,cortex-a53@1.2", "-o", str(page)]) == 0
    assert "Roofline on cortex-a53" in page.read_text(encoding="utf-8")
    page.unlink()
    assert run(["report", model, "--cores", "pixel1,abacus", "-o", str(page)]) == 2
    assert "core abacus: no calibration" in capsys.readouterr().err
    assert run(["report", model, "--shape", "nonsense", "-o", str(page)]) == 2
    assert run(["report", str(tmp_path / "none.tflite"), "-o", str(page)]) == 2
    assert not page.exists()


def test_damaged_file_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(b"hello")
    with pytest.raises(InputError, match="not a TFLite model"):
        read_costs(read_results([tmp_path / "m.tflite"]))


def test_an_op_without_a_rule_is_named_with_its_file(tmp_path: Path) -> None:
    """A loop has no rule; with allow_unknown it is listed, and its MAdds are no zero."""
    body = helper.make_graph([], "b", [], [])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])
    node = helper.make_node("Loop", ["", "", "x"], ["y"], body=body)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])
    onnx.save(helper.make_model(helper.make_graph([node], "g", [x], [y])), tmp_path / "m.onnx")
    found = read_results([tmp_path / "m.onnx"])
    with pytest.raises(InputError, match=r"m\.onnx: no MAdd rule for Loop"):
        read_costs(found)
    (cost,) = read_costs(found, allow_unknown=True)
    kinds, *_ = tables_of(cost)
    assert column(kinds, "MAdds, M") == ["unknown"]
    assert kinds.notes == ("not in the MAdds: Loop has no rule",)
