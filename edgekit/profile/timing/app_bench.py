"""Benchmark files where they will run: in the app on a phone, by its own benchmark screen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from edgekit.device.adb import AdbDevice
from edgekit.device.android_project import folder_name
from edgekit.device.app import intent_extras, run_benchmark
from edgekit.errors import InputError
from edgekit.profile.timing.measurement import Options, Report
from edgekit.profile.timing.result_file import SCHEMA, read_row
from edgekit.profile.timing.targets import Target

# Of `Options`, what the app heeds; it runs each file in one round, in its own process.
HEEDED = ("threads", "runs", "min_seconds", "max_seconds", "warmup_runs", "max_spread")
FILE_SECONDS = 60.0  # allowed beside the timed runs of a file: loading, warm-up


def bench_in_app(targets: Sequence[Target], device: AdbDevice, options: Options) -> Report:
    """Benchmark `targets` in the app on a phone, and return what it measured.

    Args:
        targets: .tflite files of artifacts that were put into the app.
        device: a phone, not yet entered.
        options: how; what is not HEEDED must be as by default.

    Raises:
        InputError: the app lacks a model, has another file of that name, or its result is none.
        SetupError: it is not installed, it ended early or took too long; the phone is out of reach.
    """
    names = dict.fromkeys(folder_name(str(target.artifact)) for target in targets)
    extras = intent_extras({
        "models": list(names), "schemes": sorted({str(target.scheme) for target in targets}),
        "threads": options.threads, "runs": options.runs, "warmup_runs": options.warmup_runs,
        "min_seconds": float(options.min_seconds), "max_seconds": float(options.max_seconds),
    })  # fmt: skip
    seconds = len(targets) * (options.max_seconds + FILE_SECONDS)
    with device:
        text = run_benchmark(device, extras, timeout_s=seconds)
    return _report(text, targets, device.url, options)


def _report(text: str, targets: Sequence[Target], url: str, options: Options) -> Report:
    """Return the app's result as a report of the phone at `url`."""
    what = f"{url}: the app's result"
    try:
        raw = json.loads(text)
        if raw["schema"] != SCHEMA:
            raise InputError(what, got=f"schema {raw['schema']}", expected=str(SCHEMA),
                             do="install the app anew")  # fmt: skip
        rows = {r["file"]: read_row(r, targets) for r in raw["rows"]}
        (facts,) = raw["devices"].values()
        failures = {str(f["file"]): f"{url}: {f['line']}" for f in raw["failures"]}
        date = str(raw["date"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(what, got=repr(error), do="install the app anew") from None
    if others := [name for name, row in rows.items() if row is None]:
        raise InputError(f"{url}: {others[0]}", got="another file in the app",
                         do="run: edgekit deploy ARTIFACT --android, and install it")  # fmt: skip
    return Report(
        rows=tuple(replace(row, device=url) for row in rows.values() if row),
        device={**facts, "url": url}, options=replace(options, rounds=1, retries=0),
        failures=failures, exit_code=InputError.exit_code if failures else 0, date=date,
        finished=not failures,
    )  # fmt: skip
