"""The tables of edgekit bench: one for times and one for instruction counts, in 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgekit.cli.tables import short_names, table
from edgekit.report.numbers import megabytes, millions, significant

if TYPE_CHECKING:
    from rich.table import Table

    from edgekit.profile.timing.counting import Count
    from edgekit.profile.timing.measurement import Report, Row

DEVICE_WIDTH = 20  # of the 80 columns


def tables(reports: Sequence[Report]) -> list[Table]:
    """Return a table for each kind of figure: measured and simulated never share a column."""
    made = []
    timed = [(report, row) for report in reports for row in report.rows]
    for kind in dict.fromkeys(row.kind for _, row in timed):
        made.append(_times([(r, row) for r, row in timed if row.kind == kind], kind))
    made += [_profile(row) for _, row in timed if row.profile]
    if counts := [count for report in reports for count in report.counts]:
        made.append(_counts(counts))
        if any(count.cache for count in counts):
            made.append(_caches([count for count in counts if count.cache]))
    return made


def _times(timed: Sequence[tuple[Report, Row]], kind: str) -> Table:
    several = len({row.device for _, row in timed}) > 1
    files = short_names([row.target.name for _, row in timed])
    # 80 columns hold the device and the file only where one of them folds.
    one_file = several and len(set(files)) == 1
    leading = ["device"] * several + ["file"] * (not one_file)
    cells = []
    for (_, row), file in zip(timed, files, strict=True):
        latency = row.latency
        low_high = latency.interval and "-".join(significant(v) for v in latency.interval)
        cells.append([
            *([row.device] * several), *([file] * (not one_file)),
            significant(latency.p50), low_high or "?", significant(latency.p90),
            significant(latency.p99), significant(row.first_run_ms),
            significant(row.load_ms), megabytes(row.peak_memory_bytes),
        ])  # fmt: skip
    headings = [*leading, "p50", "95% interval", "p90", "p99", "first", "load", "MB"]
    options = timed[0][0].options
    threads = f"{options.threads} thread{'s' * (options.threads > 1)}"
    where = "; ".join(
        f"{report.url}: {report.device.get('cpu') or 'unknown CPU'}, {_runtimes(report.rows)}"
        for report in {report.url: report for report, _ in timed}.values()
    )
    caption = (
        f"{f'{files[0]}, ' if one_file else ''}{kind} on {where}; {threads}; times in ms, peak "
        f"memory of the process in MB, interval of p50 at 95%, {options.rounds} rounds"
    )
    return _narrow(table(headings, cells, caption, text_columns=len(leading)))


def _profile(row: Row) -> Table:
    """Return the parts of one file's inference; ops by kind, for they are many."""
    profile = row.profile or {}
    parts = [("inputs handed over", 1, profile["pre_ms"]), ("invoke", 1, profile["invoke_ms"]),
             ("outputs taken", 1, profile["post_ms"])]  # fmt: skip
    ops = profile["ops"] or []
    kinds = {kind: [op["ms"] for op in ops if op["op"] == kind] for kind in {o["op"] for o in ops}}
    ranked = sorted(kinds.items(), key=lambda item: -sum(item[1]))
    parts += [(f"  {kind}", len(ms), sum(ms)) for kind, ms in ranked]
    cells = [[name, str(n), significant(ms)] for name, n, ms in parts]
    caption = f"{row.target.name} on {row.device}, medians in ms" + (
        "; ops by ONNX Runtime's profiler, which slows them down" if ops else
        f"; {row.runtime['name']} tells no times of ops"
    )  # fmt: skip
    made = table(["part", "n", "ms"], cells, caption)
    made.min_width = 60  # the caption folds at the table's width
    return made


def _counts(counts: Sequence[Count]) -> Table:
    names = short_names([count.target.name for count in counts])
    cells = [
        [
            count.device, name, millions(count.instructions),
            significant(count.per_madd) if count.per_madd else "?",
            *(f"{count.of(part) / count.instructions:.0%}" for part in ("memory", "simd", "dot")),
            f"{count.spread:.3%}",
        ]
        for count, name in zip(counts, names, strict=True)
    ]  # fmt: skip
    caption = (
        f"simulated, {_runtimes(counts)}, 1 thread: millions of instructions of one inference, "
        "for each MAdd, shares of loads and stores, SIMD and dot products, largest difference "
        "between inferences; an emulator tells no time"
    )
    headings = ["device", "file", "M instr.", "/MAdd", "memory", "SIMD", "dot", "spread"]
    return _narrow(table(headings, cells, caption, text_columns=2))


def _caches(counts: Sequence[Count]) -> Table:
    names = short_names([count.target.name for count in counts])
    cells = [
        [count.device, name, *(f"{count.of(n) / 1e3:,.1f}" for n in ("accesses", "l1_misses",
                                                                       "l2_misses"))]
        for count, name in zip(counts, names, strict=True)
    ]  # fmt: skip
    headings = ["device", "file", "accesses", "L1D misses", "L2 misses"]
    caption = "simulated data caches, thousands in one inference: LRU, no prefetcher"
    return _narrow(table(headings, cells, caption, text_columns=2))


def _narrow(made: Table) -> Table:
    """Leave one blank between columns, and short names of devices in one piece."""
    made.padding = (0, 1, 0, 0)
    first = made.columns[0]
    if first.header and str(first.header) == "device":
        first.no_wrap = max(map(len, map(str, first.cells))) <= DEVICE_WIDTH
    return made


def _runtimes(rows: Sequence[Row] | Sequence[Count]) -> str:
    return ", ".join(dict.fromkeys(f"{r.runtime['name']} {r.runtime['version']}" for r in rows))
