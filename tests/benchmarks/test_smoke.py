"""Every program under benchmarks/ and converters/ runs from end to end, in little."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted(
    path
    for folder in ("benchmarks", "converters")
    for path in (ROOT / folder).glob("*.py")
    if "--smoke" in path.read_text(encoding="utf-8")
)
NO_PROGRAM = {"results.py", "tables.py"}  # what the programs share, tested by themselves


def test_every_program_has_a_smoke_run() -> None:
    found = {
        p.name for folder in ("benchmarks", "converters") for p in (ROOT / folder).glob("*.py")
    }
    assert found - NO_PROGRAM == {program.name for program in PROGRAMS}


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_smoke(program: Path, shared_data: Path) -> None:
    before = _written()
    done = subprocess.run(
        [sys.executable, str(program), "--smoke"],
        cwd=ROOT,
        env={**os.environ, "EDGEKIT_SHARED_DATA": str(shared_data)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert _written() == before, "a smoke run leaves no results behind"


def _written() -> dict[Path, float]:
    """Return when each published result was written."""
    folders = (ROOT / "benchmarks" / "results", ROOT / "edgekit" / "export" / "targets")
    return {path: path.stat().st_mtime for folder in folders for path in folder.glob("*.json")}
