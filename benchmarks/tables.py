"""Rewrite the tables of README from results/*.json.

Each stands between `<!-- numbers: NAME -->` and `<!-- /numbers -->`, NAME being that of the result.
Run: python benchmarks/tables.py README.md [--check]
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.files import write_file
from edgekit.report.markdown import escape
from results import FOLDER

BLOCK = re.compile(r"(<!-- numbers: ([\w.-]+) -->\n)(.*?)(<!-- /numbers -->)", re.DOTALL)
COLUMNS = ("case", "metric", "kind", "value", "anchor", "target", "met")
MARKS = {True: "yes", False: "**no**", None: ""}


def rewrite(text: str, folder: Path = FOLDER) -> str:
    """Return `text` with the table of every block written anew.

    Raises:
        FileNotFoundError: a block names a result that is not there.
        ValueError: a marker stands alone.
    """
    opened, closed = text.count("<!-- numbers: "), text.count("<!-- /numbers -->")
    if not opened == closed == len(BLOCK.findall(text)):
        raise ValueError(f"{opened} opening and {closed} closing markers that do not pair")

    def fill(block: re.Match[str]) -> str:
        result = json.loads((folder / f"{block.group(2)}.json").read_text(encoding="utf-8"))
        return block.group(1) + table(result) + block.group(4)

    return BLOCK.sub(fill, text)


def table(result: Mapping[str, Any]) -> str:
    """Return a result as a Markdown table with the conditions beneath."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|:--|:--|:--|--:|:--|:--|:--|"]
    for row in result["rows"]:
        anchor = "" if row["anchor"] is None else f"{number(row['anchor'])} {row['unit']}"
        source = f" ({escape(row['anchor_source'])})" if row["anchor_source"] else ""
        cells = (
            escape(row["case"]), escape(row["metric"]), row["kind"], _value(row), anchor + source,
            escape(row["target"] or ""), MARKS[row["met"]],
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    device = result["device"]
    where = device.get("board") or device.get("cpu") or "unknown CPU"
    conditions = (
        f"`{result['command']}`, {result['date']}, commit {result['commit'][:12]}, "
        f"{escape(where)} ({device.get('cores')} cores), {number(result['minutes'])} minutes."
    )
    return "\n".join([*lines, "", conditions, ""])


def number(value: float) -> str:
    """Return four significant digits, integers in full."""
    if float(value).is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.4g}"


def _value(row: Mapping[str, Any]) -> str:
    text = f"{number(row['value'])} {row['unit']}"
    if row["interval"]:
        text += f" ({'–'.join(map(number, row['interval']))})"
    return text


def main(arguments: list[str]) -> int:
    """Rewrite the files, or with --check say whether they are up to date."""
    check = "--check" in arguments
    stale = 0
    for path in map(Path, (a for a in arguments if a != "--check")):
        text = path.read_text(encoding="utf-8")
        fresh = rewrite(text)
        if fresh == text:
            continue
        stale += 1
        if check:
            print(f"{path}: tables differ from the results: run make numbers")
        else:
            write_file(path, fresh)
            print(f"{path}: tables rewritten")
    return int(check and stale > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
