"""A benchmark's result as JSON, written after every round, and taken up again where it was cut."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgekit import __version__
from edgekit.errors import InputError
from edgekit.profile.timing.counting import CLASSES, Count
from edgekit.profile.timing.measurement import Options, Report, Round, Row
from edgekit.profile.timing.targets import Target

SCHEMA = 2


def to_json(reports: Sequence[Report], *, samples: bool = True) -> dict[str, Any]:
    """Return the reports of one call as JSON types; `edgekit.report.results` reads them.

    Args:
        reports: one a device, of the same options.
        samples: keep the time of every run.
    """
    options = reports[0].options
    return {
        "schema": SCHEMA,
        "kind": "bench",
        "edgekit": __version__,
        "date": reports[0].date,
        "devices": {r.url: dict(r.device) for r in reports},
        "options": _options_json(options),
        "rows": [_row_json(row, options.max_spread, samples) for r in reports for row in r.rows],
        "counts": [_count_json(count) for r in reports for count in r.counts],
        "finished": all(r.finished for r in reports),
        "failures": [
            {"device": r.url, "file": file, "line": line}
            for r in reports
            for file, line in r.failures.items()
        ],
    }


def read_unfinished(path: Path, targets: Sequence[Target], options: Options) -> list[Row]:
    """Return the rows of a result of the same call that was cut short; none where it was not.

    Rounds that were cut themselves are left out.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        same = raw["schema"] == SCHEMA and raw["options"] == _options_json(options)
        cut = same and not raw["finished"]
        rows = [read_row(r, targets) for r in raw["rows"]] if cut else []
    except (OSError, ValueError, KeyError, TypeError, AttributeError, InputError):
        return []  # another file, which the new result will replace as it always would
    return [row for row in rows if row and row.rounds]


def read_row(raw: Mapping[str, Any], targets: Sequence[Target]) -> Row | None:
    """Return a row of a result; None where its file is none of `targets`.

    Raises:
        KeyError, TypeError: it is malformed.
    """
    target = next((t for t in targets if _same(t, raw)), None)
    rounds = tuple(
        Round(**{**r, "samples_ms": tuple(r["samples_ms"]), "during": tuple(r["during"])})
        for r in raw["rounds"]
        if not r["cut"]
    )
    if target is None:
        return None
    inputs, dropped, profile = raw["inputs"], raw["discarded_rounds"], raw["profile"]
    return Row(target, raw["device"], raw["kind"], raw["runtime"], inputs, rounds, dropped, profile)


def _same(target: Target, raw: Mapping[str, Any]) -> bool:
    return (target.sha256, target.signature) == (raw["sha256"], raw.get("signature"))


def _options_json(options: Options) -> dict[str, Any]:
    values = asdict(options)
    values["inputs"] = options.inputs and str(options.inputs)
    values["cpus"] = options.cpus and list(options.cpus)
    return values


def _row_json(row: Row, max_spread: float, samples: bool) -> dict[str, Any]:
    rounds = [asdict(r) for r in row.rounds]
    for one in rounds:
        if not samples:
            del one["samples_ms"]
    return {
        **_target_json(row.target),
        "device": row.device,
        "kind": row.kind,
        "runtime": dict(row.runtime),
        "inputs": list(row.inputs),
        "latency_ms": {**asdict(row.latency), "spread": row.latency.spread},
        "load_ms": row.load_ms,
        "first_run_ms": row.first_run_ms,
        "peak_memory_bytes": row.peak_memory_bytes,
        "model_memory_bytes": row.model_memory_bytes,
        "doubts": row.doubts(max_spread),
        "discarded_rounds": row.discarded,
        "profile": row.profile and {k: v for k, v in row.profile.items() if k != "event"},
        "rounds": rounds,
    }


def _count_json(count: Count) -> dict[str, Any]:
    return {
        **_target_json(count.target),
        "device": count.device,
        "kind": count.kind,
        "runtime": dict(count.runtime),
        "inputs": list(count.inputs),
        "instructions": count.instructions,
        "per_madd": count.per_madd,
        "spread": count.spread,
        "classes": {name: count.of(name) for name in CLASSES},
        "cache": count.cache,
        "doubts": count.doubts(),
        "inferences": [dict(one) for one in count.inferences],
    }


def _target_json(target: Target) -> dict[str, Any]:
    return {"file": target.name, **asdict(target), "path": str(target.path)}
