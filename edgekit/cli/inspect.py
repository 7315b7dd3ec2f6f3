"""`edgekit inspect`: what a model costs, before it runs anywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekit.artifact import MANIFEST
from edgekit.cli.memory import bytes_text
from edgekit.cli.output import emit, output_options, stderr

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgekit.profile.cost.summary import Row, Summary
    from edgekit.profile.graph import Graph


@click.command(name="inspect")
@click.argument("model", metavar="FILE")
@click.option(
    "--by",
    type=click.Choice(["op", "layer", "type"]),
    help="A table by kind of op, by layer, or of each op's types.",
)
@click.option("--shape", "shapes", multiple=True, metavar="NAME=1,224,224,3",
              help="Sizes of an input whose shape is free; may be repeated.")  # fmt: skip
@click.option("--allow-unknown", is_flag=True,
              help="Count what has a rule and list the ops that have none.")  # fmt: skip
@click.option(
    "--cores",
    metavar="NAME,...",
    help="Predict the latency on these cores: pixel1, cortex-a72, cortex-a53@1.2 (GHz).",
)
@click.option(
    "--runtime",
    help="Predict for this one instead of the one a core was fitted in: "
    "xnnpack, which LiteRT runs on.",
)
@click.option("--measure", is_flag=True, help="Run once here and say what the process took.")
@click.option("--trust-model", is_flag=True,
              help="Run the code that a foreign model file carries.")  # fmt: skip
@output_options
def command(
    model: str, by: str | None, shapes: tuple[str, ...], allow_unknown: bool, cores: str | None,
    runtime: str | None, measure: bool, trust_model: bool, as_json: bool,
) -> None:  # fmt: skip
    """Count MAdds, parameters and planned memory of a model, and predict its latency.

    FILE is a .tflite or .onnx file, an artifact folder, or a model that `convert` takes: a preset
    as mobilenet_v2:1.0-224, a run, a .keras or .h5 file, module:function. One
    multiply with its add is one MAdd; all figures are for batch 1.
    """
    from edgekit.cli import memory
    from edgekit.cli.predictions import (
        prediction_pages,
        predictions_json,
        raise_refusals,
        split_cores,
    )
    from edgekit.profile.graph import parse_shapes

    given = parse_shapes(shapes)
    if (Path(model) / MANIFEST).is_file():
        _inspect_artifact(Path(model), given, allow_unknown, cores, runtime, measure, as_json)
        return
    from edgekit.profile.cost.precision import precisions
    from edgekit.profile.cost.summary import by_kind, by_layer, summarize
    from edgekit.profile.prediction.predict import predict_each
    from edgekit.sources.graph import graph_of

    graph = graph_of(model, given, trust=trust_model)
    summary = summarize(graph, allow_unknown=allow_unknown)
    predictions, refusals = predict_each(graph, split_cores(cores), runtime)
    taken = memory.measure([Path(model)])[0] if measure else None
    tables: dict[str, Callable[[Graph], Sequence[Any]]] = {
        "op": by_kind,
        "layer": by_layer,
        "type": precisions,
    }
    rows = tables[by](graph) if by else ()
    data: dict[str, Any] = {"file": model, **_json(summary)}
    if by:
        data[f"by_{by}"] = [asdict(row) for row in rows]
    data["entries"] = [
        {"name": g.name, **_json(summarize(g, allow_unknown=allow_unknown))} for g in graph.entries
    ]
    data["others"] = [{"name": g.name, "ops": len(g.ops)} for g in graph.others]
    if cores:
        data["predictions"] = predictions_json(graph, predictions)
    if taken:
        data["measured_memory"] = taken
    pages = _pages(model, graph, summary, by, rows)
    pages += memory.pages(summary, taken)
    pages += prediction_pages(graph, predictions, all_ops=by is not None)
    emit(data, as_json, *pages)
    if cores and graph.format == "keras":
        stderr().print("float32 assumed: the preset was not converted yet")
    raise_refusals(refusals)


def _inspect_artifact(
    folder: Path, shapes: Mapping[str, tuple[int, ...]], allow_unknown: bool,
    cores: str | None, runtime: str | None, measure: bool, as_json: bool,
) -> None:  # fmt: skip
    """One line for each file."""
    from edgekit.artifact import open_artifact
    from edgekit.cli import memory
    from edgekit.cli.predictions import artifact_pages, raise_refusals, split_cores, summary_json
    from edgekit.cli.tables import short_names
    from edgekit.profile.cost.summary import summarize
    from edgekit.profile.graph import read_graph
    from edgekit.profile.prediction.predict import predict_each

    artifact = open_artifact(folder)
    artifact.check()
    files = artifact.manifest.files
    paths = [artifact.path(file) for file in files]
    graphs = [read_graph(path, shapes) for path in paths]
    summaries = [summarize(graph, allow_unknown=allow_unknown) for graph in graphs]
    predicted = [predict_each(graph, split_cores(cores), runtime) for graph in graphs]
    taken = memory.measure(paths) if measure else []
    data = [{"file": f.path, "scheme": f.scheme, "size_bytes": f.size_bytes, **_json(s)}
            for f, s in zip(files, summaries, strict=True)]  # fmt: skip
    columns = ["file", "MAdds", "params", "file size", "arena"]
    names = short_names([file.path for file in files])
    rows = [
        [name, _madds(s), f"{s.params:,}", bytes_text(f.size_bytes), bytes_text(s.arena_bytes)]
        for name, f, s in zip(names, files, summaries, strict=True)
    ]
    for entry, (found, _) in zip(data, predicted, strict=True):
        entry |= {"predictions": [summary_json(p) for p in found]} if cores else {}
    for entry, one in zip(data, taken, strict=False):
        entry["measured_memory"] = one
    pages = [_table(columns, rows, 1), *artifact_pages(names, [found for found, _ in predicted])]
    pages += [memory.measured_page(names, taken)] if taken else []
    emit({"artifact": artifact.manifest.name, "files": data}, as_json, *pages)
    raise_refusals([refusal for _, refusals in predicted for refusal in refusals])


def _json(summary: Summary) -> dict[str, Any]:
    def specs(tensors: Any) -> list[dict[str, Any]]:
        return [{"name": t.name, "shape": t.shape, "dtype": t.dtype} for t in tensors]

    return {
        **asdict(summary),
        "inputs": specs(summary.inputs),
        "outputs": specs(summary.outputs),
        "madds_per_byte": summary.intensity,
    }


def _pages(
    model: str, graph: Graph, summary: Summary, by: str | None, rows: Any
) -> list[RenderableType]:
    from rich.text import Text

    from edgekit.errors import one_line

    title = Text.assemble((one_line(model), "bold"), f"  {summary.format}")
    pages: list[RenderableType] = [title]
    pages.append(_facts(graph, summary))
    pages += [_entries(graph)] if graph.entries else []
    if graph.others:
        names = ", ".join(f"{g.name} ({len(g.ops)} ops)" for g in graph.others)
        pages.append(f"not counted, other subgraphs: {names}")
    if by == "type":
        pages.append(_table(["op", "weights", "reads", "writes", "computes"], [
            [op.layer or op.name, op.weights, op.reads, op.writes, op.computes] for op in rows
        ], 5))  # fmt: skip
    elif by:
        columns = [by, "ops", "MAdds", "%", "params", "moved"]
        pages.append(_table(columns, [_cells(row, summary.madds) for row in rows], 1))
    return pages


def _entries(graph: Graph) -> RenderableType:
    """Return a line for each entry point, which can be run without the others."""
    from edgekit.profile.cost.summary import summarize

    found = [(g.name, summarize(g, allow_unknown=True)) for g in graph.entries]
    rows = [[name, str(s.ops), _madds(s), f"{s.params:,}", bytes_text(s.arena_bytes)]
            for name, s in found]  # fmt: skip
    return _table(["entry point", "ops", "MAdds", "params", "arena"], rows, 1)


def _facts(graph: Graph, summary: Summary) -> RenderableType:
    from edgekit.profile.cost.precision import types_text

    facts = [
        ("inputs", ", ".join(f"{t.name} {t.dtype} {list(t.shape or ())}" for t in summary.inputs)),
        ("outputs", ", ".join(f"{t.name} {t.dtype} {list(t.shape or ())}"
                              for t in summary.outputs)),
        ("ops", f"{summary.ops:,}"),
        ("types", types_text(graph)),
        ("MAdds", f"{summary.madds:,}"),
        ("parameters", f"{summary.params:,}"),
        ("activations", f"{bytes_text(summary.activation_bytes)} in all"),
        ("intensity", f"{summary.intensity:.2f} MAdds a byte moved"),
    ]  # fmt: skip
    if summary.unknown:
        counts = {name: summary.unknown.count(name) for name in dict.fromkeys(summary.unknown)}
        named = ", ".join(f"{name} x{n}" if n > 1 else name for name, n in counts.items())
        facts.append(("unknown", f"{named}: not in the MAdds"))
    if summary.unplanned:
        facts.append(("unplanned", f"{summary.unplanned} tensors sized while running"))
    return _table(None, [list(fact) for fact in facts], 2)


def _cells(row: Row, total: int) -> list[str]:
    share = f"{100 * (row.madds or 0) / total:.1f}" if total else ""
    madds = "unknown" if row.madds is None else f"{row.madds:,}"
    return [row.name, str(row.ops), madds, share, f"{row.params:,}", bytes_text(row.moved_bytes)]


def _table(columns: list[str] | None, rows: list[list[str]], text_columns: int) -> RenderableType:
    """Return a table whose first columns hold text and whose others hold numbers."""
    from rich.table import Table
    from rich.text import Text

    from edgekit.errors import one_line

    table = Table(box=None, show_header=columns is not None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, column in enumerate(columns or rows[0]):
        text = number < text_columns
        title = column if columns else ""
        table.add_column(title, justify="left" if text else "right", no_wrap=not text,
                         overflow="fold")  # fmt: skip
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    return table


def _madds(summary: Summary) -> str:
    return f"{summary.madds:,}" + (" + unknown" if summary.unknown else "")
