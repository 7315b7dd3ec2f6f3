"""Environments of their own for peers whose dependencies clash with ours; made once, kept aside."""

from __future__ import annotations

import json
import subprocess
import venv
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / ".venv-peers"  # git-ignored


def environment(name: str, *packages: str) -> Path:
    """Return the Python of the environment `name`, which holds `packages`.

    Raises:
        subprocess.CalledProcessError: they cannot be installed.
    """
    folder = FOLDER / name
    python = folder / "bin" / "python"
    ready = folder / "ready.json"
    if ready.exists() and json.loads(ready.read_text()) == list(packages):
        return python
    venv.create(folder, clear=True, with_pip=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *packages], check=True)
    ready.write_text(json.dumps(packages))
    return python


def run(python: Path, program: str, *arguments: str) -> Any:
    """Return what `program`, Python source, prints as JSON on its last line.

    Raises:
        RuntimeError: it fails.
    """
    done = subprocess.run([str(python), "-c", program, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{python}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def version(python: Path, package: str) -> str:
    """Return the version of a package in an environment."""
    code = f"import importlib.metadata as m, json; print(json.dumps(m.version({package!r})))"
    return str(run(python, code))
