"""edgekit doctor: what is installed, what is missing, and the pip line."""

from __future__ import annotations

import platform
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from edgekit import __version__
from edgekit.cli.output import emit, output_options
from edgekit.errors import SetupError, one_line

if TYPE_CHECKING:
    from rich.table import Table

    from edgekit.device.installation import Extra
    from edgekit.device.reach import Reach


@click.command()
@output_options
def command(as_json: bool) -> None:
    """Look at the installation and the devices in reach. Imports no runtime.

    Exit code 0 where the base works; extras may be missing.
    """
    from edgekit.device import installation
    from edgekit.device.reach import look_around
    from edgekit.profile.timing.worker import device_facts

    extras = installation.find_extras()
    traps = installation.find_traps(installation.installed())
    facts, devices = device_facts(), look_around()
    data = {
        "schema": 1,
        "kind": "doctor",
        "edgekit": __version__,
        "python": platform.python_version(),
        "extras": [{**asdict(e), "missing": e.missing, "remedy": e.remedy} for e in extras],
        "traps": traps,
        "device": facts,
        "devices": [asdict(d) for d in devices],
    }
    emit(data, as_json, _table(extras))
    if not as_json:
        _print_machine(facts, devices)
        for extra in extras:
            if extra.remedy:
                click.echo(f"missing for {extra.name}: {', '.join(extra.missing)}: {extra.remedy}")
        for trap in traps:
            click.echo(f"trap: {trap}")
    for extra in extras:
        if extra.name == installation.BASE and extra.missing:
            missing = ", ".join(extra.missing)
            raise SetupError("edgekit's base is not whole", got=f"no {missing}", do=extra.remedy)


def _table(extras: list[Extra]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, title=f"edgekit {__version__}",
                  title_justify="left")  # fmt: skip
    for name in ("extra", "package", "installed", "tested"):
        table.add_column(name)
    for extra in extras:
        for i, p in enumerate(extra.packages):
            tested = "same" if p.version == p.tested else p.tested or ""
            table.add_row(extra.name if i == 0 else "", p.name, p.version or "missing", tested)
    return table


def _print_machine(facts: dict[str, Any], devices: list[Reach]) -> None:
    cpu = facts["board"] or facts["cpu"] or "unknown CPU"
    features = ", ".join(facts["features"]) or "none that matter"
    click.echo(f"Python {platform.python_version()} on {facts['machine']}")
    click.echo(f"CPU: {cpu}, {facts['cores']} cores: {features}")
    for device in devices:
        state = ", ".join(device.found) if device.ready else f"not ready: {device.remedy}"
        click.echo(one_line(f"device {device.kind + ':':6} {state}"))
