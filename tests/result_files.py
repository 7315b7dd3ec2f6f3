"""Results as bench and evaluate write them, with figures of one's choice."""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

STATE = {"clocks_khz": None, "temperature_c": None, "throttled": None, "load_average": 0.1}


def write(path: Path, raw: Any) -> Path:
    """Write JSON."""
    path.write_text(json.dumps(raw), encoding="utf-8")
    return path


def bench_json(
    files: Mapping[str, Sequence[Sequence[float]]],
    *,
    cpu: str = "Test CPU",
    threads: int = 1,
    version: str = "2.3.0",
    kind: str = "measured",
    samples: bool = True,
) -> dict[str, Any]:
    """Return a benchmark of files with the given run times in ms, a list a round."""
    device = {"url": "local", "kind": kind, "cpu": cpu, "board": None, "machine": "x86_64",
              "cores": 2, "governor": None}  # fmt: skip
    rows = [_row(file, rounds, threads, version, kind, samples) for file, rounds in files.items()]
    return {"schema": 2, "kind": "bench", "edgekit": "0.1.0", "date": "2026-01-01T00:00:00+00:00",
            "devices": {"local": device}, "options": {}, "rows": rows, "counts": [],
            "finished": True, "failures": []}  # fmt: skip


def counts_json(files: Mapping[str, float], *, cpu: str = "cortex-a76") -> dict[str, Any]:
    """Return instruction counts of files on an emulated core."""
    url = f"qemu:{cpu}"
    device = {"url": url, "kind": "simulated", "cpu": cpu, "board": None, "machine": "aarch64",
              "cores": 1, "governor": None}  # fmt: skip
    counts = [
        {"file": file, "scheme": None, "sha256": hashlib.sha256(file.encode()).hexdigest(),
         "device": url, "kind": "simulated", "instructions": instructions, "per_madd": 0.2,
         "runtime": {"name": "litert", "version": "2.3.0", "threads": 1}, "spread": 0.0}
        for file, instructions in files.items()
    ]  # fmt: skip
    return {**bench_json({}), "devices": {url: device}, "counts": counts}


def _row(
    file: str,
    rounds: Sequence[Sequence[float]],
    threads: int,
    version: str,
    kind: str,
    samples: bool,
) -> dict[str, Any]:
    pooled = [t for r in rounds for t in r]
    p50 = statistics.median(pooled)
    parts = file.split(".")
    return {
        "file": file, "path": file, "format": parts[-1], "size_bytes": 1_000_000,
        "sha256": hashlib.sha256(file.encode()).hexdigest(),
        "scheme": parts[-2] if len(parts) > 2 else None, "artifact": None,
        "madds": None, "params": None, "device": "local", "kind": kind,
        "runtime": {"name": "litert", "version": version, "threads": threads}, "inputs": [],
        "latency_ms": {"n": len(pooled), "rounds": len(rounds), "mean": statistics.mean(pooled),
                       "p50": p50, "p90": max(pooled), "p99": None,
                       "interval": [p50 * 0.99, p50 * 1.01], "spread": 0.01},
        "load_ms": 1.0, "first_run_ms": 2.0,
        "peak_memory_bytes": 60_000_000, "model_memory_bytes": 1, "doubts": [],
        "rounds": [{"samples_ms": list(r)} if samples else {} for r in rounds],
    }  # fmt: skip


def evaluation_json(scores: Mapping[str, float], n: int = 1000, **extra: Any) -> dict[str, Any]:
    """Return an evaluation."""
    rows = [
        {"file": file, "scheme": None, "metric": "top-1", "value": value,
         "interval": [max(0.0, value - 0.01), value], "n": n, **extra}
        for file, value in scores.items()
    ]  # fmt: skip
    return {"schema": 1, "kind": "evaluation", "rows": rows}
