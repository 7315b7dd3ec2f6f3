"""Benchmark model files on a device: several processes a file, in turn, so that ratios are fair."""

from __future__ import annotations

import datetime
import json
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.device import Device, ProgramError
from edgekit.errors import EdgekitError, InputError, SetupError
from edgekit.profile import worker
from edgekit.profile.measurement import Options, Report, Round, Row
from edgekit.profile.targets import Target
from edgekit.runtime import RUNTIMES, default_runtime

SIGNAL = 128  # shells add it to the number of the signal that ended a program
START_SECONDS = 120.0  # allowed for starting Python, importing the runtime and loading


def bench(
    targets: Sequence[Target],
    device: Device,
    options: Options | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Report:
    """Benchmark `targets` on a device that was entered.

    In each round every file gets a fresh process, one after the other. A file that cannot be run is
    left out and listed in the report's failures; when the device is lost, finished rounds are kept.

    Raises:
        EdgekitError: not one run was finished; why.
    """
    options = options or Options()
    _install(targets, device, options)
    failures: dict[int, EdgekitError] = {}
    facts: dict[str, Any] = {}
    rows: dict[int, Row] = {}
    for turn in range(options.rounds):
        for i, target in enumerate(targets):
            if i in failures:
                continue
            progress(f"round {turn + 1} of {options.rounds}: {target.path.name}")
            events, error = _run_worker(device, i, target, options)
            if error:
                failures[i] = error
            facts |= next((e for e in events if e["event"] == "device"), {})
            _add_round(rows, i, target, device, events)
            if isinstance(error, SetupError) and not isinstance(error, ProgramError):
                failures |= {j: error for j in range(len(targets)) if j not in failures}
    if not rows:
        raise next(iter(failures.values()))
    facts.pop("event", None)
    return Report(
        rows=tuple(rows[i] for i in sorted(rows)),
        device={"url": device.url, "kind": device.kind, **device.facts, **facts},
        options=options,
        failures={str(targets[i].path): str(e) for i, e in failures.items()},
        exit_code=max((e.exit_code for e in failures.values()), default=0),
        date=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    )


def _install(targets: Sequence[Target], device: Device, options: Options) -> None:
    """Copy the worker, the models, the inputs and a configuration for each to the device."""
    device.put(Path(worker.__file__), "worker.py")
    if options.inputs:
        device.put(options.inputs, "inputs.npz")
    for i, target in enumerate(targets):
        device.put(target.path, f"{i}.{target.format}")
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            json.dump(_config(i, target, options), file)
            file.flush()
            device.put(Path(file.name), f"{i}.json")


def _config(i: int, target: Target, options: Options) -> dict[str, Any]:
    """Return what the worker is asked to do in one round."""
    return {
        "model": f"{i}.{target.format}",
        "sha256": target.sha256,
        "runtime": _runtime(target, options),
        "threads": options.threads,
        "signature": options.signature,
        "inputs": "inputs.npz" if options.inputs else None,
        "seed": options.seed,
        "warmup_runs": options.warmup_runs,
        "runs": math.ceil(options.runs / options.rounds),
        "min_seconds": options.min_seconds / options.rounds,
        "max_seconds": options.max_seconds / options.rounds,
        "cpus": options.cpus,
    }


def _runtime(target: Target, options: Options) -> str:
    """Return the runtime for `target`.

    Raises:
        InputError: the one that was asked for reads another format.
    """
    runtime = options.runtime or default_runtime(target.path)
    if RUNTIMES[runtime][0] != target.format:
        raise InputError(f"{target.path}: not for {runtime}", expected=f"a .{RUNTIMES[runtime][0]}")
    return runtime


def _run_worker(
    device: Device, i: int, target: Target, options: Options
) -> tuple[list[dict[str, Any]], EdgekitError | None]:
    """Run one round and return its events, as far as they came, and what went wrong."""
    events: list[dict[str, Any]] = []
    timeout_s = START_SECONDS + 2 * options.max_seconds
    try:
        for line in device.run([device.python, "worker.py", f"{i}.json"], timeout_s=timeout_s):
            event = _event(line)
            if event and event["event"] == "error":
                kind = InputError if event["code"] == InputError.exit_code else SetupError
                return events, kind(f"{target.path}: {event['line']}")
            if event:
                events.append(event)
    except ProgramError as error:
        return events, _crash(error, events, target, options)
    except SetupError as error:
        return events, error
    return events, None


def _event(line: str) -> dict[str, Any] | None:
    """Return the worker's event; None for a line that a library printed, or that was cut."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


def _crash(
    error: ProgramError, events: Sequence[Mapping[str, Any]], target: Target, options: Options
) -> EdgekitError:
    """Blame the file for a crash, or for running forever, once the device has shown that it works.

    No runtime checks a model file fully: a damaged one can end the process that opens it.
    """
    if not events or (error.status is not None and error.status < SIGNAL):
        return error
    runtime = _runtime(target, options)
    if error.status is None:
        return InputError(
            f"{target.path}: did not finish in {runtime}",
            got=error.ending,
            do="raise --max-seconds",
        )
    return InputError(
        f"{target.path}: crashes {runtime}", got=error.ending, do="check that the file is whole"
    )


def _add_round(
    rows: dict[int, Row], i: int, target: Target, device: Device, events: Sequence[dict[str, Any]]
) -> None:
    """Add what a process measured to row `i`; a process that timed no run adds nothing."""
    by_name = {e["event"]: e for e in events}
    samples_ms = tuple(ns / 1e6 for e in events if e["event"] == "runs" for ns in e["ns"])
    if not samples_ms:
        return
    loaded, warm, done = by_name["loaded"], by_name["warm"], by_name.get("done", {})
    measured = Round(
        samples_ms=samples_ms,
        load_ms=loaded["load_ms"],
        first_run_ms=by_name["first"]["ms"],
        warmup_runs=warm["runs"],
        warm=warm["stable"],
        truncated=done.get("truncated", True),
        baseline_memory_bytes=loaded["baseline_memory_bytes"],
        peak_memory_bytes=done.get("peak_memory_bytes"),
        before=warm["state"],
        after=done.get("state", {}),
    )
    row = rows.get(i) or Row(target, device.kind, loaded["runtime"], loaded["inputs"], ())
    rows[i] = replace(row, rounds=(*row.rounds, measured))
