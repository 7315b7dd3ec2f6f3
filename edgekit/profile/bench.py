"""Benchmark model files on a device: several processes a file, in turn, so that ratios are fair."""

from __future__ import annotations

import datetime
import json
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgekit import __version__
from edgekit.artifact import MANIFEST, open_artifact
from edgekit.device import Device, Kind, ProgramError
from edgekit.errors import EdgekitError, InputError, SetupError
from edgekit.files import file_sha256
from edgekit.profile import worker
from edgekit.profile.statistics import Interval, Summary, ratio_interval, summarize
from edgekit.runtime import RUNTIMES, default_runtime, file_format

SCHEMA = 1
SIGNAL = 128  # shells add it to the number of the signal that ended a program
START_SECONDS = 120.0  # allowed for starting Python, importing the runtime and loading


@dataclass(frozen=True)
class Options:
    """How to benchmark. Runs and seconds are of one file, shared among its rounds."""

    runtime: str | None = None  # a key of RUNTIMES; by default the one for the file's format
    threads: int = 1  # of the interpreter
    rounds: int = 5  # processes; each loads the file anew
    runs: int = 100  # timed runs, at least
    min_seconds: float = 1.0  # timed, at least
    max_seconds: float = 60.0  # timed, whichever of the two is still short
    warmup_runs: int = 3  # in each round at least, beside the first run
    seed: int = 0  # of the random inputs
    inputs: Path | None = None  # .npz of raw tensors by input name, instead of random ones
    signature: str | None = None  # entry point; the first where None
    cpus: tuple[int, ...] | None = None  # cores to stay on
    max_spread: float = 0.05  # a wider median (half the interval over p50) is called noisy

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: one of them makes no benchmark.
        """
        wrong = [
            (self.runtime not in (None, *RUNTIMES), "runtime", self.runtime, ", ".join(RUNTIMES)),
            (self.threads < 1, "threads", self.threads, "at least 1"),
            (self.rounds < 1, "rounds", self.rounds, "at least 1"),
            (self.runs < 1, "runs", self.runs, "at least 1"),
            (not 0 <= self.min_seconds < math.inf, "min-seconds", self.min_seconds, "0 or more"),
            (self.max_seconds < self.min_seconds, "max-seconds", self.max_seconds,
             f"at least min-seconds, {self.min_seconds:g}"),
            (self.warmup_runs < 0, "warmup", self.warmup_runs, "0 or more"),
            (self.seed < 0, "seed", self.seed, "0 or more"),
        ]  # fmt: skip
        for failed, name, got, expected in wrong:
            if failed:
                raise InputError(f"bench: {name}", got=got, expected=expected)


@dataclass(frozen=True)
class Target:
    """A model file to benchmark."""

    path: Path
    format: str
    sha256: str
    size_bytes: int
    scheme: str | None = None  # known where an artifact says it
    artifact: str | None = None  # its name
    madds: int | None = None
    params: int | None = None


@dataclass(frozen=True)
class Round:
    """What one process measured."""

    samples_ms: tuple[float, ...]  # one a run
    load_ms: float  # opening the file and planning its memory
    first_run_ms: float
    warmup_runs: int
    warm: bool  # whether the runs had stopped becoming faster
    truncated: bool  # cut by max_seconds, or by losing the device
    baseline_memory_bytes: int | None  # resident before the file was opened
    peak_memory_bytes: int | None  # resident, at most
    before: Mapping[str, Any]  # clocks, temperature, load
    after: Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """One file's rounds."""

    target: Target
    kind: Kind
    runtime: Mapping[str, Any]  # name, version, threads, nodes and how many a delegate took
    inputs: Sequence[Mapping[str, Any]]
    rounds: tuple[Round, ...]

    @property
    def latency(self) -> Summary:
        """Percentiles in ms over all rounds."""
        return summarize([r.samples_ms for r in self.rounds])

    @property
    def load_ms(self) -> float:
        """The median of the rounds."""
        return _median([r.load_ms for r in self.rounds])

    @property
    def first_run_ms(self) -> float:
        """The median of the rounds."""
        return _median([r.first_run_ms for r in self.rounds])

    @property
    def peak_memory_bytes(self) -> int | None:
        """The largest of the rounds, Python and the runtime included."""
        return _largest([r.peak_memory_bytes for r in self.rounds])

    @property
    def model_memory_bytes(self) -> int | None:
        """The peak above what was resident before the file was opened, at most."""
        return _largest(
            [
                r.peak_memory_bytes - r.baseline_memory_bytes
                if r.peak_memory_bytes is not None and r.baseline_memory_bytes is not None
                else None
                for r in self.rounds
            ]
        )

    def doubts(self, max_spread: float) -> list[str]:
        """Return what a reader should know before trusting the figures."""
        spread = self.latency.spread
        doubts = [
            (spread is None, "too few runs for an interval"),
            (spread is not None and spread > max_spread,
             f"noisy: the median is known to {spread or 0:.0%}, asked {max_spread:.0%}"),
            (not all(r.warm for r in self.rounds), "still becoming faster after the warm-up"),
            (any(r.truncated for r in self.rounds), "fewer runs than asked"),
            (any(_throttled(s) for r in self.rounds for s in (r.before, r.after)), "throttled"),
        ]  # fmt: skip
        return [text for holds, text in doubts if holds]


@dataclass(frozen=True)
class Report:
    """A benchmark's rows and what is needed to judge them."""

    rows: tuple[Row, ...]
    device: Mapping[str, Any]
    options: Options
    failures: Mapping[str, str]  # file -> the line that says why it has no row, or not all rounds
    exit_code: int = 0  # of the failures
    date: str = ""  # ISO 8601, UTC

    def ratio(self, base: int, new: int) -> tuple[float, Interval | None]:
        """Return p50(row `new`) / p50(row `base`) and its interval, paired by round."""
        old, fresh = self.rows[base], self.rows[new]
        return fresh.latency.p50 / old.latency.p50, ratio_interval(
            [r.samples_ms for r in old.rounds], [r.samples_ms for r in fresh.rounds], paired=True
        )

    def to_json(self, *, samples: bool = True) -> dict[str, Any]:
        """Return the result as JSON types; see `edgekit.report.results` for its reader."""
        options = asdict(self.options)
        options["inputs"] = self.options.inputs and str(self.options.inputs)
        return {
            "schema": SCHEMA,
            "kind": "bench",
            "edgekit": __version__,
            "date": self.date,
            "device": dict(self.device),
            "options": options,
            "rows": [_row_json(row, self.options.max_spread, samples) for row in self.rows],
            "failures": dict(self.failures),
        }


def find_targets(
    paths: Sequence[str | Path], *, schemes: Sequence[str] = (), runtime: str | None = None
) -> list[Target]:
    """Return the model files that `paths` name.

    Args:
        paths: artifact folders and model files.
        schemes: of an artifact's files; all where empty.
        runtime: leaves out an artifact's files of formats that it does not read.

    Raises:
        InputError: a path holds no model, or nothing in it matches.
    """
    found: list[Target] = []
    for path in map(Path, paths):
        found += _artifact_targets(path, schemes, runtime) if path.is_dir() else [_target(path)]
    return found


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


def _artifact_targets(folder: Path, schemes: Sequence[str], runtime: str | None) -> list[Target]:
    artifact = open_artifact(folder)
    format = RUNTIMES[runtime][0] if runtime in RUNTIMES else None
    found = [
        Target(
            path=artifact.path(f),
            format=f.format,
            sha256=f.sha256,
            size_bytes=f.size_bytes,
            scheme=f.scheme,
            artifact=artifact.manifest.name,
            madds=f.madds,
            params=f.params,
        )
        for f in artifact.manifest.files
        if (not schemes or f.scheme in schemes) and format in (None, f.format)
    ]
    if not found:
        raise InputError(
            f"{folder / MANIFEST}: no file to benchmark",
            got=", ".join(schemes) or f"a runtime for {format}",
            expected=", ".join(f"{f.scheme} {f.format}" for f in artifact.manifest.files),
        )
    return found


def _target(path: Path) -> Target:
    format = file_format(path)
    try:
        return Target(path, format, file_sha256(path), path.stat().st_size)
    except OSError as error:
        raise InputError(f"{path}: cannot be read", got=error.strerror) from None


def _row_json(row: Row, max_spread: float, samples: bool) -> dict[str, Any]:
    latency = asdict(row.latency)
    rounds = [asdict(r) for r in row.rounds]
    for one in rounds:
        if not samples:
            del one["samples_ms"]
    target = {**asdict(row.target), "path": str(row.target.path)}
    return {
        "file": row.target.path.name,
        **target,
        "kind": row.kind,
        "runtime": dict(row.runtime),
        "inputs": list(row.inputs),
        "latency_ms": {**latency, "spread": row.latency.spread},
        "load_ms": row.load_ms,
        "first_run_ms": row.first_run_ms,
        "peak_memory_bytes": row.peak_memory_bytes,
        "model_memory_bytes": row.model_memory_bytes,
        "doubts": row.doubts(max_spread),
        "rounds": rounds,
    }


def _throttled(state: Mapping[str, Any]) -> bool:
    """Return whether a Pi says so: the low bits are now, the others are since it was booted."""
    flags = state.get("throttled")
    return bool(flags and int(flags, 16) & 0xF)


def _median(values: Sequence[float]) -> float:
    middle = sorted(values)
    return (middle[(len(middle) - 1) // 2] + middle[len(middle) // 2]) / 2


def _largest(values: Sequence[int | None]) -> int | None:
    """Return the largest; None where any is unknown, for it might be larger."""
    known = [v for v in values if v is not None]
    return max(known) if known and len(known) == len(values) else None
