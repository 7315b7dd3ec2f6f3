"""Runtimes that a .tflite must load in, and the ops that they refuse.

What each accepts is measured, not copied: converters/op_versions.py asks the runtime itself and
writes targets/NAME.json.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from edgekit.errors import InputError
from edgekit.profile.graph.tflite import op_versions


@dataclass(frozen=True)
class Refusal:
    """An op of a file that a target does not take."""

    op: str  # the builtin's name
    version: int  # that the file asks for
    lowest: int  # that the target takes
    highest: int  # 0 where the target lacks the op

    def __str__(self) -> str:
        takes = f"takes v{self.lowest} to v{self.highest}" if self.highest else "has none"
        return f"{self.op} v{self.version} ({takes})"


def targets() -> tuple[str, ...]:
    """Return the names of the known targets."""
    folder = files("edgekit.export") / "targets"
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name[: -len(".json")] for name in names if name.endswith(".json")))


def accepted_versions(target: str) -> Mapping[str, tuple[int, int]]:
    """Return the lowest and the highest version of each builtin op that `target` takes.

    Raises:
        InputError: no such target.
    """
    if target not in targets():
        raise InputError(f"target {target}: unknown", expected="one of " + ", ".join(targets()))
    text = (files("edgekit.export") / "targets" / f"{target}.json").read_text(encoding="utf-8")
    table = json.loads(text)
    return {op: (table["lowest"].get(op, 1), highest) for op, highest in table["ops"].items()}


def check_target(path: str | Path, target: str) -> tuple[Refusal, ...]:
    """Return the builtin ops of `path` that `target` refuses; custom ops are not looked at.

    Raises:
        InputError: no such target, or not a .tflite file.
    """
    accepted = accepted_versions(target)
    refused = []
    for op, version in op_versions(path):
        lowest, highest = accepted.get(op, (1, 0))
        if not lowest <= version <= highest:
            refused.append(Refusal(op, version, lowest, highest))
    return tuple(refused)
