"""edgekit device: what can be named to --on, and setting up what a kind of device needs."""

from __future__ import annotations

from dataclasses import asdict

import click

from edgekit.cli.output import emit, output_options, stderr


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """List devices, or set one kind up: `edgekit device create qemu`."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@command.command("list")
@output_options
def list_devices(as_json: bool) -> None:
    """List what --on takes on this machine, and what is missing; connects to no board.

    On qemu:CORE instructions are counted, exactly, instead of time.
    """
    from edgekit.cli.tables import table
    from edgekit.device.reach import list_places

    places = list_places()
    rows = [(place.url, place.what, place.remedy or "yes") for place in places]
    data = {"schema": 1, "kind": "devices", "devices": [asdict(place) for place in places]}
    emit(data, as_json, table(("--on", "what it is", "ready"), rows, text_columns=3))


@command.command()
@click.argument("kind", type=click.Choice(["qemu"]), metavar="KIND")
@output_options
def create(kind: str, as_json: bool) -> None:
    """Set up a KIND of device, once: qemu.

    It is what the emulated cores run in: about 100 MB of downloads and 300 MB on disk, all in
    the user's cache folder (EDGEKIT_CACHE); nothing is installed.
    """
    from edgekit.device.emulator import userland

    with stderr().status("device create") as status:
        place = userland.create(lambda line: status.update(f"device create: {line}"))
    emit({"schema": 1, "kind": "device", "device": kind, "path": str(place)}, as_json)
    if not as_json:
        click.echo(f"{kind}: ready in {place}")
        click.echo("next: edgekit bench MODEL --on qemu:cortex-a76")
