"""What a report says, as tables of text that HTML and Markdown both print."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekit.errors import InputError
from edgekit.report.numbers import decibels, megabytes, millions, significant
from edgekit.report.results import Conditions, Results, Score, Timing

if TYPE_CHECKING:
    from edgekit.report.cost import Cost

UNKNOWN = ""  # an empty cell: not looked at, which is not zero


@dataclass(frozen=True)
class Table:
    """A heading, the columns' names and rows of text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    bars: tuple[tuple[float, ...], ...] = ()  # behind the cells of each row but the first, 0 to 1


@dataclass(frozen=True)
class Entry:
    """All that is known of one model file."""

    file: str
    scheme: str
    size_bytes: int | None
    params: int | None
    madds: int | None
    parity: Mapping[str, Any] | None
    scores: Mapping[str, Score]  # by metric
    timings: Mapping[Conditions, Timing]


def join(results: Results, costs: Sequence[Cost] = ()) -> list[Entry]:
    """Return an entry for each model file, with its scores and times.

    Times and scores belong to a file by its SHA-256; a score without one, by the file's name.
    What was counted of a file stands where no artifact has told it.

    Raises:
        InputError: nothing to report; or two rows give one file two figures of one kind.
    """
    by_hash: dict[str, dict[str, Any]] = {}
    for artifact in results.artifacts:
        for f in artifact.manifest.files:
            by_hash[f.sha256] = {
                "file": f.path, "scheme": f.scheme, "size_bytes": f.size_bytes,
                "params": f.params, "madds": f.madds, "parity": f.parity,
            }  # fmt: skip
    for c in costs:
        by_hash.setdefault(
            c.sha256,
            {"file": c.file, "scheme": "", "size_bytes": c.size_bytes,
             "params": c.summary.params, "madds": c.summary.madds},
        )  # fmt: skip
    for t in results.timings:
        by_hash.setdefault(
            t.sha256, {"file": t.file, "scheme": t.scheme or "", "size_bytes": t.size_bytes}
        )
    for counted in results.countings:
        by_hash.setdefault(counted.sha256, {"file": counted.file, "scheme": counted.scheme or ""})
    known = {facts["file"] for facts in by_hash.values()}
    for s in results.scores:
        if (s.sha256 or s.file) not in by_hash and (s.sha256 or s.file not in known):
            by_hash.setdefault(s.sha256 or s.file, {"file": s.file, "scheme": s.scheme or ""})
    if not by_hash:
        raise InputError("report: nothing to report", expected="an artifact or a result")
    return [_entry(sha256, facts, results) for sha256, facts in by_hash.items()]


def _entry(sha256: str, facts: dict[str, Any], results: Results) -> Entry:
    scores: dict[str, Score] = {}
    for s in results.scores:
        mine = s.sha256 == sha256 if s.sha256 else s.file == facts["file"]
        if mine and scores.setdefault(s.metric, s) != s:
            raise InputError(
                f"report: {s.file} has two values of {s.metric}", do="give one of the runs"
            )
    timings: dict[Conditions, Timing] = {}
    for t in results.timings:
        if t.sha256 == sha256 and timings.setdefault(t.conditions, t) != t:
            raise InputError(
                f"report: {t.file} was benchmarked twice on {t.conditions}",
                do="give one of the runs",
            )
    blank = {"size_bytes": None, "params": None, "madds": None, "parity": None}
    return Entry(**{**blank, **facts}, scores=scores, timings=timings)


def conditions(entries: list[Entry]) -> dict[Conditions, str]:
    """Return a letter for each set of conditions, so that columns stay narrow."""
    found = dict.fromkeys(c for e in entries for c in e.timings)
    return {c: chr(ord("A") + i % 26) * (1 + i // 26) for i, c in enumerate(found)}


def metrics(entries: list[Entry]) -> list[str]:
    """Return the metrics in the order of their first use."""
    return list(dict.fromkeys(m for e in entries for m in e.scores))


def summarize(entries: list[Entry]) -> Table:
    """Return the main table: what each file costs and what it lost.

    Every kind of figure and every device has columns of its own.
    """
    letters, names = conditions(entries), metrics(entries)
    parity = any(e.parity for e in entries)
    heads = {m: _unit(m, entries) for m in names}
    columns = ["file", "scheme", "size, MB", "params, M", "MAdds, M"]
    columns += [f"{m}, {unit}" if unit else m for m, unit in heads.items()]
    columns += ["parity"] * parity
    for c, letter in letters.items():
        columns += [f"p50, ms, {c.kind} {letter}", f"peak, MB, {c.kind} {letter}"]

    def cells(e: Entry) -> Iterator[str]:
        yield from (e.file, e.scheme)
        yield UNKNOWN if e.size_bytes is None else megabytes(e.size_bytes)
        yield UNKNOWN if e.params is None else millions(e.params)
        yield UNKNOWN if e.madds is None else millions(e.madds)
        yield from (_score_text(e.scores.get(m), unit) for m, unit in heads.items())
        if parity:
            yield _parity_text(e.parity)
        for c in letters:
            t = e.timings.get(c)
            yield _time_text(t)
            yield megabytes(t.peak_memory_bytes) if t else UNKNOWN

    notes = [f"{letter}: {c.kind} on {c}" for c, letter in letters.items()]
    notes += [f"{t.file}: {d}" for e in entries for t in e.timings.values() for d in t.doubts]
    if any(t.interval for e in entries for t in e.timings.values()):
        notes.append("In brackets: 95% interval.")
    return Table(
        "Size, accuracy, latency", tuple(columns), tuple(tuple(cells(e)) for e in entries),
        tuple(dict.fromkeys(notes)),
    )  # fmt: skip


def details(results: Results, entries: list[Entry]) -> list[Table]:
    """Return what stands after the main table, without what is empty."""
    found = [*latencies(entries), instructions(results), parities(entries)]
    return [table for table in found if table.rows]


def parities(entries: list[Entry]) -> Table:
    """Return every output's figures against the source."""
    names = ("max_error", "sqnr_db", "cosine", "top1_agreement", "non_finite", "gate", "passed")
    rows = [
        (e.file, str(o.get("output", "")), *(_figure(o.get(name), name) for name in names))
        for e in entries
        for o in _outputs(e.parity)
    ]
    heads = ("error", "SQNR, dB", "cosine", "same top-1", "not finite", "gate", "passed")
    return Table("Parity with the source", ("file", "output", *heads), tuple(rows))


def latencies(entries: list[Entry]) -> list[Table]:
    """Return a table of all percentiles for each set of conditions."""
    tables = []
    columns = ("file", "p50, ms", "95% interval", "p90, ms", "p99, ms", "first run, ms", "load, ms")
    for c, letter in conditions(entries).items():
        rows = []
        for e in entries:
            if t := e.timings.get(c):
                times = (t.p90_ms, t.p99_ms, t.first_run_ms, t.load_ms)
                rows.append(
                    (e.file, significant(t.p50_ms), _interval_text(t), *map(significant, times))
                )
        tables.append(Table(f"Latency {letter}: {c.kind} on {c}", columns, tuple(rows)))
    return tables


def instructions(results: Results) -> Table:
    """Return what emulated cores counted: simulated, and never beside times."""
    rows = tuple(
        (
            c.file, str(c.conditions.cpu), f"{c.conditions.runtime} {c.conditions.version}",
            millions(c.instructions), significant(c.per_madd) if c.per_madd else UNKNOWN,
            f"{c.spread:.3%}",
        )
        for c in results.countings
    )  # fmt: skip
    columns = ("file", "core", "runtime", "instructions, M", "for each MAdd", "spread")
    notes = ("Counted exactly on an emulated core, one thread; an emulator tells no time.",)
    return Table("Instructions of one inference: simulated", columns, rows, notes)


def facts(title: str, values: Mapping[str, Any]) -> Table:
    """Return nested facts as two columns, dotted names and values."""
    return Table(title, ("what", "value"), tuple(_flatten("", values)))


def _flatten(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flatten(f"{prefix}.{key}" if prefix else str(key), inner)
    elif value is not None:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield prefix, text


def _figure(value: Any, name: str = "") -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "sqnr_db" and isinstance(value, int | float):
        return decibels(value)
    if isinstance(value, int | float):
        return f"{value:.5g}"
    return UNKNOWN if value is None else str(value)


def _unit(metric: str, entries: Sequence[Entry]) -> str:
    """Return the unit of all values of a metric, if they are no shares."""
    units = {e.scores[metric].unit for e in entries if metric in e.scores}
    return units.pop() if len(units) == 1 and not units & {"1", "%"} else ""


def _score_text(score: Score | None, told: str) -> str:
    """Return a score with its interval, and with its unit where the heading has not `told` it."""
    if score is None:
        return UNKNOWN
    percent = score.unit in ("1", "%")
    factor = 100 if score.unit == "1" else 1
    digits = (lambda v: f"{v * factor:.2f}") if percent else significant
    text = digits(score.value) + ("%" if percent else "" if told else f" {score.unit}")
    if score.interval:
        text += f" ({digits(score.interval[0])}–{digits(score.interval[1])})"
    return text


def _time_text(t: Timing | None) -> str:
    if t is None:
        return UNKNOWN
    return significant(t.p50_ms) + (f" ({_interval_text(t)})" if t.interval else "")


def _interval_text(t: Timing) -> str:
    return "–".join(map(significant, t.interval)) if t.interval else UNKNOWN


def _parity_text(parity: Mapping[str, Any] | None) -> str:
    """Return the verdict and the worst output's signal-to-noise ratio."""
    if not parity:
        return UNKNOWN
    verdict = {True: "passed", False: "failed"}.get(parity.get("passed", ""), "unknown")
    ratios = [o["sqnr_db"] for o in _outputs(parity) if "sqnr_db" in o]
    return ", ".join([verdict, *([decibels(min(ratios), " dB")] if ratios else [])])


def _outputs(parity: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    return [o for o in (parity or {}).get("outputs", ()) if isinstance(o, Mapping)]
