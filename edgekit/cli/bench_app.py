"""edgekit bench --app: the app's own benchmark screen on phones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import click
from click.core import ParameterSource

from edgekit.cli.output import stderr
from edgekit.device import Device
from edgekit.device.adb import AdbDevice
from edgekit.errors import InputError
from edgekit.profile.timing.app_bench import HEEDED, bench_in_app
from edgekit.profile.timing.measurement import Options, Report
from edgekit.profile.timing.targets import find_targets


def bench_in_apps(
    files: Sequence[str], devices: Sequence[Device], schemes: Sequence[str], options: Options
) -> list[Report]:
    """Return what the app on each phone measured, one phone after the other.

    Raises:
        InputError: an option that the app does not heed, a device that is no phone, a file that
            belongs to no artifact; see `bench_in_app`.
        SetupError: the app is not there, or the phone is out of reach.
    """
    given = click.get_current_context().get_parameter_source
    for name in sorted({f.name for f in fields(options)} - {*HEEDED} | {"validity", "fresh"}):
        if given(name) not in (ParameterSource.DEFAULT, None):
            option = name.removesuffix("_s").replace("_", "-")
            raise InputError(f"--{option}: not with --app", do="leave it out")
    phones = [device for device in devices if isinstance(device, AdbDevice)]
    if len(phones) < len(devices):
        raise InputError("--app", got=", ".join(device.url for device in devices),
                         expected="--on adb:[SERIAL]")  # fmt: skip
    targets = find_targets(files, schemes=schemes, runtime="litert")
    if single := [target.name for target in targets if target.artifact is None]:
        raise InputError("--app", got=single[0], expected="artifacts, which the app has")
    with stderr().status("bench: in the app"):
        return [bench_in_app(targets, phone, options) for phone in phones]
