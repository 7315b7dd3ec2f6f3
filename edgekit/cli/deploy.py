"""edgekit deploy: set a board up, put an artifact there or into the app, and check its answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekit.cli.output import emit, output_options, stderr
from edgekit.errors import CheckFailedError, InputError
from edgekit.report.numbers import decibels

if TYPE_CHECKING:
    from edgekit.artifact import Artifact
    from edgekit.device import Device


@click.command()
@click.argument("folder", required=False, metavar="[ARTIFACT]")
@click.option("--on", "place", metavar="DEVICE", help="ssh://, adb: or qemu:CORE.")
@click.option(
    "--android",
    "project",
    type=click.Path(path_type=Path),
    metavar="PROJECT",
    help="Into the app instead: its source, android_demo.",
)
@click.option(
    "--setup", is_flag=True, help="Make the environment there: Python packages, pushed from here."
)
@click.option(
    "--runtime",
    "runtimes",
    multiple=True,
    help="litert, tflite-runtime or onnxruntime; by format, or LiteRT, if not given.",
)
@click.option(
    "--file", "schemes", multiple=True, metavar="SCHEME", help="Only these files, as w8a8."
)
@output_options
def command(
    folder: str | None, place: str | None, project: Path | None, setup: bool,
    runtimes: tuple[str, ...], schemes: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Set a board up, put an artifact there, and check its answers there.

    The artifact goes to ~/edgekit/NAME (on a phone /data/local/tmp/edgekit/artifacts/NAME). Every
    file then answers the source's examples on the device itself. A board needs Python 3.9 or later
    and no network; a phone gets its Python with --setup.

    With --android the .tflite files go into the app's assets, with golden vectors: inputs and what
    they are answered here, which the app compares with its own answers.
    """
    if (place is None) == (project is None):
        raise InputError("deploy: where to", got="both" if place else "neither",
                         expected="--on DEVICE or --android PROJECT")  # fmt: skip
    if project is not None:
        for option, given in (("--setup", setup), ("--runtime", bool(runtimes))):
            if given:
                raise InputError(f"{option}: not with --android", do="leave it out")
        data = _into_app(folder, project, schemes)
        emit(data, as_json)
        if not as_json:
            click.echo(f"{', '.join(data['files'])} and golden vectors: {data['place']}")
        return
    _onto_device(folder, str(place), setup, runtimes, schemes, as_json)


def _into_app(folder: str | None, project: Path, schemes: tuple[str, ...]) -> dict[str, Any]:
    """Put an artifact into the app's project, and return what went there."""
    from edgekit.artifact import open_artifact
    from edgekit.device.android_project import check_project, install, usable_files
    from edgekit.parity.golden import NAME, make_golden

    if not folder:
        raise InputError("deploy: nothing to do", do="give an artifact")
    check_project(project)
    artifact = open_artifact(folder)
    artifact.check()
    files = usable_files(artifact, schemes)
    with stderr().status("deploy: golden vectors"):
        golden = make_golden(artifact, files)
    place = install(artifact, files, project, {NAME: golden})
    return {"schema": 1, "kind": "deploy", "project": str(project), "place": str(place),
            "files": [file.path for file in files]}  # fmt: skip


def _onto_device(
    folder: str | None, place: str, setup: bool, runtimes: tuple[str, ...],
    schemes: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Set a device up, check the answers there, and put the artifact there."""
    from rich.text import Text

    from edgekit.artifact import open_artifact
    from edgekit.device import open_device
    from edgekit.device.remote import RemoteDevice

    device = open_device(place)
    if not folder and not setup:
        raise InputError("deploy: nothing to do", do="give an artifact, or --setup")
    if setup and not isinstance(device, RemoteDevice):
        raise InputError(f"deploy: {place} is not set up like this", do=f"run: {_other(device)}")
    artifact = open_artifact(folder) if folder else None
    data: dict[str, Any] = {"schema": 1, "kind": "deploy", "device": place}
    with stderr().status("deploy") as status, device:
        if setup and isinstance(device, RemoteDevice):
            data["environment"] = device.set_up(runtimes, lambda s: status.update(Text(s)))
        if artifact:
            artifact.check()
            status.update("checking the answers there")
            data["files"] = _check(artifact, device, runtimes, schemes)
        if artifact and isinstance(device, RemoteDevice):
            status.update("copying")
            data["place"] = device.install(artifact.folder, artifact.manifest.name)
    emit(data, as_json)
    if not as_json:
        _print(data)
    failed = [f["file"] for f in data.get("files", ()) if not f["passed"]]
    if failed:
        raise CheckFailedError(
            f"deploy: {', '.join(failed)} answer otherwise on {place}",
            do="look at the figures: edgekit deploy --json",
        )


def _check(
    artifact: Artifact, device: Device, runtimes: tuple[str, ...], schemes: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Return what each file answers on the device, in each runtime that reads it."""
    from dataclasses import asdict

    from edgekit.parity.on_device import check_on_device
    from edgekit.runtime import RUNTIMES, default_runtime

    checked = []
    for file in artifact.manifest.files:
        fitting = [r for r in runtimes if RUNTIMES[r][0] == file.format]
        if schemes and file.scheme not in schemes:
            continue
        for runtime in fitting if runtimes else [default_runtime(file.path)]:
            outputs = check_on_device(artifact, file, device, runtime)
            checked.append({
                "file": file.path, "runtime": runtime, "passed": all(p.passed for p in outputs),
                "outputs": [asdict(p) for p in outputs],
            })  # fmt: skip
    if not checked:
        raise InputError(
            f"{artifact.folder}: no file to deploy",
            got=", ".join([*schemes, *runtimes]),
            expected=", ".join(f"{f.scheme} {f.format}" for f in artifact.manifest.files),
        )
    return checked


def _other(device: Device) -> str:
    return device.setup_command or "pip install 'edgekit[litert]'"


def _print(data: dict[str, Any]) -> None:
    if environment := data.get("environment"):
        names = ", ".join(f"{n} {v}" for n, v in environment["runtimes"].items())
        click.echo(
            f"{data['device']}: Python {environment['python']} on {environment['machine']}, "
            f"NumPy {environment['numpy']}, {names}"
        )
        click.echo(f"environment: {environment['place']}")
    for file in data.get("files", ()):
        worst = decibels(min(output["sqnr_db"] for output in file["outputs"]), " dB")
        verdict = "ok" if file["passed"] else "fails"
        click.echo(f"{verdict:6} {file['file']} in {file['runtime']}: SQNR {worst} there")
    if "place" in data:
        click.echo(f"artifact: {data['place']}")
