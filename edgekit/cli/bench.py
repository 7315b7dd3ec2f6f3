"""edgekit bench: latency with its interval, load time, memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekit.cli.output import emit, output_options, stderr
from edgekit.errors import InputError, SetupError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgekit.device import Device
    from edgekit.profile.timing.measurement import Options, Report


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="ARTIFACT...")
@click.option(
    "--on",
    "places",
    multiple=True,
    default=["local"],
    show_default=True,
    metavar="DEVICE",
    help="local, ssh://[USER@]HOST[:PORT], adb:[SERIAL] or qemu:CORE; may be given several times.",
)
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
    default=7,
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
@click.option(
    "--signature",
    help="Entry point of a .tflite; if not given each of an artifact's, or a file's first.",
)
@click.option("--cpus", metavar="N,N", help="Cores to stay on, as 0,1.")
@click.option(
    "--max-spread",
    default="5%",
    show_default=True,
    help="Call a median noisy that is known less well.",
)
@click.option(
    "--retries",
    default=1,
    show_default=True,
    help="Of a file that throttled or is noisy, after a cool-down.",
)
@click.option(
    "--cool-down", "cool_down_s", default=10.0, show_default=True, help="Seconds before a retry."
)
@click.option(
    "--validity",
    type=click.Choice(["mlperf"]),
    help="1024 runs and 60 s at least, 300 s of cool-down, 5 retries.",
)
@click.option(
    "--profile",
    is_flag=True,
    help="Also what an inference consists of: inputs, invoke, outputs; in onnxruntime every op.",
)
@click.option(
    "--app",
    is_flag=True,
    help="On a phone, in TensorFlow Lite: by the benchmark screen of the app that has ARTIFACT.",
)
@click.option("--seed", default=0, show_default=True, help="Of the random inputs.")
@click.option(
    "--samples/--no-samples",
    default=True,
    show_default=True,
    help="Keep every run's time in the result.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="JSON",
    help="Write the result here, after every round; a result that was cut short is completed.",
)
@click.option("--fresh", is_flag=True, help="Complete nothing, start anew.")
@output_options
def command(
    files: tuple[str, ...], places: tuple[str, ...], schemes: tuple[str, ...], cpus: str | None,
    max_spread: str, validity: str | None, samples: bool, output: Path | None, fresh: bool,
    app: bool, as_json: bool, **options: Any,
) -> None:  # fmt: skip
    """Time model files: artifact folders, .tflite and .onnx.

    Each file is loaded in several fresh processes, in turn with the others. Only the runtime's
    invoke is timed. The interval is the 95% interval of the median, from the spread between rounds.
    On qemu:CORE the instructions of one inference are counted instead, exactly.
    """
    from edgekit.cli.bench_app import bench_in_apps
    from edgekit.cli.bench_tables import tables
    from edgekit.cli.numbers import parse_share
    from edgekit.device import open_device
    from edgekit.files import check_file_place, write_file
    from edgekit.profile.timing.measurement import Options
    from edgekit.profile.timing.result_file import to_json

    chosen = Options(
        cpus=_cores(cpus), max_spread=parse_share("--max-spread", max_spread), **options
    )
    chosen = chosen.valid_for_mlperf() if validity else chosen
    devices = [open_device(url) for url in dict.fromkeys(places)]
    if output:
        check_file_place(output)

    def keep(reports: Sequence[Report]) -> None:
        if output:
            data = to_json(reports, samples=samples)
            write_file(output, json.dumps(data, ensure_ascii=False, allow_nan=False) + "\n")

    if app:
        reports = bench_in_apps(files, devices, schemes, chosen)
        keep(reports)
    else:
        reports = _bench(files, devices, schemes, chosen, None if fresh else output, keep)
    emit(to_json(reports, samples=samples), as_json, *tables(reports))
    _print_doubts(reports, chosen.max_spread)
    _raise_failures(reports)


def _bench(
    files: tuple[str, ...], devices: Sequence[Device], schemes: tuple[str, ...], options: Options,
    earlier: Path | None, keep: Callable[[Sequence[Report]], None],
) -> list[Report]:  # fmt: skip
    """Return what fresh processes on each device measured, and what `earlier` holds of it."""
    from rich.text import Text

    from edgekit.profile.timing.result_file import read_unfinished
    from edgekit.profile.timing.side_by_side import bench_side_by_side
    from edgekit.profile.timing.targets import find_targets, with_madds

    targets = find_targets(files, schemes=schemes, runtime=options.runtime,
                           signature=options.signature)  # fmt: skip
    if any(device.counter for device in devices):
        targets = [with_madds(target) for target in targets]
    kept = read_unfinished(earlier, targets, options) if earlier else []
    if kept:
        rounds = sum(len(row.rounds) for row in kept)
        stderr().print(
            f"{earlier}: {rounds} finished rounds are kept, the rest is run", markup=False
        )
    with stderr().status("bench") as status:
        return bench_side_by_side(
            targets, devices, options, lambda line: status.update(Text(one_line(line))),
            kept=kept, keep=keep,
        )  # fmt: skip


def _print_doubts(reports: Sequence[Report], max_spread: float) -> None:
    for report in reports:
        where = f"{report.url}: " if len(reports) > 1 else ""
        doubts = [(row.target, row.doubts(max_spread)) for row in report.rows]
        doubts += [(count.target, count.doubts()) for count in report.counts]
        for target, texts in doubts:
            for text in texts:
                line = one_line(f"{where}{target.name}: {text}")
                stderr().print(line, markup=False, soft_wrap=True)


def _raise_failures(reports: Sequence[Report]) -> None:
    """End with the failures' exit code, after the finished rows were shown."""
    lines = list(dict.fromkeys(line for r in reports for line in r.failures.values()))
    if lines:
        worst = max(r.exit_code for r in reports)
        kind = InputError if worst == InputError.exit_code else SetupError
        for line in lines[:-1]:
            stderr().print(f"edgekit: {line}", markup=False, soft_wrap=True)
        raise kind(lines[-1])


def _cores(text: str | None) -> tuple[int, ...] | None:
    try:
        return tuple(int(core) for core in text.split(",")) if text else None
    except ValueError:
        raise InputError("--cpus", got=text, expected="core numbers, as 0,1") from None
