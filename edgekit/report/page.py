"""The report as one HTML file that needs nothing beside it and no network."""

from __future__ import annotations

from importlib import resources

import jinja2

from edgekit import __version__
from edgekit.report.plots import draw_plots
from edgekit.report.results import Results
from edgekit.report.summary import details, facts, join, summarize


def render_page(results: Results, title: str, date: str) -> str:
    """Return the report as HTML.

    Raises:
        InputError: nothing to report.
    """
    entries = join(results)
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
        tables=details(results, entries),
        plots=draw_plots(entries),
        facts=[
            *(facts(f"Device {d.get('url', '')}", d) for d in results.devices),
            *(
                facts(f"Provenance of {a.manifest.name}", a.manifest.provenance)
                for a in results.artifacts
            ),
        ],
        sources=results.sources,
    )
