"""What model files cost before they run anywhere: counted, planned and predicted, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError
from edgekit.files import file_sha256
from edgekit.profile.cost.summary import Summary, by_kind, by_layer, summarize
from edgekit.profile.graph import Graph, Shapes, read_graph
from edgekit.profile.prediction.advice import advise, name_of
from edgekit.profile.prediction.cores import find_core
from edgekit.profile.prediction.predict import Prediction, predict_each
from edgekit.profile.prediction.roofline import OpTime
from edgekit.report.numbers import megabytes, millions, significant
from edgekit.report.results import Results
from edgekit.report.summary import Table

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Cost:
    """One model file's op list and what follows from it."""

    file: str
    sha256: str
    size_bytes: int
    graph: Graph
    summary: Summary
    predictions: tuple[Prediction, ...] = ()
    refusals: tuple[str, ...] = ()  # why a core has no prediction


def read_costs(
    results: Results,
    cores: Sequence[str] = (),
    runtime: str | None = None,
    shapes: Shapes | None = None,
    *,
    allow_unknown: bool = False,
) -> list[Cost]:
    """Count the model files that were named, and with cores those of the artifacts too.

    Args:
        results: what was found; one file under two names counts once.
        cores: to predict the latency on, as "cortex-a72" or "cortex-a53@1.2".
        runtime: that the prediction is for; by default what a core was calibrated with.
        shapes: of inputs that a file leaves free.
        allow_unknown: count what has a rule, list the rest.

    Raises:
        InputError: a file cannot be counted, or there is no such core.
    """
    for core in cores:
        find_core(core)
    paths = list(results.models)
    if cores:
        paths += [a.path(file) for a in results.artifacts for file in a.manifest.files]
    costs = (_read_cost(path, cores, runtime, shapes, allow_unknown) for path in paths)
    return list({cost.sha256: cost for cost in reversed(list(costs))}.values())[::-1]


def cost_tables(costs: Sequence[Cost]) -> list[Table]:
    """Return the tables that compare files, without what is empty."""
    found = (predictions_table(costs), memory_table(costs))
    return [table for table in found if table.rows or table.notes]


def predictions_table(costs: Sequence[Cost]) -> Table:
    """Return one row for each file and core, and in notes what each figure rests on."""
    columns = ("file", "core", "runtime", "dtype", "predicted, ms", "interval",
               "bound by compute", "bound by memory")  # fmt: skip
    pairs = [(cost, p) for cost in costs for p in cost.predictions]
    notes = [f"{cost.file}: not predicted: {reason}" for cost in costs for reason in cost.refusals]
    notes += [f"{cost.file} on {p.calibration.core}: interval widened: {reason}"
              for cost, p in pairs for reason in p.reasons]  # fmt: skip
    notes += [p.origin for _, p in pairs]
    rows = tuple((cost.file, *_prediction_cells(p)) for cost, p in pairs)
    return Table("Predicted latency, one thread", columns, rows, tuple(dict.fromkeys(notes)))


def memory_table(costs: Sequence[Cost]) -> Table:
    """Return the planned memory of each file; what a process took stands under its benchmark."""
    columns = ("file", "live at once, at least, MB", "arena, greedy, MB", "weights, MB",
               "arena and weights, MB", "MAdds a byte moved")  # fmt: skip
    rows = []
    for cost in costs:
        s = cost.summary
        sizes = (s.peak_bytes, s.arena_bytes, s.weight_bytes, s.arena_bytes + s.weight_bytes)
        rows.append((cost.file, *map(megabytes, sizes), f"{s.intensity:.2f}"))
    notes = [
        f"{cost.file}: {cost.summary.unplanned} tensors are sized while running and not planned"
        for cost in costs
        if cost.summary.unplanned
    ]
    return Table("Planned memory", columns, tuple(rows), tuple(notes))


def tables_of(cost: Cost) -> Iterator[Table]:
    """Yield the op table of one file, its layers with bars, and what would help on each core."""
    yield _kinds(cost)
    yield _layers(cost)
    for prediction in cost.predictions:
        core = prediction.calibration.core
        rows = tuple((a.layer, a.text, f"{a.share:.1%}") for a in advise(cost.graph, prediction))
        columns = ("layer", "what would help", "share of predicted time")
        yield Table(f"What would help on {core}", columns, rows)


def _read_cost(
    path: Path, cores: Sequence[str], runtime: str | None, shapes: Shapes | None, unknown: bool
) -> Cost:
    graph = read_graph(path, shapes)
    try:
        summary = summarize(graph, allow_unknown=unknown)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    predictions, refusals = predict_each(graph, cores, runtime)
    return Cost(path.name, file_sha256(path), path.stat().st_size, graph, summary,
                tuple(predictions), tuple(map(str, refusals)))  # fmt: skip


def _prediction_cells(p: Prediction) -> tuple[str, ...]:
    c = p.calibration
    low, high = p.interval_ms
    interval = f"{significant(low)}–{significant(high)} ({c.level:.0%})"
    shares = (f"{p.share_bound_by(part):.0%}" for part in ("compute", "memory"))
    core = f"{c.core} at {c.clock_ghz:g} GHz"
    return core, p.runtime, c.dtype, significant(p.latency_ms), interval, *shares


def _kinds(cost: Cost) -> Table:
    columns = ("op", "ops", "MAdds, M", "MAdds, %", "params, M", "moved, MB")
    total = cost.summary.madds
    rows = []
    for row in by_kind(cost.graph):
        share = f"{100 * (row.madds or 0) / total:.1f}" if total else ""
        rows.append((row.name, str(row.ops), _madds(row.madds), share, millions(row.params),
                     megabytes(row.moved_bytes)))  # fmt: skip
    notes = (
        f"not in the MAdds: {name} has no rule" for name in dict.fromkeys(cost.summary.unknown)
    )
    return Table("Ops", columns, tuple(rows), tuple(notes))


def _layers(cost: Cost) -> Table:
    """Return a row for each layer in the order of execution; its shares draw the bars."""
    rows = by_layer(cost.graph)
    columns = ["layer", "MAdds, M", "moved, MB"]
    figures: list[list[float]] = [[row.madds or 0 for row in rows]]
    figures.append([row.moved_bytes for row in rows])
    cells = [[row.name, _madds(row.madds), megabytes(row.moved_bytes)] for row in rows]
    for p in cost.predictions:
        columns += [f"predicted ms, {p.calibration.core}", f"bound by, {p.calibration.core}"]
        times = _times_by_layer(p)
        figures += [[sum(op.ms for op in times.get(row.name, ())) for row in rows], [0] * len(rows)]
        for row, line in zip(rows, cells, strict=True):
            ops = times.get(row.name, ())
            line += [significant(sum(op.ms for op in ops)) if ops else "", _bound(ops)]
    return Table("Layers", tuple(columns), tuple(map(tuple, cells)), bars=_bars(figures))


def _bars(figures: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], ...]:
    """Return for each row its figures as shares of the largest of their column."""
    most = [max(column, default=0) or 1 for column in figures]
    return tuple(tuple(f / m for f, m in zip(row, most, strict=True))
                 for row in zip(*figures, strict=True))  # fmt: skip


def _times_by_layer(prediction: Prediction) -> Mapping[str, list[OpTime]]:
    times: dict[str, list[OpTime]] = {}
    for op in prediction.ops:
        times.setdefault(name_of(op.work.op), []).append(op)
    return times


def _bound(ops: Sequence[OpTime]) -> str:
    return max(ops, key=lambda op: op.ms).bound if ops else ""


def _madds(madds: int | None) -> str:
    return UNKNOWN if madds is None else millions(madds)
