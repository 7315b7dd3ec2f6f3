"""The report: every figure once, kinds apart, nothing from outside, hostile names inert."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from result_files import bench_json, counts_json, evaluation_json, write
from tiny_models import make_artifact

from edgekit.cli import run
from edgekit.errors import InputError
from edgekit.report.markdown import render_markdown
from edgekit.report.page import render_page
from edgekit.report.results import Results, read_results
from edgekit.report.summary import details, join, parities, summarize

HOSTILE = "<script>alert(1)</script> $x^2$ | 'q' \"r\".f32.tflite"


class Page(HTMLParser):
    """Collects tags, attributes and the cells of tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def found(tmp_path: Path) -> Results:
    files = {"a.f32.tflite": [[4.0], [4.4]], "a.w8a8.tflite": [[1.0], [1.1]], HOSTILE: [[2.0]] * 2}
    write(tmp_path / "1.json", bench_json(files))
    write(tmp_path / "2.json", bench_json(files, kind="simulated", cpu="cortex-a72"))
    write(tmp_path / "3.json", evaluation_json({"a.f32.tflite": 0.975, "a.w8a8.tflite": 0.9712}))
    return read_results([tmp_path])


def test_summary_keeps_kinds_in_columns_of_their_own(found: Results) -> None:
    table = summarize(join(found))
    times = [c for c in table.columns if c.startswith("p50")]
    assert times == ["p50, ms, measured A", "p50, ms, simulated B"]
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert row["file"] == "a.f32.tflite"
    assert row["size, MB"] == "1.00"
    assert row["top-1"] == "97.50% (96.50–97.50)"
    assert row["p50, ms, measured A"] == "4.20 (4.16–4.24)"
    assert row["MAdds, M"] == ""  # not known is not zero
    assert "B: simulated on cortex-a72, litert 2.3.0, 1 thread" in table.notes


def test_artifact_figures(tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path / "art")
    table = summarize(join(read_results([artifact.folder])))
    assert [dict(zip(table.columns, r, strict=True))["MAdds, M"] for r in table.rows] == [
        "4.00e-06"
    ] * 2


def test_parity_shows_the_worst_output_and_lists_all(tmp_path: Path) -> None:
    outputs = [
        {"output": "boxes", "sqnr_db": 61.26, "cosine": 0.99991, "passed": True},
        {"output": "scores", "sqnr_db": 21.04, "cosine": 0.9, "passed": False, "non_finite": 3},
    ]
    artifact = make_artifact(tmp_path / "art", parity={"passed": False, "outputs": outputs})
    entries = join(read_results([artifact.folder]))
    table = summarize(entries)
    assert dict(zip(table.columns, table.rows[0], strict=True))["parity"] == "failed, 21.0 dB"
    every = parities(entries)
    assert len(every.rows) == 4
    row = dict(zip(every.columns, every.rows[1], strict=True))
    assert (row["output"], row["cosine"], row["not finite"], row["passed"]) == (
        "scores", "0.9", "3", "no",
    )  # fmt: skip
    text = render_markdown(read_results([artifact.folder]), "t", "d")
    assert "## Parity with the source" in text


def test_scores_follow_the_hash(tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path / "art")
    sha256 = artifact.manifest.files[1].sha256
    write(tmp_path / "e.json", evaluation_json({"renamed.onnx": 0.5}, sha256=sha256))
    entries = join(read_results([artifact.folder, tmp_path / "e.json"]))
    assert [len(e.scores) for e in entries] == [0, 1]


def test_page_stands_alone(found: Results) -> None:
    text = render_page(found, "Title", "2026-01-01")
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    outside = [v for k, v in page.attributes if k in ("src", "href", "xlink:href") and v]
    assert all(v.startswith("#") for v in outside)
    assert "url(http" not in text
    assert "@import" not in text
    assert ("name", "viewport") in page.attributes
    assert "prefers-color-scheme: dark" in text
    assert page.tags.count("svg") >= 5
    ids = [v for k, v in page.attributes if k == "id"]
    assert len(ids) == len(set(ids))


def test_hostile_names_stay_text(found: Results) -> None:
    assert HOSTILE in Page(render_page(found, HOSTILE, "now")).text
    markdown = render_markdown(found, HOSTILE, "now")
    assert not re.search(r"(?<!\\)<", markdown)
    widths = {
        len(re.findall(r"(?<!\\)\|", line))
        for line in markdown.splitlines()
        if line.startswith("|") and "a.f32" in line.replace("\\", "") and "top" not in line
    }
    assert len(widths) <= 3  # the tables, each of one width


def test_markdown_has_the_figures(found: Results) -> None:
    text = render_markdown(found, "Title", "now")
    assert "| a.f32.tflite | f32 | 1.00 |" in text
    assert "97.50% (96.50–97.50)" in text


def test_two_figures_of_one_kind_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "1.json", bench_json({"a.tflite": [[1.0]] * 2}))
    write(tmp_path / "2.json", bench_json({"a.tflite": [[2.0]] * 2}))
    with pytest.raises(InputError, match="benchmarked twice"):
        join(read_results([tmp_path]))


@pytest.mark.parametrize("name", ["r.html", "odd 'name' 😀.md"])
def test_command(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = write(tmp_path / "b.json", bench_json({"m.tflite": [[1.0]] * 2}))
    assert run(["report", str(result), "-o", str(tmp_path / name), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == str(tmp_path / name)
    assert "m.tflite" in (tmp_path / name).read_text(encoding="utf-8")
    assert run(["report", str(result), "-o", str(tmp_path / "r.pdf")]) == 2
    assert run(["report", str(tmp_path / "none"), "-o", str(tmp_path / name)]) == 2


def test_instructions_have_a_table_of_their_own(tmp_path: Path) -> None:
    counts = {"a.w8a8.tflite": 49_200_000.0, "a.f32.tflite": 123_400_000.0}
    write(tmp_path / "c.json", counts_json(counts))
    alone = read_results([tmp_path])
    entries = join(alone)
    assert [e.file for e in entries] == list(counts)
    (table,) = details(alone, entries)
    assert table.rows[0] == (
        "a.w8a8.tflite", "cortex-a76", "litert 2.3.0", "49.2", "0.200", "0.000%"
    )  # fmt: skip
    assert not any("ms" in column for column in table.columns)
    write(tmp_path / "t.json", bench_json({"a.w8a8.tflite": [[1.0], [1.1]]}))
    both = read_results([tmp_path])
    assert len(join(both)) == 2  # one file has both
    text = Page(render_page(both, "T", "today")).text
    assert "simulated" in text
    assert "49.2" in text
    assert "49.2" in render_markdown(both, "T", "today")
