"""The demo's commands can be typed, and its table and promises are those of its results."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from edgekit.cli import cli
from edgekit.cli.demo import check, steps, summarize
from edgekit.errors import CheckFailedError


def test_every_step_is_a_command_that_parses(tmp_path: Path) -> None:
    commands = steps(tmp_path, ["a.png", "b.png"], seed=3)
    named = [command[0] for command in commands]
    assert named == ["train", "convert", "verify", "inspect", "evaluate", "bench", "run", "report"]
    for name, *arguments in commands:
        context = cli.make_context("edgekit", [name, *arguments])
        command = cli.get_command(context, name)
        assert command is not None
        assert command.make_context(name, arguments, parent=context).params


def test_a_step_reads_only_what_earlier_ones_wrote(tmp_path: Path) -> None:
    written = {str(tmp_path / "pictures" / "a.png")}
    for name, *arguments in steps(tmp_path, list(written), seed=0):
        output = {a for flag, a in pairwise(arguments)
                  if flag in ("-o", "--save")}  # fmt: skip
        read = {a for a in arguments if a.startswith(str(tmp_path))} - output
        owned = {r for r in read if any(Path(w) in (Path(r), *Path(r).parents) for w in written)}
        assert read == owned, name
        written |= output


def results(folder: Path, *, float_accuracy: float, learned: float) -> list[dict[str, Any]]:
    """Write what the steps before the table leave, and return the table's rows."""
    files = {"m.f32.tflite": float_accuracy, "m.qat-w8a8.tflite": learned}
    manifest = {"files": [
        {"path": name, "scheme": name.split(".")[1], "size_bytes": 1000, "parity": {"passed": True}}
        for name in files
    ]}  # fmt: skip
    scores = [{"file": n, "metric": "top-1 accuracy", "value": v} for n, v in files.items()]
    timings = [{"file": f"artifact/{name}", "latency_ms": {"p50": 0.5}} for name in files]
    (folder / "artifact").mkdir()
    (folder / "artifact" / "manifest.json").write_text(json.dumps(manifest))
    (folder / "evaluation.json").write_text(json.dumps({"rows": scores}))
    (folder / "bench.json").write_text(json.dumps({"rows": timings}))
    return summarize(folder)


def test_drop_is_counted_from_the_float_network(tmp_path: Path) -> None:
    rows = results(tmp_path, float_accuracy=0.98, learned=0.976)
    assert [row["accuracy"] for row in rows] == pytest.approx([98.0, 97.6])
    assert [row["drop"] for row in rows] == pytest.approx([0.0, 0.4])
    assert rows[1]["p50_ms"] == 0.5
    check(rows)


@pytest.mark.parametrize(
    ("float_accuracy", "learned", "line"),
    [(0.969, 0.969, "test accuracy: got 96.90%"), (0.98, 0.974, "loss against float: got 0.60")],
)
def test_a_broken_promise_is_exit_1(
    tmp_path: Path, float_accuracy: float, learned: float, line: str
) -> None:
    with pytest.raises(CheckFailedError, match=line):
        check(results(tmp_path, float_accuracy=float_accuracy, learned=learned))
