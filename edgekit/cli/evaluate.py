"""edgekit evaluate: the task's metric for each file of an artifact."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekit.cli.output import emit, output_options, stderr
from edgekit.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from edgekit.evaluate import Evaluation

OnExample = Callable[[str, int, int], None]  # (file, examples done, examples)


@click.command()
@click.argument("artifact", metavar="ARTIFACT")
@click.option(
    "--data",
    required=True,
    metavar="DATA",
    help="Its test split: class folders, an .npz, digits, pictures with masks, scenes, or a table. "
    "An .npz by the names of inputs and outputs is taken as it is, bytes of pictures as pixels.",
)
@click.option("--file", "scheme", metavar="SCHEME", help="Only this file, as w8a8.")
@click.option("--runtime", help="litert, tflite-runtime or onnxruntime; by format if not given.")
@click.option("--threads", type=int, help="Of the runtime.  [default: 1]")
@click.option("--on", "place", metavar="DEVICE", help="Answer there: ssh://, adb: or qemu:CORE.")
@click.option(
    "--scales",
    metavar="LIST",
    help="Of a training run, as 0.5,1,1.5: its float network's answers at each scale, averaged.",
)
@click.option("--mirror", is_flag=True, help="Of a training run: mirrored pictures are asked, too.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="JSON",
    help="Write the result here, for gate and report.",
)
@output_options
def command(
    artifact: str, data: str, scheme: str | None, runtime: str | None, threads: int | None,
    place: str | None, scales: str | None, mirror: bool, output: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Score each file of an artifact on data with known answers.

    Of a network of your own the metric follows from what is true: integers are classes, 0 and 1 of
    the output's shape two classes, other numbers get RMSE and MAE.

    Intervals are 95% (Wilson's, or the bootstrap's). The difference from the float file is in
    points of 100. With --scales or --mirror ARTIFACT is the training run of a segmenter: a file
    has one size.
    """
    from edgekit.evaluate import to_json
    from edgekit.files import check_file_place, write_file

    if output:
        check_file_place(output)
    with _progress() as on_example:
        if scales is not None or mirror:
            _refuse(file=scheme, runtime=runtime, threads=threads, on=place)
            asked = "1" if scales is None else scales
            found = _at_scales(artifact, data, asked, mirror, on_example)
        else:
            found = _files(
                artifact, data, scheme, runtime, 1 if threads is None else threads, on_example,
                place,
            )  # fmt: skip
    result = to_json(found, data)
    if output:
        write_file(output, json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    emit(result, as_json, _table(result))


def _files(
    artifact: str, data: str, scheme: str | None, runtime: str | None, threads: int,
    on_example: OnExample | None, place: str | None,
) -> list[Evaluation]:  # fmt: skip
    from edgekit.artifact import open_artifact
    from edgekit.evaluate import evaluate

    model = open_artifact(artifact)
    asked = partial(
        evaluate, model, data, scheme=scheme, runtime=runtime, threads=threads,
        on_example=on_example,
    )  # fmt: skip
    if place is None:
        return asked()
    from edgekit.device import open_device
    from edgekit.profile.timing.on_device import DeviceSession

    with open_device(place) as device:
        return asked(
            opened=lambda file: DeviceSession(
                model.path(file), device, file.signatures, sha256=file.sha256, runtime=runtime,
                threads=threads,
            )
        )  # fmt: skip


def _at_scales(
    run: str, data: str, scales: str, mirror: bool, on_example: OnExample | None
) -> list[Evaluation]:
    from edgekit.families.evaluation import evaluate_at_scales

    try:
        numbers = [float(scale) for scale in scales.split(",")]
    except ValueError:
        raise InputError("--scales", got=scales, expected="numbers, as 0.5,1,1.5") from None
    return evaluate_at_scales(run, data, numbers, mirror=mirror, on_example=on_example)


def _refuse(**options: Any) -> None:
    """Refuse options of files where a run's network is asked."""
    for name, value in options.items():
        if value is not None:
            raise InputError(f"--{name}", got="--scales or --mirror beside it",
                             expected="an artifact's file", do="leave one out")  # fmt: skip


def _figure(row: dict[str, Any], value: float, digits: int) -> str:
    """Return a share in percent, anything else to four digits."""
    return f"{100 * value:.{digits}f}" if row["unit"] == "1" else f"{value:.4g}"


def _change(row: dict[str, Any]) -> str:
    """Return the difference from the float file: points of shares, else nats or percent."""
    if row["delta_points"] is not None:
        return f"{row['delta_points']:+.2f}"
    if row["change"] is None:
        return ""
    return f"{row['change']:+.3g} nats" if row["unit"] == "nats" else f"{row['change']:+.1%}"


@contextmanager
def _progress() -> Iterator[OnExample | None]:
    """Show on a terminal how far each file is."""
    console = stderr()
    if not console.is_terminal or console.quiet:
        yield None
        return
    from rich.progress import Progress

    with Progress(console=console, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def on_example(file: str, done: int, total: int) -> None:
            if file not in tasks:
                tasks[file] = bars.add_task(file, total=total)
            bars.update(tasks[file], completed=done)

        yield on_example


def _table(result: dict[str, Any]) -> Table:
    from rich.table import Table
    from rich.text import Text

    from edgekit.cli.tables import short_names
    from edgekit.errors import one_line

    rows = result["rows"]
    how = f", {rows[0]['runtime']}" if rows[0]["format"] == "keras" else ""
    if rows[0]["device"] != "local":
        how += f" on {rows[0]['device']}"
    shares = all(row["unit"] == "1" for row in rows)
    beside = "points v f32" if shares else "beside f32 in points, % or nats"
    told = f"{rows[0]['n']} examples of {result['data']}{how}; 95% intervals; {beside}"
    table = Table(
        caption=Text(one_line(told)),
        box=None,
        caption_justify="left",
    )
    table.add_column("file", overflow="fold")
    table.add_column("metric", no_wrap=True)
    for title in ("%" if shares else "value", "95%", "points" if shares else "v f32"):
        table.add_column(title, justify="right", no_wrap=True)
    for row, name in zip(rows, short_names([row["file"] for row in rows]), strict=True):
        table.add_row(
            Text(one_line(name)),
            row["metric"].removesuffix(" accuracy"),
            _figure(row, row["value"], 2) + ("" if shares or row["unit"] != "1" else "%"),
            ("-" if row["unit"] == "1" else " to ").join(
                _figure(row, end, 1) for end in row["interval"] or ()
            ),
            _change(row),
        )
    return table
