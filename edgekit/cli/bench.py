"""edgekit bench: latency with its interval, load time, memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekit.cli.output import emit, output_options, stderr
from edgekit.errors import InputError, SetupError, one_line

if TYPE_CHECKING:
    from rich.table import Table

    from edgekit.profile.measurement import Report


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="ARTIFACT...")
@click.option("--on", "device", default="local", show_default=True, help="Where to run: local.")
@click.option("--runtime", help="litert, tflite-runtime or onnxruntime; by format if not given.")
@click.option(
    "--file",
    "schemes",
    multiple=True,
    metavar="SCHEME",
    help="Only these files of an artifact, as w8a8.",
)
@click.option("--threads", default=1, show_default=True, help="Of the runtime.")
@click.option("--runs", default=100, show_default=True, help="Timed runs of a file, at least.")
@click.option("--min-seconds", default=1.0, show_default=True, help="Timed, at least.")
@click.option("--max-seconds", default=60.0, show_default=True, help="Timed, at most.")
@click.option(
    "--rounds",
    default=5,
    show_default=True,
    help="Processes that share the runs of a file; files take turns.",
)
@click.option(
    "--warmup",
    "warmup_runs",
    default=3,
    show_default=True,
    help="Runs before the timed ones of each round, at least; goes on until stable.",
)
@click.option(
    "--inputs",
    type=click.Path(path_type=Path),
    metavar="NPZ",
    help="Raw tensors by input name, instead of random ones.",
)
@click.option("--signature", help="Entry point of a .tflite; the first if not given.")
@click.option("--cpus", metavar="N,N", help="Cores to stay on, as 0,1.")
@click.option(
    "--max-spread",
    default="5%",
    show_default=True,
    help="Call a median noisy that is known less well.",
)
@click.option("--seed", default=0, show_default=True, help="Of the random inputs.")
@click.option(
    "--samples/--no-samples",
    default=True,
    show_default=True,
    help="Keep every run's time in the result.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="JSON", help="Write the result here."
)
@output_options
def command(
    files: tuple[str, ...], device: str, schemes: tuple[str, ...], cpus: str | None,
    max_spread: str, samples: bool, output: Path | None, as_json: bool, **options: Any,
) -> None:  # fmt: skip
    """Time model files: artifact folders, .tflite and .onnx.

    Each file is loaded in several fresh processes, in turn with the others. Only the runtime's
    invoke is timed. The interval is the 95% interval of the median, from the spread between rounds.
    """
    from rich.text import Text

    from edgekit.cli.numbers import parse_share
    from edgekit.device import open_device
    from edgekit.files import check_file_place, write_file
    from edgekit.profile.bench import bench
    from edgekit.profile.measurement import Options
    from edgekit.profile.targets import find_targets

    chosen = Options(
        cpus=_cores(cpus), max_spread=parse_share("--max-spread", max_spread), **options
    )
    if output:
        check_file_place(output)
    targets = find_targets(files, schemes=schemes, runtime=chosen.runtime)
    with stderr().status("bench") as status, open_device(device) as opened:
        report = bench(targets, opened, chosen, lambda line: status.update(Text(one_line(line))))
    data = report.to_json(samples=samples)
    if output:
        write_file(output, json.dumps(data, ensure_ascii=False, allow_nan=False) + "\n")
    emit(data, as_json, *_tables(report))
    for row in report.rows:
        for doubt in row.doubts(chosen.max_spread):
            stderr().print(one_line(f"{row.target.path.name}: {doubt}"), markup=False)
    _raise_failures(report)


def _raise_failures(report: Report) -> None:
    """End with the failures' exit code, after the finished rows were shown."""
    if report.failures:
        kind = InputError if report.exit_code == InputError.exit_code else SetupError
        *others, last = report.failures.values()
        for line in others:
            stderr().print(f"edgekit: {line}", markup=False, soft_wrap=True)
        raise kind(last)


def _cores(text: str | None) -> tuple[int, ...] | None:
    try:
        return tuple(int(core) for core in text.split(",")) if text else None
    except ValueError:
        raise InputError("--cpus", got=text, expected="core numbers, as 0,1") from None


def _tables(report: Report) -> list[Table]:
    """Return a table for each kind of figure: measured and simulated never share a column."""
    return [_table(report, kind) for kind in dict.fromkeys(r.kind for r in report.rows)]


def _table(report: Report, kind: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from edgekit.cli.tables import short_names
    from edgekit.errors import one_line
    from edgekit.report.numbers import megabytes, significant

    rows = [r for r in report.rows if r.kind == kind]
    runtimes = ", ".join(dict.fromkeys(f"{r.runtime['name']} {r.runtime['version']}" for r in rows))
    threads = report.options.threads
    caption = (
        f"{kind} on {report.device['url']}: {report.device.get('cpu') or 'unknown CPU'}, "
        f"{runtimes}, {threads} thread{'s' * (threads > 1)}; times in ms, peak memory of the "
        f"process in MB, interval of p50 at 95%, {report.options.rounds} rounds"
    )
    table = Table(
        box=SIMPLE_HEAD, caption=Text(caption), caption_justify="left", pad_edge=False,
        padding=(0, 1, 0, 0),
    )  # fmt: skip
    table.add_column("file", overflow="fold", ratio=1)
    for name in ("p50", "95% interval", "p90", "p99", "first", "load", "MB"):
        table.add_column(name, justify="right", no_wrap=True)
    names = short_names([r.target.path.name for r in rows])
    for row, name in zip(rows, names, strict=True):
        latency = row.latency
        low_high = latency.interval and "-".join(significant(v) for v in latency.interval)
        table.add_row(
            Text(one_line(name)), significant(latency.p50), low_high or "?",
            significant(latency.p90), significant(latency.p99), significant(row.first_run_ms),
            significant(row.load_ms), megabytes(row.peak_memory_bytes),
        )  # fmt: skip
    return table
