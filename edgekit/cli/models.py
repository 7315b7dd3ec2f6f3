"""`edgekit models`: what can be built and trained."""

from __future__ import annotations

from typing import Any

import click

from edgekit.cli.output import emit, output_options


@click.command(name="models")
@output_options
def command(as_json: bool) -> None:
    """List families and presets with their task, parameters and MAdds.

    Parameters are all of the network's, batch norm included; MAdds are of one inference.
    """
    from rich.table import Table

    from edgekit.families import MODULES, family

    rows: list[dict[str, Any]] = []
    for name in MODULES:
        found = family(name)
        for preset, item in found.presets.items():
            rows.append(
                {
                    "family": name,
                    "preset": preset,
                    "task": found.task,
                    "resolution": getattr(item.config, "resolution", None),
                    "params": item.params,
                    "madds": item.madds,
                    "source": found.source,
                }
            )
    table = Table(box=None, pad_edge=False)
    for column in ("model", "task"):
        table.add_column(column)
    for column in ("resolution", "params", "MAdds"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            f"{row['family']}:{row['preset']}",
            row["task"],
            str(row["resolution"] or "-"),
            f"{row['params']:,}",
            f"{row['madds']:,}",
        )
    emit(rows, as_json, table)
