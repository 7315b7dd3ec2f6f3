"""What every benchmark writes: benchmarks/results/NAME.json, with the verdicts computed."""

from __future__ import annotations

import datetime
import json
import operator
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgekit.device import Kind
from edgekit.files import write_file
from edgekit.profile.timing.worker import device_facts

SCHEMA = 1
NUMBER = r"-?\d+(?:\.\d+)?(?:e-?\d+)?"
FOLDER = Path(__file__).parent / "results"
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
}


@dataclass(frozen=True)
class Row:
    """One figure, what it is compared with, and what it should be."""

    case: str  # the model, the file, the data
    metric: str
    unit: str  # "ms", "x" for a ratio, "%"
    value: float
    kind: Kind | str = "measured"
    interval: tuple[float, float] | None = None  # 95%
    anchor: float | None = None  # the figure of the rival or the paper
    anchor_source: str | None = None  # where the anchor is from
    target: str | None = None  # "<= 0.95", ">= 97", "93..97"

    @property
    def met(self) -> bool | None:
        """Whether the value keeps the target; None where there is none.

        Raises:
            ValueError: the target is no comparison with a number.
        """
        if self.target is None:
            return None
        between = re.fullmatch(rf"({NUMBER})\.\.({NUMBER})", self.target)
        if between:
            return float(between.group(1)) <= self.value <= float(between.group(2))
        match = re.fullmatch(rf"(<=|>=|<|>|==) *({NUMBER})", self.target)
        if not match:
            raise ValueError(f"target {self.target!r}: expected a comparison, as '<= 0.95'")
        return COMPARISONS[match.group(1)](self.value, float(match.group(2)))


def write_results(
    name: str,
    rows: Sequence[Row],
    *,
    minutes: float,
    seeds: Sequence[int],
    device: Mapping[str, Any] | None = None,
    folder: Path = FOLDER,
) -> Path:
    """Write NAME.json and return its path.

    Args:
        name: of the benchmark; its table in README has the same.
        rows: the figures.
        minutes: wall time of the run.
        seeds: that the run used; empty where no chance plays.
        device: facts; by default this machine's.
        folder: where to write.

    Raises:
        ValueError: no row, a value that is not finite, or a malformed target.
    """
    if not rows:
        raise ValueError(f"{name}: no rows")
    result = {
        "schema": SCHEMA,
        "benchmark": name,
        "command": _command(),
        "commit": _commit(),
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "device": dict(device_facts() if device is None else device),
        "minutes": round(minutes, 2),
        "seeds": list(seeds),
        "rows": [{**asdict(row), "met": row.met} for row in rows],
    }
    path = folder / f"{name}.json"
    write_file(path, json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    return path


def _command() -> str:
    """Return the command without the folders of this machine."""
    names = [Path(a).name if Path(a).is_absolute() else a for a in sys.argv[1:]]
    return " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *names])


def _commit() -> str:
    """Return the commit, "+changes" where the tree differs, "unknown" outside a repository."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(command, cwd=here, capture_output=True, text=True, check=True).stdout

    try:
        # Results that were just written do not make the measured code another.
        changes = git("status", "--porcelain", "--", "..", ":(exclude)results")
        return git("rev-parse", "HEAD").strip() + ("+changes" if changes.strip() else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
