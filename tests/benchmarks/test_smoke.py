"""Every program under benchmarks/ and converters/ runs from end to end, in little."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MUJOCO = {"bear_hopper.py", "pearl_mujoco.py"}  # who need it, which `.[all]` does not bring
SHARED = {"tables.py"}  # rewrites README, and has tests of its own
PROGRAMS = sorted(
    path
    for folder in ("benchmarks", "converters")
    for path in (ROOT / folder).glob("*.py")
    if "__main__" in path.read_text(encoding="utf-8") and path.name not in SHARED
)


def test_every_program_has_a_smoke_run() -> None:
    assert {p.name for p in PROGRAMS if "--smoke" not in p.read_text(encoding="utf-8")} == set()
    assert len(PROGRAMS) >= 10


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_smoke(program: Path, shared_data: Path) -> None:
    if program.name in MUJOCO:
        pytest.importorskip("mujoco", reason="MuJoCo is not installed")
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
