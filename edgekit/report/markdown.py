"""The report as Markdown, for a pull request or a wiki."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from edgekit import __version__
from edgekit.errors import one_line
from edgekit.report.cost import Cost, cost_tables, tables_of
from edgekit.report.results import Results
from edgekit.report.summary import Table, details, facts, join, summarize


def render_markdown(results: Results, title: str, date: str, costs: Sequence[Cost] = ()) -> str:
    """Return the report as GitHub-flavoured Markdown, without the plots.

    Raises:
        InputError: nothing to report.
    """
    entries = join(results, costs)
    tables = [
        summarize(entries),
        *details(results, entries),
        *cost_tables(costs),
        *(replace(t, title=f"{t.title}: {c.file}") for c in costs for t in tables_of(c)),
        *(facts(f"Device {d.get('url', '')}", d) for d in results.devices),
        *(
            facts(f"Provenance of {a.manifest.name}", a.manifest.provenance)
            for a in results.artifacts
        ),
    ]
    head = f"# {escape(title)}\n\nedgekit {__version__}, {escape(date)}\n"
    return "\n".join([head, *(_section(t) for t in tables if t.rows)])


def escape(text: str) -> str:
    """Return `text` on one line, with every sign that Markdown or HTML would take escaped."""
    return re.sub(r"([\\`*_{}\[\]<>#|~$&])", r"\\\1", one_line(text))


def _section(table: Table) -> str:
    lines = [f"## {escape(table.title)}", ""]
    align = [":--", *("--:" for _ in table.columns[1:])]
    rows = [f"| {' | '.join(map(escape, row))} |" for row in (table.columns, *table.rows)]
    lines += [rows[0], f"|{'|'.join(align)}|", *rows[1:], ""]
    return "\n".join([*lines, *(f"- {escape(note)}" for note in table.notes), ""])
