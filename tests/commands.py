"""Commands as a user types them: what they tell, and how they refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgekit.cli import run

# TensorFlow, where this process has not imported it yet, has something to say as well; and MuJoCo
# of gymnasium's models, with an empty line behind it.
_OTHERS = ("WARNING: All log messages before absl", "I0000", "E0000",
           "WARNING: compiler attribute 'settotalmass' is deprecated")  # fmt: skip


def told(capfd: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Return the JSON of a command that ends well."""
    assert run([*arguments, "--json"]) == 0
    return json.loads(capfd.readouterr().out)


def refused(capfd: pytest.CaptureFixture[str], code: int, *arguments: str) -> str:
    """Return the only line of a command that ends with `code`."""
    assert run(list(arguments)) == code
    (line,) = [x for x in capfd.readouterr().err.splitlines() if x and not x.startswith(_OTHERS)]
    return line
