"""edgekit demo: the main job, command by command, on data that comes along."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekit.cli.output import emit, output_options, stderr
from edgekit.errors import CheckFailedError

if TYPE_CHECKING:
    from rich.table import Table

PRESET = "mobilenet_v2:digits"
SCHEMES = "f32,f16,w8,w8a8,w8a16,qat-w8a8"
PICTURES = 4  # that `run` labels at the end
MIN_ACCURACY = 97.0  # of the float network, in percent
MAX_DROP = 0.5  # of qat-w8a8 below it, in points


@click.command()
@click.option(
    "-o",
    "--output",
    default="demo",
    show_default=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where everything goes.",
)
@click.option("--seed", default=0, show_default=True, help="Of the training.")
@output_options
def command(output: Path, seed: int, as_json: bool) -> None:
    """Train, quantize, convert, verify, inspect, evaluate, bench and report, in minutes.

    A small MobileNetV2 learns scikit-learn's handwritten digits. Each step is a command that you
    could type; it is shown before it runs.
    """  # fmt: skip
    started = time.monotonic()
    for arguments in steps(output, _pictures(output), seed):
        _step(arguments)
    rows = summarize(output)
    minutes = (time.monotonic() - started) / 60
    report = str(output / "report.html")
    data = {"rows": rows, "minutes": round(minutes, 2), "report": report}
    emit(data, as_json, _table(rows), f"{minutes:.1f} minutes; read {report}")
    check(rows)


def steps(output: Path, pictures: Sequence[str], seed: int) -> list[list[str]]:
    """Return the commands of the main job, as they could be typed."""
    run, artifact, report = (str(output / name) for name in ("run", "artifact", "report.html"))
    evaluation, bench = (str(output / name) for name in ("evaluation.json", "bench.json"))
    learned = str(output / "artifact" / "mobilenet_v2-run.qat-w8a8.tflite")
    return [
        ["train", PRESET, "--qat", "--seed", str(seed), "-o", run],
        ["convert", run, "--to", "tflite,onnx", "--scheme", SCHEMES, "--calibrate", "digits",
         "-o", artifact],
        ["verify", artifact],
        ["inspect", artifact],
        ["evaluate", artifact, "--data", "digits", "-o", evaluation],
        ["bench", artifact, "--on", "local", "--retries", "0", "-o", bench],
        ["run", artifact, *pictures, "--file", "qat-w8a8", "--top", "2", "--save",
         str(output / "pictures")],
        ["report", artifact, evaluation, bench, learned, "-o", report],
    ]  # fmt: skip


def summarize(output: Path) -> list[dict[str, Any]]:
    """Return one row a file: size, accuracy, drop and latency, from the results in `output`."""
    manifest = json.loads((output / "artifact" / "manifest.json").read_text())
    scores = json.loads((output / "evaluation.json").read_text())["rows"]
    timings = json.loads((output / "bench.json").read_text())["rows"]
    accuracy = {
        row["file"]: 100 * row["value"] for row in scores if row["metric"] == "top-1 accuracy"
    }
    latency = {Path(row["file"]).name: row["latency_ms"] for row in timings}
    best = next(accuracy[f["path"]] for f in manifest["files"] if f["scheme"] == "f32")
    return [
        {
            "file": file["path"],
            "scheme": file["scheme"],
            "size_bytes": file["size_bytes"],
            "accuracy": accuracy[file["path"]],
            "drop": best - accuracy[file["path"]],
            "p50_ms": latency[file["path"]]["p50"],
            "parity": file["parity"]["passed"],
        }
        for file in manifest["files"]
    ]


def check(rows: Sequence[dict[str, Any]]) -> None:
    """Compare the demo's accuracy with what it promises.

    Raises:
        CheckFailedError: the float network or its learned integers fall short.
    """
    for row in rows:
        if row["scheme"] == "f32" and row["accuracy"] < MIN_ACCURACY:
            raise CheckFailedError(
                f"{row['file']}: test accuracy",
                got=f"{row['accuracy']:.2f}%",
                expected=f"at least {MIN_ACCURACY}%",
            )
        if row["scheme"] == "qat-w8a8" and row["drop"] > MAX_DROP:
            raise CheckFailedError(
                f"{row['file']}: loss against float",
                got=f"{row['drop']:.2f} points",
                expected=f"at most {MAX_DROP}",
            )


def _step(arguments: list[str]) -> None:
    from edgekit.cli import cli

    stderr().print(f"\n$ edgekit {shlex.join(arguments)}", style="bold", markup=False)
    cli.main(arguments, prog_name="edgekit", standalone_mode=False)


def _pictures(output: Path) -> list[str]:
    """Write the first test digits as PNGs, as a user would bring them, and return their paths."""
    from PIL import Image

    from edgekit.tasks.pictures.images import read_labelled_images

    images = read_labelled_images("digits", "test")
    folder = output / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in range(PICTURES):
        name = f"{index + 1}, a {images.classes[images.labels[index]]}.png"
        pixels = images.pixels(index).squeeze()
        Image.fromarray(pixels).resize((160, 160)).save(folder / name)
        paths.append(str(folder / name))
    return paths


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    from edgekit.cli.tables import short_names, table

    names = short_names([row["file"] for row in rows])
    return table(
        ("file", "kB", "top-1 %", "drop", "p50 ms", "parity"),
        [
            (name, f"{row['size_bytes'] / 1e3:,.1f}", f"{row['accuracy']:.2f}",
             f"{row['drop']:+.2f}", f"{row['p50_ms']:.3f}", "ok" if row["parity"] else "fails")
            for row, name in zip(rows, names, strict=True)
        ],
        caption="accuracy on the test split; latency measured on this machine, one thread",
    )  # fmt: skip
