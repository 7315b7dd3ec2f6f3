"""The report as one HTML file that needs nothing beside it and no network."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

import jinja2

from edgekit import __version__
from edgekit.report.cost import Cost, cost_tables, tables_of
from edgekit.report.cost_plots import draw_bands, draw_roofline
from edgekit.report.plots import draw_plots
from edgekit.report.results import Results
from edgekit.report.summary import details, facts, join, summarize


def render_page(results: Results, title: str, date: str, costs: Sequence[Cost] = ()) -> str:
    """Return the report as HTML; with `costs` also what those files cost before they run.

    Raises:
        InputError: nothing to report.
    """
    entries = join(results, costs)
    files = resources.files("edgekit.report")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((files / "page.html").read_text(encoding="utf-8"))
    return template.render(
        title=title,
        date=date,
        version=__version__,
        style=(files / "page.css").read_text(encoding="utf-8"),
        summary=summarize(entries),
        tables=[*details(results, entries), *cost_tables(costs)],
        plots=[p for p in (*draw_plots(entries), draw_bands(costs)) if p[1]],
        costs=[
            (
                cost.file,
                [t for t in tables_of(cost) if t.rows],
                [p for p in (draw_roofline(cost, found) for found in cost.predictions) if p[1]],
            )
            for cost in costs
        ],
        facts=[
            *(facts(f"Device {d.get('url', '')}", d) for d in results.devices),
            *(
                facts(f"Provenance of {a.manifest.name}", a.manifest.provenance)
                for a in results.artifacts
            ),
        ],
        sources=results.sources,
    )
