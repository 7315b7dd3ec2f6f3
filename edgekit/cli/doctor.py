"""edgekit doctor: what is installed, what is missing, and the pip line."""

from __future__ import annotations

import platform
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from edgekit import __version__
from edgekit.cli.output import emit, output_options
from edgekit.errors import SetupError

if TYPE_CHECKING:
    from rich.table import Table

    from edgekit.device.installation import Extra


@click.command()
@output_options
def command(as_json: bool) -> None:
    """Look at the installation and the devices in reach. Imports no runtime.

    Exit code 0 where the base works; extras may be missing.
    """
    from edgekit.device import DEVICES, installation
    from edgekit.profile.worker import device_facts

    extras = installation.find_extras()
    traps = installation.find_traps(installation.installed())
    facts, clients = device_facts(), installation.find_clients()
    data = {
        "schema": 1,
        "kind": "doctor",
        "edgekit": __version__,
        "python": platform.python_version(),
        "extras": [{**asdict(e), "missing": e.missing, "remedy": e.remedy} for e in extras],
        "traps": traps,
        "device": facts,
        "devices": list(DEVICES),
        "clients": clients,
    }
    emit(data, as_json, _table(extras))
    if not as_json:
        _print_machine(facts, list(DEVICES), clients)
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


def _print_machine(facts: dict[str, Any], devices: list[str], clients: dict[str, Any]) -> None:
    cpu = facts["board"] or facts["cpu"] or "unknown CPU"
    features = ", ".join(facts["features"]) or "none that matter"
    click.echo(f"Python {platform.python_version()} on {facts['machine']}")
    click.echo(f"CPU: {cpu}, {facts['cores']} cores: {features}")
    click.echo(f"devices: {', '.join(devices)}")
    for name, path in clients.items():
        click.echo(f"{name} client: {path or 'not found'}")
