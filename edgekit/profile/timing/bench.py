"""Benchmark model files on a device: several processes a file, in turn, so that ratios are fair."""

from __future__ import annotations

import datetime
import json
import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.device import Device, ProgramError
from edgekit.errors import EdgekitError, InputError, SetupError
from edgekit.profile.timing import worker
from edgekit.profile.timing.counting import Count
from edgekit.profile.timing.measurement import Options, Report, Round, Row
from edgekit.profile.timing.targets import Target
from edgekit.runtime import RUNTIMES, default_runtime

SIGNAL = 128  # shells add it to the number of the signal that ended a program
COUNT_SECONDS = 7200.0  # allowed for counting one file: an emulator is slow
START_SECONDS = 120.0  # allowed for starting Python, importing the runtime and loading


def bench(
    targets: Sequence[Target],
    device: Device,
    options: Options | None = None,
    progress: Callable[[str], None] = lambda line: None,
    *,
    kept: Sequence[Row] = (),
    keep: Callable[[Report], None] = lambda report: None,
    pause: Callable[[float], object] = time.sleep,
) -> Report:
    """Benchmark `targets` on a device that was entered.

    In each round every file gets a fresh process, one after the other. A file that cannot be run is
    left out and listed in the report's failures; when the device is lost, finished rounds are kept.
    A device that counts instructions runs every file once: the counts are exact.

    Args:
        targets: the files.
        device: where.
        options: how.
        progress: told what is done next.
        kept: rows of an earlier call that was cut short; only the rounds that they lack are run.
        keep: told what there is after every process.
        pause: waits for some seconds.

    Raises:
        EdgekitError: not one run was finished; why.
    """
    run = _Benchmark(targets, device, options or Options(), kept)
    run.install()
    rounds = 1 if device.counter else run.options.rounds
    for turn in range(rounds):
        for i, target in enumerate(targets):
            if run.needs(i, turn):
                progress(f"round {turn + 1} of {rounds}: {target.name}")
                run.turn(i, turn)
                keep(run.report(finished=False))
    for _ in range(run.options.retries):
        if again := run.invalid():
            progress(f"cooling down for {run.options.cool_down_s:g} s")
            pause(run.options.cool_down_s)
            run.repeat(again, progress)
    if not run.rows and not run.counts:
        raise next(iter(run.failures.values()))
    return run.report(finished=True)


class _Benchmark:
    """What was found so far of every target, by its place in the list."""

    def __init__(
        self, targets: Sequence[Target], device: Device, options: Options, kept: Sequence[Row]
    ) -> None:
        self.targets, self.device, self.options = targets, device, options
        self.failures: dict[int, EdgekitError] = {}
        self.facts: dict[str, Any] = {}
        self.python = ""
        self.rows: dict[int, Row] = {
            i: row
            for row in kept
            for i, target in enumerate(targets)
            if row.device == device.url and row.target == target
        }
        self.counts: dict[int, Count] = {}

    def install(self) -> None:
        """Copy the worker, the models, the inputs and a configuration for each to the device.

        Raises:
            InputError: several threads, where instructions are counted.
            SetupError: no Python there, or no room.
        """
        if self.device.counter and self.options.threads > 1:
            raise InputError(
                f"bench: {self.device.url} counts one thread",
                got=f"--threads {self.options.threads}",
                do="leave it out, or bench on the device itself",
            )
        configurations = [self._config(i) for i in range(len(self.targets))]
        self.python = self.device.python  # missing, it is missed before anything is copied
        self.device.put(Path(worker.__file__), "worker.py")
        if self.options.inputs:
            self.device.put(self.options.inputs, "inputs.npz")
        for i, target in enumerate(self.targets):
            self.device.put(target.path, f"{i}.{target.format}")
            with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
                json.dump(configurations[i], file)
                file.flush()
                self.device.put(Path(file.name), f"{i}.json")

    def needs(self, i: int, turn: int) -> bool:
        """Return whether target `i` still lacks the round of this turn."""
        done = len(self.rows[i].rounds) if i in self.rows else 0
        return i not in self.failures and done <= turn

    def turn(self, i: int, turn: int) -> None:
        """Run one process of target `i` and keep what it found."""
        events, error = self._run_worker(i)
        if error:
            self.failures[i] = error
        self.facts |= next((e for e in events if e["event"] == "device"), {})
        self._add_count(i, events)
        self._add_round(i, turn, events)
        if isinstance(error, SetupError) and not isinstance(error, ProgramError):
            self.failures |= {j: error for j in range(len(self.targets)) if j not in self.failures}

    def invalid(self) -> list[int]:
        """Return the targets that throttled or are noisier than asked."""
        return [
            i
            for i, row in self.rows.items()
            if i not in self.failures and not row.is_valid(self.options.max_spread)
        ]

    def repeat(self, again: Sequence[int], progress: Callable[[str], None]) -> None:
        """Run every round of some targets once more; rounds that throttled make room for better."""
        first = 1 + max(r.turn for row in self.rows.values() for r in row.rounds)
        for turn in range(self.options.rounds):
            for i in again:
                if i not in self.failures:
                    name = self.targets[i].name
                    progress(f"once more, round {turn + 1} of {self.options.rounds}: {name}")
                    self.turn(i, first + turn)
        for i in again:
            cool = tuple(r for r in self.rows[i].rounds if not r.throttled)
            if cool:
                dropped = self.rows[i].discarded + len(self.rows[i].rounds) - len(cool)
                self.rows[i] = replace(self.rows[i], rounds=cool, discarded=dropped)

    def report(self, *, finished: bool) -> Report:
        """Return what there is."""
        facts = {k: v for k, v in self.facts.items() if k != "event"}
        device = {"url": self.device.url, "kind": self.device.kind, **facts, **self.device.facts}
        return Report(
            rows=tuple(self.rows[i] for i in sorted(self.rows)),
            counts=tuple(self.counts[i] for i in sorted(self.counts)),
            device=device,
            options=self.options,
            failures={str(self.targets[i].path): str(e) for i, e in self.failures.items()},
            exit_code=max((e.exit_code for e in self.failures.values()), default=0),
            date=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            finished=finished and not self.failures,
        )

    def _config(self, i: int) -> dict[str, Any]:
        """Return what the worker is asked to do in one round."""
        target, options = self.targets[i], self.options
        return {
            "model": f"{i}.{target.format}",
            "sha256": target.sha256,
            "runtime": _runtime(target, options),
            "threads": options.threads,
            "signature": options.signature or target.signature,
            "inputs": "inputs.npz" if options.inputs else None,
            "seed": options.seed,
            "warmup_runs": options.warmup_runs,
            "runs": math.ceil(options.runs / options.rounds),
            "min_seconds": options.min_seconds / options.rounds,
            "max_seconds": options.max_seconds / options.rounds,
            "cpus": options.cpus,
            "counter": self.device.counter,
            "profile": options.profile,
            "setup": self.device.setup_command,
        }

    def _run_worker(self, i: int) -> tuple[list[dict[str, Any]], EdgekitError | None]:
        """Run one round and return its events, as far as they came, and what went wrong."""
        target, device = self.targets[i], self.device
        events: list[dict[str, Any]] = []
        timeout_s = START_SECONDS + 2 * self.options.max_seconds
        if device.counter:
            timeout_s = COUNT_SECONDS
        try:
            for line in device.run([self.python, "worker.py", f"{i}.json"], timeout_s=timeout_s):
                event = _event(line)
                if event and event["event"] == "error":
                    kind = InputError if event["code"] == InputError.exit_code else SetupError
                    return events, kind(f"{target.path}: {event['line']}")
                if event:
                    events.append(event)
        except ProgramError as error:
            return events, _crash(error, events, target, self.options)
        except SetupError as error:
            return events, error
        return events, None

    def _add_count(self, i: int, events: Sequence[dict[str, Any]]) -> None:
        by_name = {e["event"]: e for e in events}
        if "counted" in by_name:
            loaded, inferences = by_name["loaded"], tuple(by_name["counted"]["inferences"])
            self.counts[i] = Count(
                self.targets[i], self.device.url, self.device.kind, loaded["runtime"],
                loaded["inputs"], inferences,
            )  # fmt: skip

    def _add_round(self, i: int, turn: int, events: Sequence[dict[str, Any]]) -> None:
        """Add what a process measured; a process that timed no run adds nothing."""
        by_name = {e["event"]: e for e in events}
        runs = [e for e in events if e["event"] == "runs"]
        if not runs:
            return
        loaded, warm, done = by_name["loaded"], by_name["warm"], by_name.get("done", {})
        measured = Round(
            samples_ms=tuple(ns / 1e6 for e in runs for ns in e["ns"]),
            load_ms=loaded["load_ms"],
            first_run_ms=by_name["first"]["ms"],
            warmup_runs=warm["runs"],
            warm=warm["stable"],
            truncated=done.get("truncated", True),
            baseline_memory_bytes=loaded["baseline_memory_bytes"],
            peak_memory_bytes=done.get("peak_memory_bytes"),
            before=warm["state"],
            after=done.get("state", {}),
            during=tuple(e["state"] for e in runs if "state" in e),
            cut="done" not in by_name,
            turn=turn,
        )
        row = self.rows.get(i) or Row(
            self.targets[i],
            self.device.url,
            self.device.kind,
            loaded["runtime"],
            loaded["inputs"],
            (),
        )
        profile = by_name.get("profile")
        self.rows[i] = replace(row, rounds=(*row.rounds, measured), profile=profile or row.profile)


def _runtime(target: Target, options: Options) -> str:
    """Return the runtime for `target`.

    Raises:
        InputError: the one that was asked for reads another format.
    """
    runtime = options.runtime or default_runtime(target.path)
    if RUNTIMES[runtime][0] != target.format:
        raise InputError(f"{target.path}: not for {runtime}", expected=f"a .{RUNTIMES[runtime][0]}")
    return runtime


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
