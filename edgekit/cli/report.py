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
@click.option(
    "--cores",
    metavar="NAME,...",
    help="Predict each file's latency on these, as inspect does: pixel1, cortex-a72@1.5.",
)
@click.option("--runtime", help="Predict for this one, as xnnpack.")
@click.option("--shape", "shapes", multiple=True, metavar="NAME=1,224,224,3",
              help="Sizes of an input that a model file leaves free.")  # fmt: skip
@click.option("--allow-unknown", is_flag=True, help="Count what has a rule and list the rest.")
@click.option("--title", default="Edge model report", show_default=True, help="Of the page.")
@output_options
def command(
    runs: tuple[str, ...], output: Path, cores: str | None, runtime: str | None,
    shapes: tuple[str, ...], allow_unknown: bool, title: str, as_json: bool,
) -> None:  # fmt: skip
    """Write one file about artifacts, model files and the results of bench and evaluate.

    RUN is an artifact, a .tflite or .onnx file, a result in JSON, or a folder that holds some. A
    model file gets its op table and the cost of its layers; with --cores the files of artifacts
    too, with predicted latencies, rooflines, and what would help.
    """
    from edgekit.cli.predictions import split_cores
    from edgekit.files import check_file_place, write_file
    from edgekit.profile.graph import parse_shapes
    from edgekit.report.cost import read_costs
    from edgekit.report.results import read_results

    if output.suffix.lower() not in (".html", ".md"):
        raise InputError(f"{output}: not a report", got=output.suffix, expected=".html or .md")
    check_file_place(output)
    given = parse_shapes(shapes)
    results = read_results(runs)
    costs = read_costs(results, split_cores(cores), runtime, given, allow_unknown=allow_unknown)
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    if output.suffix.lower() == ".md":
        from edgekit.report.markdown import render_markdown

        text = render_markdown(results, title, now, costs)
    else:
        try:
            from edgekit.report.page import render_page
        except ModuleNotFoundError as error:
            raise MissingExtraError(error.name or "jinja2", "report") from None
        text = render_page(results, title, now, costs)
    write_file(output, text)
    data = {"schema": 1, "kind": "report", "path": str(output), "sources": list(results.sources)}
    emit(data, as_json)
    if not as_json:
        click.echo(one_line(f"wrote {output}: {output.stat().st_size / 1e3:.0f} kB"))
