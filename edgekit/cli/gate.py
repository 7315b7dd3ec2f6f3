"""edgekit gate: compare two results; exit 1 beyond the allowed loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edgekit.cli.output import emit, output_options, stderr
from edgekit.errors import CheckFailedError, InputError, one_line

if TYPE_CHECKING:
    from edgekit.report.results import Results


@click.command()
@click.argument("base", metavar="BASE")
@click.argument("new", metavar="NEW")
@click.option(
    "--on",
    "place",
    metavar="DEVICE",
    help="BASE and NEW are models: bench them there in turn, and compare pair by pair.",
)
@click.option("--rounds", default=10, show_default=True, help="With --on: processes of each file.")
@click.option("--max-slowdown", default="5%", show_default=True, help="Of p50.")
@click.option(
    "--max-instructions", default="1%", show_default=True, help="More of one inference: qemu:CORE."
)
@click.option("--max-drop", default=0.5, show_default=True, help="Of a metric, in points of 100.")
@click.option(
    "--max-rise",
    default="5%",
    show_default=True,
    help="Of an error, as RMSE; of a density's logarithm in nats.",
)
@click.option(
    "--allow-unclear", is_flag=True, help="Pass where noise hides whether a limit is kept."
)
@click.option(
    "--allow-different-device",
    is_flag=True,
    help="Compare across devices, runtimes, versions and thread counts.",
)
@output_options
def command(
    base: str, new: str, place: str | None, rounds: int, max_slowdown: str, max_instructions: str,
    max_drop: float, max_rise: str, allow_unclear: bool, allow_different_device: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Compare the results NEW with BASE: JSON files of bench and evaluate, or folders of them.

    Exit code 1 where a file became slower or worse than allowed, or where the noise is too wide to
    say that it did not. A machine drifts between two calls of bench, which no interval of either
    knows of: to compare times closely give two artifacts and --on.
    """
    from edgekit.cli.numbers import parse_share
    from edgekit.report.gate import Limits, compare

    if not 0 <= max_drop <= 100:
        raise InputError("--max-drop", got=max_drop, expected="points from 0 to 100")
    limits = Limits(
        max_slowdown=parse_share("--max-slowdown", max_slowdown),
        max_instructions=parse_share("--max-instructions", max_instructions),
        max_drop=max_drop,
        max_rise=parse_share("--max-rise", max_rise),
        allow_different_device=allow_different_device,
    )
    verdicts = compare(*_results(base, new, place, rounds), limits)
    bad = [v for v in verdicts if v.outcome == "failed" or (
        v.outcome == "unclear" and not allow_unclear)]  # fmt: skip
    data = {"schema": 1, "kind": "gate", "passed": not bad,
            "verdicts": [v.to_json() for v in verdicts]}  # fmt: skip
    emit(data, as_json)
    if not as_json:
        for verdict in verdicts:
            click.echo(one_line(f"{verdict.outcome:8} {verdict.sentence}"))
    if bad:
        raise CheckFailedError(
            f"gate: {len(bad)} of {len(verdicts)} checks failed", do=str(bad[0].sentence)
        )


def _results(base: str, new: str, place: str | None, rounds: int) -> tuple[Results, Results]:
    """Return both results: read, or measured now."""
    from edgekit.report.results import read_results

    if place is None:
        return read_results([base]), read_results([new])
    from rich.text import Text

    from edgekit.device import open_device
    from edgekit.profile.timing.measurement import Options
    from edgekit.report.in_turn import bench_in_turn

    device, options = open_device(place), Options(rounds=rounds)
    with stderr().status("gate") as status:
        return bench_in_turn(
            base, new, device, options, lambda line: status.update(Text(one_line(line)))
        )
