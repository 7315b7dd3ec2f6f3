"""Reading results: what is damaged is named, whatever it is."""

from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from result_files import bench_json, evaluation_json, write

from edgekit.errors import InputError
from edgekit.report.gate import Limits, compare
from edgekit.report.markdown import render_markdown
from edgekit.report.results import read_results


def test_bench_and_evaluation(tmp_path: Path) -> None:
    write(tmp_path / "b.json", bench_json({"a.tflite": [[1.0, 2.0, 3.0], [2.0, 2.0, 2.0]]}))
    write(tmp_path / "e.json", evaluation_json({"a.tflite": 0.9}))
    write(tmp_path / "other.json", {"something": "else"})
    results = read_results([tmp_path])
    (timing,), (score,) = results.timings, results.scores
    assert timing.rounds_ms == {0: (1.0, 2.0, 3.0), 1: (2.0, 2.0, 2.0)}
    assert timing.p50_ms == 2.0
    assert (timing.conditions.kind, timing.conditions.threads) == ("measured", 1)
    assert (score.metric, score.value) == ("top-1", 0.9)
    assert len(results.devices) == 1


def test_the_same_device_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / f"{name}.json", bench_json({f"{name}.tflite": [[1.0], [1.0]]}))
    assert len(read_results([tmp_path]).devices) == 1


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "not JSON"),
        ("[1]", "not a result"),
        ('{"kind": "bench", "schema": 1, "rows": []}', "schema 2"),
        ('{"kind": "bench", "schema": 2}', "malformed"),
        ('{"kind": "evaluation", "schema": 1, "rows": [1]}', "malformed"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_damage_is_named(text: str, part: str, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(InputError, match=part) as caught:
        read_results([tmp_path / "r.json"])
    assert "r.json" in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0, -1, "2", None, True, []])
def test_a_time_that_is_none(value: Any, tmp_path: Path) -> None:
    raw = bench_json({"a.tflite": [[1.0], [1.0]]})
    raw["rows"][0]["latency_ms"]["p50"] = value
    with pytest.raises(InputError, match="malformed"):
        read_results([write(tmp_path / "r.json", raw)])


def test_missing_and_empty(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_results([tmp_path / "no.json"])
    with pytest.raises(InputError, match="nothing to read"):
        read_results([tmp_path])


WHOLE = bench_json({"a.tflite": [[1.0, 2.0], [2.0, 3.0]]})


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    inner = [p for k, v in items if isinstance(v, dict | list) for p in places(v, (*path, k))]
    keys = value if isinstance(value, dict) else range(len(value))
    return inner + [(*path, k) for k in keys]


@settings(max_examples=300, deadline=None)
@given(
    place=st.sampled_from(places(WHOLE)),
    junk=st.sampled_from([None, "", "x", -1, 0, 1e400, [], {}, True, [1, 2, 3]]),
)
def test_any_damaged_field_is_read_or_refused(
    place: tuple[Any, ...], junk: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    raw = copy.deepcopy(WHOLE)
    inner: Any = raw
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = junk
    path = tmp_path_factory.mktemp("r") / "r.json"
    path.write_text(json.dumps(raw))
    with contextlib.suppress(InputError):
        results = read_results([path])
        compare(results, results, Limits())
        render_markdown(results, "title", "date")
