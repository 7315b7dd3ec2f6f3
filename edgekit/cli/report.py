"""edgekit report: one HTML or Markdown file from artifacts and results."""

from __future__ import annotations

import datetime
from pathlib import Path

import click

from edgekit.cli.output import emit, output_options
from edgekit.errors import InputError, MissingExtraError, one_line


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("report.html"),
    show_default=True,
    metavar="FILE",
    help="Ends in .html or .md.",
)
@click.option("--title", default="Edge model report", show_default=True, help="Of the page.")
@output_options
def command(runs: tuple[str, ...], output: Path, title: str, as_json: bool) -> None:
    """Write one file about artifacts and the results of bench and evaluate.

    RUN is an artifact, a result in JSON, or a folder that holds some.
    """
    from edgekit.files import check_file_place, write_file
    from edgekit.report.results import read_results

    if output.suffix.lower() not in (".html", ".md"):
        raise InputError(f"{output}: not a report", got=output.suffix, expected=".html or .md")
    check_file_place(output)
    results = read_results(runs)
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    if output.suffix.lower() == ".md":
        from edgekit.report.markdown import render_markdown

        text = render_markdown(results, title, now)
    else:
        try:
            from edgekit.report.page import render_page
        except ModuleNotFoundError as error:
            raise MissingExtraError(error.name or "jinja2", "report") from None
        text = render_page(results, title, now)
    write_file(output, text)
    data = {"schema": 1, "kind": "report", "path": str(output), "sources": list(results.sources)}
    emit(data, as_json)
    if not as_json:
        click.echo(one_line(f"wrote {output}: {output.stat().st_size / 1e3:.0f} kB"))
