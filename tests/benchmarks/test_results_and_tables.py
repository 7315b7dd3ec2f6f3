"""What benchmarks write, and the tables made of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(PROGRAMS))

from results import Row, write_results  # noqa: E402
from tables import main, number, rewrite  # noqa: E402


@pytest.mark.parametrize(
    ("value", "target", "met"),
    [
        (0.95, "<= 0.95", True), (0.951, "<= 0.95", False), (97.0, ">= 97", True),
        (96.9, ">=97", False), (1.0, "< 1", False), (2.0, "> 1", True), (48.0, "== 48", True),
        (1e-5, "<= 1e-4", True), (93.0, "93..97", True), (97.1, "93..97", False), (1.0, None, None),
    ],
)  # fmt: skip
def test_met_is_computed(value: float, target: str | None, met: bool | None) -> None:
    assert Row("case", "metric", "x", value, target=target).met is met


@pytest.mark.parametrize("target", ["about 5", "0.95", "<= fast", ""])
def test_malformed_targets(target: str) -> None:
    with pytest.raises(ValueError, match="target"):
        _ = Row("case", "metric", "x", 1.0, target=target).met


def test_nobody_can_type_met() -> None:
    with pytest.raises(TypeError):
        Row("case", "metric", "x", 1.0, met=True)  # type: ignore[call-arg]


def write(folder: Path, name: str = "demo") -> Path:
    rows = [
        Row("a|b <c>", "p50 ratio", "x", 0.41234, interval=(0.4, 0.42), anchor=0.48,
            anchor_source="a paper", target="<= 0.48"),
        Row("slow", "p50", "ms", 1000.0, kind="predicted", target="<= 2"),
    ]  # fmt: skip
    return write_results(name, rows, minutes=1.234, seeds=[0], device={"cpu": "C", "cores": 2},
                         folder=folder)  # fmt: skip


def test_result_file(tmp_path: Path) -> None:
    data = json.loads(write(tmp_path).read_text())
    assert list(data) == [
        "schema", "benchmark", "command", "commit", "date", "device", "minutes", "seeds", "rows",
    ]  # fmt: skip
    assert [row["met"] for row in data["rows"]] == [True, False]
    assert set(data["rows"][0]) == {
        "case", "metric", "unit", "value", "interval", "kind", "anchor", "anchor_source", "target",
        "met",
    }  # fmt: skip
    assert "/" not in data["command"].removeprefix("python benchmarks/").split(" ")[0]


def test_empty_and_infinite_results_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no rows"):
        write_results("x", [], minutes=0, seeds=[], folder=tmp_path)
    with pytest.raises(ValueError, match="JSON"):
        write_results("x", [Row("c", "m", "x", float("nan"))], minutes=0, seeds=[], folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_tables_are_rewritten_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path)
    text = "before\n<!-- numbers: demo -->\nold\n<!-- /numbers -->\nafter\n"
    fresh = rewrite(text, tmp_path)
    assert fresh.startswith("before\n<!-- numbers: demo -->\n| case |")
    assert fresh.endswith("<!-- /numbers -->\nafter\n")
    assert "old" not in fresh
    assert (
        "| a\\|b \\<c\\> | p50 ratio | measured | 0.4123 x (0.4–0.42) | 0.48 x (a paper) | "
        "\\<= 0.48 | yes |" in fresh
    )
    assert "| slow | p50 | predicted | 1000 ms |  | \\<= 2 | **no** |" in fresh
    assert rewrite(fresh, tmp_path) == fresh


@pytest.mark.parametrize(
    "text",
    ["<!-- numbers: demo -->\n", "<!-- /numbers -->", "<!-- numbers: a b -->\n<!-- /numbers -->"],
)
def test_lonely_markers(text: str, tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(ValueError, match="markers"):
        rewrite(text, tmp_path)


def test_a_missing_result_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        rewrite("<!-- numbers: none -->\n<!-- /numbers -->", tmp_path)


def test_check_only_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("nothing here\n")
    assert main([str(readme), "--check"]) == 0
    assert capsys.readouterr().out == ""


def test_number() -> None:
    assert [number(v) for v in (3.0, 0.123456, 12345.6, 300774272)] == [
        "3", "0.1235", "1.235e+04", "300774272",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("program", "metric", "count"),
    [("bench_overhead.py", "p50 over that of", 2), ("bench_coverage.py", "95% intervals", 5)],
)
def test_smoke_of_what_is_said_of_bench(
    shared_data: Path, program: str, metric: str, count: int
) -> None:
    model = shared_data / "tflite" / "mobilenet_v1_0.25_224_1_default_1.tflite"
    done = subprocess.run(
        [sys.executable, PROGRAMS / program, "--smoke", model],
        capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(PROGRAMS.parent), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(metric) == count
