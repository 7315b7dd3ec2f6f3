"""edgekit device: set up what a kind of device needs, once."""

from __future__ import annotations

import click

from edgekit.cli.output import emit, output_options, stderr


@click.command()
@click.argument("action", type=click.Choice(["create"]))
@click.argument("kind", type=click.Choice(["qemu"]))
@output_options
def command(action: str, kind: str, as_json: bool) -> None:
    """Set up a kind of device, once: `edgekit device create qemu`.

    qemu is what the emulated cores run in: about 100 MB of downloads and 300 MB on disk, all in
    the user's cache folder (EDGEKIT_CACHE); nothing is installed.
    """
    from edgekit.device.emulator import userland

    with stderr().status("device create") as status:
        place = userland.create(lambda line: status.update(f"device create: {line}"))
    emit({"schema": 1, "kind": "device", "device": kind, "path": str(place)}, as_json)
    if not as_json:
        click.echo(f"qemu: ready in {place}")
        click.echo("next: edgekit bench MODEL --on qemu:cortex-a76")
