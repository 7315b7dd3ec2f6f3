"""Parts of a long benchmark, each kept in a JSON file once it is there."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def kept(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what `path` holds; where it is not there yet, what `make` finds, which it then holds.

    Beside it are the "minutes" of wall time that this took.
    """
    if not path.exists():
        began = time.monotonic()
        found = make()
        found["minutes"] = (time.monotonic() - began) / 60
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found), encoding="utf-8")
        print(path.stem, found, flush=True)
    return dict(json.loads(path.read_text(encoding="utf-8")))
