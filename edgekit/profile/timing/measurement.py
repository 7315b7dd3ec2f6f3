"""What a benchmark was asked and what it found, from one process to the whole report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgekit.device import Kind
from edgekit.errors import InputError
from edgekit.profile.timing.counting import Count
from edgekit.profile.timing.statistics import Interval, Summary, summarize, turns_ratio
from edgekit.profile.timing.targets import Target
from edgekit.runtime import RUNTIMES

# The clock of a core that throttles falls by more than this; what a governor does is less.
CLOCK_DROP = 0.9
MLPERF = {"runs": 1024, "min_seconds": 60.0, "cool_down_s": 300.0, "retries": 5}


@dataclass(frozen=True)
class Options:
    """How to benchmark. Runs and seconds are of one file, shared among its rounds."""

    runtime: str | None = None  # a key of RUNTIMES; by default the one for the file's format
    threads: int = 1  # of the interpreter
    rounds: int = 7  # processes; each loads the file anew; as many as ranks want, see ranks.py
    runs: int = 100  # timed runs, at least
    min_seconds: float = 1.0  # timed, at least
    max_seconds: float = 60.0  # timed, whichever of the two is still short
    warmup_runs: int = 3  # in each round at least, beside the first run
    seed: int = 0  # of the random inputs
    inputs: Path | None = None  # .npz of raw tensors by input name, instead of random ones
    signature: str | None = None  # entry point; the first where None
    cpus: tuple[int, ...] | None = None  # cores to stay on
    max_spread: float = 0.05  # a wider median (half the interval over p50) is called noisy
    retries: int = 0  # of a file that throttled or is noisy
    cool_down_s: float = 10.0  # before each
    profile: bool = False  # look at the parts of an inference, after the timed runs

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
            (self.retries < 0, "retries", self.retries, "0 or more"),
            (not 0 <= self.cool_down_s < math.inf, "cool-down", self.cool_down_s, "0 or more"),
        ]  # fmt: skip
        for failed, name, got, expected in wrong:
            if failed:
                raise InputError(f"bench: {name}", got=got, expected=expected)

    def valid_for_mlperf(self) -> Options:
        """Return these with what MLPerf Mobile asks of a valid run, at least."""
        wanted = {name: max(getattr(self, name), least) for name, least in MLPERF.items()}
        longest = max(self.max_seconds, 2 * wanted["min_seconds"])
        return replace(self, **{**wanted, "max_seconds": longest, "runs": int(wanted["runs"]),
                                "retries": int(wanted["retries"])})  # fmt: skip


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
    during: tuple[Mapping[str, Any], ...] = ()  # about every second
    cut: bool = False  # the process did not come to its end
    turn: int = 0  # files of one call that have the same took turns

    @property
    def throttled(self) -> bool:
        """Whether the machine said so, or its clock fell while the model ran."""
        states = [self.before, *self.during, self.after]
        clocks = [max(s["clocks_khz"]) for s in states if s.get("clocks_khz")]
        fell = bool(clocks) and min(clocks) < CLOCK_DROP * clocks[0]
        return fell or any(_flagged(s) for s in states)


@dataclass(frozen=True)
class Row:
    """One file's rounds."""

    target: Target
    device: str  # its URL
    kind: Kind
    runtime: Mapping[str, Any]  # name, version, threads, nodes and how many a delegate took
    inputs: Sequence[Mapping[str, Any]]
    rounds: tuple[Round, ...]
    discarded: int = 0  # rounds that throttled and were repeated
    profile: Mapping[str, Any] | None = None  # pre_ms, invoke_ms, post_ms, ops, of the last round

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
            (any(r.throttled for r in self.rounds), "throttled"),
        ]  # fmt: skip
        return [text for holds, text in doubts if holds]

    def is_valid(self, max_spread: float) -> bool:
        """Whether no round throttled and the median is known as well as asked."""
        spread = self.latency.spread
        steady = spread is None or spread <= max_spread
        return steady and not any(r.throttled for r in self.rounds)


@dataclass(frozen=True)
class Report:
    """A benchmark's rows and what is needed to judge them."""

    rows: tuple[Row, ...]
    device: Mapping[str, Any]
    options: Options
    failures: Mapping[str, str]  # file -> the line that says why it has no row, or not all rounds
    counts: tuple[Count, ...] = ()  # of a device that counts instructions instead
    exit_code: int = 0  # of the failures
    date: str = ""  # ISO 8601, UTC
    finished: bool = True  # nothing is left to do

    @property
    def url(self) -> str:
        """The device's."""
        return str(self.device["url"])

    def ratio(self, base: int, new: int) -> tuple[float, Interval | None]:
        """Return how p50 of row `new` compares with that of row `base`, and its interval.

        Both are paired by turn: a machine that slows for some rounds slows both.
        """
        old, fresh = self.rows[base], self.rows[new]
        found = turns_ratio(
            {r.turn: r.samples_ms for r in old.rounds}, {r.turn: r.samples_ms for r in fresh.rounds}
        )
        return found or (fresh.latency.p50 / old.latency.p50, None)


def _flagged(state: Mapping[str, Any]) -> bool:
    """Return whether the machine says so.

    Of a Pi's flags the low bits are now, the others since it was booted; Android's status is 0
    where nothing throttles.
    """
    flags, status = state.get("throttled"), state.get("thermal_status")
    return bool(flags and int(flags, 16) & 0xF) or bool(status)


def _median(values: Sequence[float]) -> float:
    middle = sorted(values)
    return (middle[(len(middle) - 1) // 2] + middle[len(middle) // 2]) / 2


def _largest(values: Sequence[int | None]) -> int | None:
    """Return the largest; None where any is unknown, for it might be larger."""
    known = [v for v in values if v is not None]
    return max(known) if known and len(known) == len(values) else None
