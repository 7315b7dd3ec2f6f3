"""Read what runs left behind: artifacts, benchmark results and evaluation results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args

from edgekit.artifact import MANIFEST, Artifact, open_artifact
from edgekit.device import Kind
from edgekit.errors import InputError
from edgekit.profile.timing.statistics import Interval
from edgekit.runtime import FORMATS

SCHEMAS = {"bench": 2, "evaluation": 1}  # kind -> version
T = TypeVar("T")


@dataclass(frozen=True)
class Conditions:
    """What must be the same for two times to be compared."""

    kind: Kind
    cpu: str | None
    board: str | None
    machine: str | None  # x86_64, aarch64 ...
    cores: int | None
    governor: str | None
    runtime: str
    version: str  # of the runtime
    threads: int

    def __str__(self) -> str:
        """Name the device and the runtime in a line."""
        device = self.board or self.cpu or self.machine or "unknown device"
        threads = f"{self.threads} thread{'s' * (self.threads > 1)}"
        return f"{device}, {self.runtime} {self.version}, {threads}"


@dataclass(frozen=True)
class Timing:
    """One row of a benchmark."""

    file: str
    format: str
    scheme: str | None
    sha256: str
    size_bytes: int
    conditions: Conditions
    p50_ms: float
    p90_ms: float
    p99_ms: float | None
    interval: Interval | None  # of p50
    first_run_ms: float
    load_ms: float
    peak_memory_bytes: int | None
    rounds_ms: Mapping[int, tuple[float, ...]] = field(default_factory=dict)  # runs, by turn
    call: str = ""  # of edgekit bench: within one, files took turns
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Counting:
    """One file's instructions on an emulated core."""

    file: str
    scheme: str | None
    sha256: str
    conditions: Conditions
    instructions: float  # of one inference
    spread: float  # largest difference between inferences, as a share
    per_madd: float | None


@dataclass(frozen=True)
class Score:
    """One row of an evaluation."""

    file: str
    scheme: str | None
    metric: str
    value: float
    interval: Interval | None
    n: int | None  # examples
    unit: str = "1"  # "1" for a share, "%" for points of 100, else the metric's own
    better: str = "higher"  # or "lower"
    sha256: str | None = None  # of the file
    hits: str | None = None  # "1" or "0" for each example of a share


@dataclass(frozen=True)
class Results:
    """All that was found."""

    artifacts: tuple[Artifact, ...] = ()
    models: tuple[Path, ...] = ()  # files named by themselves
    timings: tuple[Timing, ...] = ()
    countings: tuple[Counting, ...] = ()
    scores: tuple[Score, ...] = ()
    devices: tuple[Mapping[str, Any], ...] = ()  # facts, one a benchmark
    sources: tuple[str, ...] = field(default=())  # where it was found


def read_results(paths: Sequence[str | Path]) -> Results:
    """Read model files, result files, and folders for every artifact and result inside.

    Raises:
        InputError: a named file is no result, a folder holds none, or one is damaged.
    """
    found = [part for path in map(Path, paths) for part in _read_path(path)]
    return Results(
        artifacts=tuple(a for r in found for a in r.artifacts),
        models=tuple(m for r in found for m in r.models),
        timings=tuple(t for r in found for t in r.timings),
        countings=tuple(c for r in found for c in r.countings),
        scores=tuple(s for r in found for s in r.scores),
        devices=_distinct(d for r in found for d in r.devices),
        sources=tuple(s for r in found for s in r.sources),
    )


def _distinct(facts: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    return tuple({json.dumps(f, sort_keys=True): f for f in facts}.values())


def _read_path(path: Path) -> Iterator[Results]:
    if path.suffix.lower() in FORMATS and not path.is_dir():
        yield Results(models=(path,), sources=(str(path),))
        return
    if not path.is_dir():
        yield _read_file(path, _parse(path))
        return
    empty = True
    for file in sorted(path.rglob("*.json")):
        if file.name == MANIFEST:
            empty = False
            yield Results(artifacts=(open_artifact(file.parent),), sources=(str(file.parent),))
        elif _is_result(raw := _parse(file)):
            empty = False
            yield _read_file(file, raw)
    if empty:
        raise InputError(f"{path}: nothing to read", expected="an artifact or a result in JSON")


def _parse(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read", got=error.strerror) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON", got=str(error)[:100]) from None


def _is_result(raw: Any) -> bool:
    return isinstance(raw, dict) and raw.get("kind") in tuple(SCHEMAS)


def _read_file(path: Path, raw: Any) -> Results:
    if path.name == MANIFEST:
        return Results(artifacts=(open_artifact(path.parent),), sources=(str(path.parent),))
    return read_result(raw, str(path))


def read_result(raw: Any, source: str) -> Results:
    """Return the rows of one result.

    Args:
        raw: what its JSON holds.
        source: where it is from, for an error's line.

    Raises:
        InputError: not a result, another schema, or a field is missing or has the wrong type.
    """
    if not _is_result(raw) or raw.get("schema") != SCHEMAS[raw["kind"]]:
        got = f"{raw.get('kind')}, schema {raw.get('schema')}" if isinstance(raw, dict) else "other"
        expected = " or ".join(f"{kind}, schema {version}" for kind, version in SCHEMAS.items())
        raise InputError(f"{source}: not a result", got=got, expected=expected)
    try:
        if raw["kind"] == "evaluation":
            return Results(scores=tuple(_score(r) for r in raw["rows"]), sources=(source,))
        devices = {str(url): dict(facts) for url, facts in raw["devices"].items()}
        call = f"{source} {raw['date']}"
        return Results(
            timings=tuple(_timing(r, devices[r["device"]], call) for r in raw["rows"]),
            countings=tuple(_counting(c, devices[c["device"]]) for c in raw["counts"]),
            devices=tuple(devices.values()),
            sources=(source,),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{source}: malformed {raw['kind']} result", got=repr(error)) from None


def _timing(row: Mapping[str, Any], device: Mapping[str, Any], call: str) -> Timing:
    latency = row["latency_ms"]
    rounds = {
        int(r.get("turn", i)): tuple(map(_above_zero, r.get("samples_ms", ())))
        for i, r in enumerate(row["rounds"])
    }
    return Timing(
        file=str(row["file"]),
        format=str(row["format"]),
        scheme=_optional(row["scheme"], str),
        sha256=str(row["sha256"]),
        size_bytes=int(row["size_bytes"]),
        conditions=_conditions(row, device),
        p50_ms=_above_zero(latency["p50"]),
        p90_ms=_above_zero(latency["p90"]),
        p99_ms=None if latency["p99"] is None else _above_zero(latency["p99"]),
        interval=_interval(latency["interval"]),
        first_run_ms=_above_zero(row["first_run_ms"]),
        load_ms=_above_zero(row["load_ms"]),
        peak_memory_bytes=_optional(row["peak_memory_bytes"], int),
        rounds_ms=rounds if all(rounds.values()) else {},
        call=call,
        doubts=tuple(map(str, row["doubts"])),
    )


def _counting(row: Mapping[str, Any], device: Mapping[str, Any]) -> Counting:
    per_madd = row["per_madd"]
    return Counting(
        file=str(row["file"]),
        scheme=_optional(row["scheme"], str),
        sha256=str(row["sha256"]),
        conditions=_conditions(row, device),
        instructions=_above_zero(row["instructions"]),
        spread=_finite(row["spread"]),
        per_madd=None if per_madd is None else _above_zero(per_madd),
    )


def _conditions(row: Mapping[str, Any], device: Mapping[str, Any]) -> Conditions:
    runtime = row["runtime"]
    return Conditions(
        kind=_kind(row["kind"]),
        runtime=str(runtime["name"]),
        version=str(runtime["version"]),
        threads=int(runtime["threads"]),
        cores=_optional(device.get("cores"), int),
        **{k: _optional(device.get(k), str) for k in ("cpu", "board", "machine", "governor")},
    )


def _score(row: Mapping[str, Any]) -> Score:
    score = Score(
        file=str(row["file"]),
        scheme=_optional(row["scheme"], str),
        metric=str(row["metric"]),
        value=_finite(row["value"]),
        interval=_interval(row.get("interval")),
        n=_optional(row.get("n"), int),
        unit=str(row.get("unit", "1")),
        better=str(row.get("better", "higher")),
        sha256=_optional(row.get("sha256"), str),
        hits=_optional(row.get("hits"), str),
    )
    if score.hits is not None and (len(score.hits) != score.n or set(score.hits) - {"0", "1"}):
        raise ValueError(f"hits: {len(score.hits)} characters, expected {score.n} of 0 and 1")
    if score.better not in ("higher", "lower"):
        raise ValueError(f"better: {score.better}")
    return score


def _kind(value: Any) -> Kind:
    if value not in get_args(Kind):
        raise ValueError(f"kind: {value!r}")
    kind: Kind = value
    return kind


def _optional(value: Any, kind: type[T]) -> T | None:
    if value is None or (isinstance(value, kind) and not isinstance(value, bool)):
        return value
    raise TypeError(f"{value!r} is not {kind.__name__}")


def _interval(pair: Any) -> Interval | None:
    if pair is None:
        return None
    low, high = pair
    return _finite(low), _finite(high)


def _finite(value: Any) -> float:
    number = float(value)
    if isinstance(value, str | bool) or not abs(number) < float("inf"):
        raise ValueError(f"{value!r} is not a finite number")
    return number


def _above_zero(value: Any) -> float:
    number = _finite(value)
    if number <= 0:
        raise ValueError(f"{value!r} is not above 0")
    return number
